"""Unlearning in the last layers only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs
from attrs import frozen

from harness import Access, Fit, Model, Scope, UnlearnTask
from reference_methods.unlearners.capabilities import parametrised
from reference_methods.unlearners.fits import (
    Part,
    count,
    mixture,
    optional_count,
    optional_rate,
    rate,
    run_fit,
    tuned_options,
)
from reference_methods.unlearners.masks import last_layers, layer_of
from reference_methods.unlearners.tasks import ANY_SCOPE, NEEDS_RETAIN, LayerMode, retain_of


@frozen(kw_only=True)
class CatastrophicForgetting:
    """Fine-tune the last k layers on D_R, the others frozen (CF-k).

    Data: D_R with labels. Source: Goel et al. 2022, arXiv:2201.06640: 62 epochs at rates up to 0.1 in cosine cycles
    down to 0.005; here one cosine down to 0. Frozen layers, batch norm included, run in evaluation mode.

    Attributes:
        k: number of layers with a matrix or kernel that may change, see `reference_methods.unlearners.masks`.
        epochs, lr, batch_size, weight_decay: see `reference_methods.unlearners.fits.Tuned`.
    """

    name: ClassVar[str] = "cf-k"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit", "parameters"})
    access: ClassVar[tuple[Access, ...]] = NEEDS_RETAIN
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"
    space: ClassVar[Mapping[str, str]] = {"lr": "1e-3:1:log"}

    k: int = count(1, least=1)
    epochs: int = count(62)
    lr: float = rate(0.1)
    batch_size: int | None = optional_count(64)
    weight_decay: float | None = optional_rate()

    def training(self, task: UnlearnTask) -> Fit:
        """Return CE on D_R over the last layers."""
        retain = retain_of(task)
        data = mixture([Part(inputs=retain.inputs, targets=retain.labels)], task.num_classes)
        trainable = last_layers(parametrised(task.original).parameters(), self.k)
        return Fit(data=data, options=tuned_options(self, task, schedule="cosine", trainable=trainable))

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the model with other last layers."""
        return run_fit(task, self.training(task))


@frozen(kw_only=True)
class ExactUnlearning:
    """Initialise the last k layers anew and train them on D_R with the original's recipe, the others frozen (EU-k).

    Exact for these layers, and for nothing below them. Data: D_R with labels. Source: Goel et al. 2022,
    arXiv:2201.06640.

    Attributes:
        k: number of layers with a matrix or kernel that are retrained, see `reference_methods.unlearners.masks`.
    """

    name: ClassVar[str] = "eu-k"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit", "parameters"})
    access: ClassVar[tuple[Access, ...]] = NEEDS_RETAIN
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"
    space: ClassVar[Mapping[str, str]] = {}

    k: int = count(1, least=1)

    def training(self, task: UnlearnTask) -> Fit:
        """Return the recipe on D_R over the last layers, from fresh values of theirs."""
        retain = retain_of(task)
        data = mixture([Part(inputs=retain.inputs, targets=retain.labels)], task.num_classes)
        original = parametrised(task.original)
        old, fresh = original.parameters(), parametrised(task.build(task.seed)).parameters()
        layers = last_layers(old, self.k)
        renewed = {name: fresh[name] if layer_of(name) in layers else array for name, array in old.items()}
        options = attrs.evolve(task.recipe, trainable=layers)
        return Fit(data=data, options=options, start=original.with_parameters(renewed))

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the model with retrained last layers."""
        return run_fit(task, self.training(task))
