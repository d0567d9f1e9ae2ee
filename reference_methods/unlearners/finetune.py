"""Fine-tuning on the retain set, gradient ascent on the forget set, and both at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs
import numpy as np
from attrs import field, frozen, validators

from harness import Access, Fit, Model, Scope, UnlearnTask
from reference_methods.unlearners.fits import (
    Part,
    count,
    flag,
    lr_step,
    mixture,
    optional_count,
    optional_rate,
    rate,
    run_fit,
    share,
    tuned_options,
)
from reference_methods.unlearners.tasks import ANY_ACCESS, ANY_SCOPE, NEEDS_RETAIN, LayerMode, retain_of


@frozen(kw_only=True)
class FineTune:
    """Minimise CE(D_R) from the original and hope that D_F is forgotten.

    Data: D_R with labels. Source: the FT baseline of Liu et al. 2023 (arXiv:2304.04934) and AMUN (arXiv:2503.00917,
    appendix C): 10 epochs, lr 0.01. In the former's code the milestones 91 and 136 of 10 epochs never come, so a
    constant rate is what it ran.

    Attributes:
        epochs, lr, lr_step, batch_size, weight_decay: see `reference_methods.unlearners.fits.Tuned`.
    """

    name: ClassVar[str] = "ft"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit"})
    access: ClassVar[tuple[Access, ...]] = NEEDS_RETAIN
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"

    epochs: int = count(10)
    lr: float = rate(1e-2)
    lr_step: int | None = lr_step()
    batch_size: int | None = optional_count()
    weight_decay: float | None = optional_rate()

    def training(self, task: UnlearnTask) -> Fit:
        """Return CE on D_R."""
        retain = retain_of(task)
        data = mixture([Part(inputs=retain.inputs, targets=retain.labels)], task.num_classes)
        return Fit(data=data, options=tuned_options(self, task))

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the fine-tuned model."""
        return run_fit(task, self.training(task))


@frozen(kw_only=True)
class GradientAscent:
    """Maximise CE(D_F) from the original.

    Data: D_F with labels. The objective has no bound: the window of useful rates is under a decade wide. Source: Thudi
    et al. 2022 (arXiv:2109.13398), as run by Liu et al. 2023: lr 1e-4, 5 epochs.

    Attributes:
        epochs, lr, lr_step, batch_size, weight_decay: see `reference_methods.unlearners.fits.Tuned`.
        clip_gradient: largest L2 norm of one step's gradient; None for no limit.
        with_retain: also minimise CE(D_R), mixed into the same batches. The AMUN code runs an unshuffled pass over D_R
            before each pass over D_F instead.
    """

    name: ClassVar[str] = "ga"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit"})
    access: ClassVar[tuple[Access, ...]] = ANY_ACCESS
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"
    space: ClassVar[Mapping[str, str]] = {"lr": "1e-5:1e-1:log"}

    epochs: int = count(5)
    lr: float = rate(1e-4)
    lr_step: int | None = lr_step()
    batch_size: int | None = optional_count()
    weight_decay: float | None = optional_rate()
    clip_gradient: float | None = field(default=None, validator=validators.optional(validators.gt(0)))
    with_retain: bool = flag(False)

    def training(self, task: UnlearnTask) -> Fit:
        """Return the negated CE on D_F, beside CE on D_R if asked."""
        parts = [Part(inputs=task.forget.inputs, targets=task.forget.labels, weight=-1.0)]
        if self.with_retain and task.retain is not None:
            parts.append(Part(inputs=task.retain.inputs, targets=task.retain.labels))
        return Fit(data=mixture(parts, task.num_classes),
                   options=tuned_options(self, task, clip_gradient=self.clip_gradient))

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the model after ascent."""
        return run_fit(task, self.training(task))


@frozen(kw_only=True)
class NegGradPlus:
    """Minimise alpha CE(D_R) - (1 - alpha) CE(D_F), with as much of D_F as of D_R in each batch.

    Data: D_R and D_F with labels. D_F is repeated to the length of D_R, as where public code cycles through it beside
    D_R; here the two are shuffled together, so the halves of a batch are equal on average only. Source: Kurmanji et
    al. 2023, arXiv:2302.09880: alpha 0.95, lr 0.01, 10 epochs (small scale); alpha 0.9999, 5 epochs (against attacks).

    Attributes:
        alpha: weight of the retain set.
        epochs, lr, lr_step, batch_size, weight_decay: see `reference_methods.unlearners.fits.Tuned`; ``batch_size``
            counts either half, so a step sees twice as many examples.
    """

    name: ClassVar[str] = "neggrad+"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit"})
    access: ClassVar[tuple[Access, ...]] = NEEDS_RETAIN
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"
    space: ClassVar[Mapping[str, str]] = {"lr": "1e-4:1:log", "alpha": "0.9,0.95,0.99,0.999"}

    alpha: float = share(0.95)
    epochs: int = count(10)
    lr: float = rate(1e-2)
    lr_step: int | None = lr_step()
    batch_size: int | None = optional_count()
    weight_decay: float | None = optional_rate()

    def training(self, task: UnlearnTask) -> Fit:
        """Return the two losses in one training set with signed weights."""
        retain = retain_of(task)
        forget = task.forget.take(np.resize(np.arange(len(task.forget)), len(retain)))
        # Twice the weights: the average over a batch of two halves is half the sum of their averages.
        parts = [Part(inputs=retain.inputs, targets=retain.labels, weight=2 * self.alpha),
                 Part(inputs=forget.inputs, targets=forget.labels, weight=-2 * (1 - self.alpha))]
        options = tuned_options(self, task)
        return Fit(data=mixture(parts, task.num_classes),
                   options=attrs.evolve(options, batch_size=2 * options.batch_size))

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the model after descent on D_R against ascent on D_F."""
        return run_fit(task, self.training(task))
