"""Fine-tuning towards sparse weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import attrs
from attrs import frozen

from harness import Access, Fit, Model, Scope, UnlearnTask
from reference_methods.unlearners.fits import (
    Part,
    count,
    flag,
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
from reference_methods.unlearners.tasks import ANY_SCOPE, NEEDS_RETAIN, LayerMode, retain_of


@frozen(kw_only=True)
class L1Sparse:
    """Minimise CE(D_R) + alpha (1 - t/T) |theta|_1, t epochs of T.

    Data: D_R with labels. Biases and batch norm are penalised, too. Nothing is pruned, as in the public ``FT_prune``.
    Source: Liu et al. 2023, arXiv:2304.04934: lr 0.01, 10 epochs, alpha 1e-4 to 5e-4.

    Attributes:
        alpha: strength of the penalty in the first epoch.
        epochs, lr, lr_step, batch_size, weight_decay: see `reference_methods.unlearners.fits.Tuned`.
        as_published: use the schedule of the AMUN code, which multiplies alpha by 2 - 2t/T after every epoch t and so
            lets it rise nearly tenfold (T = 10) before it falls. One fit an epoch: momentum starts from zero in each.
    """

    name: ClassVar[str] = "l1-sparse"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit"})
    access: ClassVar[tuple[Access, ...]] = NEEDS_RETAIN
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"
    space: ClassVar[Mapping[str, str]] = {"lr": "1e-4:1:log", "alpha": "1e-5:1e-2:log"}

    alpha: float = rate(5e-4)
    epochs: int = count(10)
    lr: float = rate(1e-2)
    lr_step: int | None = lr_step()
    batch_size: int | None = optional_count()
    weight_decay: float | None = optional_rate()
    as_published: bool = flag(False)

    def strengths(self) -> Iterator[float]:
        """Yield alpha in each epoch."""
        published = self.alpha
        for epoch in range(self.epochs):
            published *= 2 - 2 * epoch / self.epochs
            yield published if self.as_published else self.alpha * (1 - epoch / self.epochs)

    def training(self, task: UnlearnTask) -> Fit | None:
        """Return CE on D_R with a decaying penalty, or None for the published schedule, which one fit cannot say."""
        if self.as_published:
            return None
        return self._fit(task)

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the sparser model."""
        fit = self._fit(task)
        if not self.as_published:
            return run_fit(task, fit)
        stages = (attrs.evolve(fit, options=one_epoch(fit.options, epoch, l1=strength, l1_schedule="constant"))
                  for epoch, strength in enumerate(self.strengths()))
        return run_stages(task, stages)

    def _fit(self, task: UnlearnTask) -> Fit:
        retain = retain_of(task)
        data = mixture([Part(inputs=retain.inputs, targets=retain.labels)], task.num_classes)
        return Fit(data=data, options=tuned_options(self, task, l1=self.alpha, l1_schedule="decay"))
