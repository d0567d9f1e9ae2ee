"""Random labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from attrs import frozen

from harness import Access, Fit, Model, Scope, TrainingSet, UnlearnTask
from harness.data import Integers
from harness.models import Parameters
from reference_methods.unlearners.fits import (
    Part,
    choice,
    count,
    flag,
    generator,
    lr_step,
    mixture,
    one_epoch,
    optional_count,
    optional_rate,
    rate,
    run_fit,
    run_stages,
    tuned_options,
)
from reference_methods.unlearners.labels import random_labels
from reference_methods.unlearners.tasks import ANY_ACCESS, ANY_SCOPE, LayerMode


@frozen(kw_only=True)
class RandomLabels:
    """Minimise CE(D_F with random labels) + CE(D_R), mixed.

    Data: D_F with labels; D_R with labels where given. Source: Golatkar et al. 2020 (arXiv:1911.04933) and amnesiac
    relabelling (Graves et al. 2021). Published variants differ in who may be drawn, how often, and in the order of the
    two sets (SalUn passes over D_F and then over D_R on CIFAR-10); here the sets are mixed.

    Attributes:
        epochs, lr, lr_step, batch_size, weight_decay: see `reference_methods.unlearners.fits.Tuned`.
        labels: ``fixed`` draws once; ``redrawn`` draws anew in each epoch, as the AMUN code does at each access.
            The latter is one fit an epoch, so momentum starts from zero in each.
        exclude_true: draw from the other C - 1 classes (AMUN); otherwise from all C (SalUn).
        with_retain: train on D_R as well, where it is given.
    """

    name: ClassVar[str] = "rl"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit"})
    access: ClassVar[tuple[Access, ...]] = ANY_ACCESS
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"
    space: ClassVar[Mapping[str, str]] = {"lr": "1e-6:1e-1:log"}

    epochs: int = count(10)
    lr: float = rate(1e-2)
    lr_step: int | None = lr_step()
    batch_size: int | None = optional_count()
    weight_decay: float | None = optional_rate()
    labels: Literal["fixed", "redrawn"] = choice("fixed", "redrawn")
    exclude_true: bool = flag(True)
    with_retain: bool = flag(True)

    def labels_of_epochs(self, task: UnlearnTask) -> Iterator[Integers]:
        """Yield the (K,) labels of one epoch after another, without end."""
        random = generator(task, "random labels")
        drawn = random_labels(task.forget.labels, task.num_classes, random, self.exclude_true)
        while True:
            yield drawn
            if self.labels == "redrawn":
                drawn = random_labels(task.forget.labels, task.num_classes, random, self.exclude_true)

    def mask(self, task: UnlearnTask) -> Parameters | None:
        """Return which weights may move; None for all."""
        return None

    def training(self, task: UnlearnTask) -> Fit | None:
        """Return the fit, or None where labels differ from epoch to epoch, which one fit cannot say."""
        if self.labels == "redrawn":
            return None
        data = self.relabelled(task, next(self.labels_of_epochs(task)))
        return Fit(data=data, options=tuned_options(self, task), mask=self.mask(task))

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the relabelled model."""
        fit = self.training(task)
        if fit is not None:
            return run_fit(task, fit)
        options = tuned_options(self, task)
        mask = self.mask(task)
        labels = zip(range(self.epochs), self.labels_of_epochs(task), strict=False)
        return run_stages(task, (Fit(data=self.relabelled(task, drawn), options=one_epoch(options, epoch), mask=mask)
                                 for epoch, drawn in labels))

    def relabelled(self, task: UnlearnTask, labels: Integers) -> TrainingSet:
        """Return D_F with ``labels`` (K,), and D_R if it is trained on."""
        parts = [Part(inputs=task.forget.inputs, targets=labels)]
        if self.with_retain and task.retain is not None:
            parts.append(Part(inputs=task.retain.inputs, targets=task.retain.labels))
        return mixture(parts, task.num_classes)
