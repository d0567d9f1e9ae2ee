"""Class unlearning by distillation from the original without the forgotten class: DELETE and TRW."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from attrs import frozen

from harness import Access, Fit, Model, Scope, Unlearned, UnlearnTask, unlearned_by
from harness.data import Floats
from reference_methods.unlearners.capabilities import parametrised
from reference_methods.unlearners.fits import (
    Part,
    count,
    flag,
    generator,
    lr_step,
    mixture,
    optional_count,
    optional_rate,
    positive,
    rate,
    run_fit,
    tuned_options,
)
from reference_methods.unlearners.targets import class_similarity, forgotten_classes, head_weight, targets_without
from reference_methods.unlearners.tasks import ANY_ACCESS, ANY_SCOPE, CLASS_ONLY, LayerMode


@frozen(kw_only=True)
class Delete:
    """Minimise KL(t || p) on D_F, where t is the original's softmax without the true class.

    Data: D_F with labels. A request for several classes masks all of them. Source: CVPR 2025, arXiv:2503.23751: SGD, no
    weight decay, batches of 128, 20 epochs, lr 1e-4 (CIFAR-10, ResNet-18). Its code picks the best checkpoint
    on the test set; here it is the last one.

    Attributes:
        epochs, lr, lr_step, batch_size, weight_decay: see `reference_methods.unlearners.fits.Tuned`.
        freeze_batch_norm: train in evaluation mode, as the code does for a single class of Tiny-ImageNet.
    """

    name: ClassVar[str] = "delete"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit"})
    access: ClassVar[tuple[Access, ...]] = ANY_ACCESS
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"
    space: ClassVar[Mapping[str, str]] = {"lr": "1e-5:1e-1:log"}

    epochs: int = count(20)
    lr: float = rate(1e-4)
    lr_step: int | None = lr_step()
    batch_size: int | None = optional_count(128)
    weight_decay: float | None = optional_rate(0.0)
    freeze_batch_norm: bool = flag(False)

    def training(self, task: UnlearnTask) -> Fit:
        """Return the cross-entropy to t on D_F; it differs from the KL by a constant."""
        forgotten = forgotten_classes(task.forget.labels, task.request, task.num_classes)
        targets = targets_without(task.original.logits(task.forget.inputs), forgotten)
        data = mixture([Part(inputs=task.forget.inputs, targets=targets)], task.num_classes)
        return Fit(data=data, options=tuned_options(self, task, evaluation_mode=self.freeze_batch_norm))

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the distilled model."""
        return run_fit(task, self.training(task))


@frozen(kw_only=True)
class TiltedReweighting:
    """Minimise E_F KL(q || p) + lambda E_R CE, where q is DELETE's target tilted towards similar classes.

    q(y|x) is proportional to p(y|x) exp(beta s(y, y_f)) over the classes that are not forgotten; s comes from the
    original's last linear layer. With beta 0 and without the retain term this is DELETE.

    A RECONSTRUCTION from the abstract, reviews and thesis of arXiv:2506.20893 (RWFT in version 1, TRW in version 4,
    TREW in print): beta 10 is published; the similarity's number of components and temperature, lambda, rate, epochs
    and the size of the retain subset are guesses. The fact ``reconstruction`` marks every row.

    Data: D_F with labels; D_R with labels for the second term, which is left out where D_R is not given.

    Attributes:
        beta: strength of the tilt.
        temperature, components: of the similarity, see `class_similarity`.
        retain_weight: lambda.
        retain_samples: random samples of D_R to train on; all when None.
        epochs, lr, lr_step, batch_size, weight_decay: see `reference_methods.unlearners.fits.Tuned`.
    """

    name: ClassVar[str] = "trw"
    aliases: ClassVar[tuple[str, ...]] = ("trew", "rwft")
    reconstruction: ClassVar[bool] = True
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit", "parameters"})
    access: ClassVar[tuple[Access, ...]] = ANY_ACCESS
    scopes: ClassVar[tuple[Scope, ...]] = CLASS_ONLY
    layer_mode: ClassVar[LayerMode] = "train"
    space: ClassVar[Mapping[str, str]] = {"lr": "1e-4:1:log", "temperature": "0.1:10:log"}

    beta: float = rate(10.0)
    temperature: float = positive(0.1)
    components: int | None = optional_count()
    retain_weight: float = rate(1.0)
    retain_samples: int | None = optional_count()
    epochs: int = count(10)
    lr: float = rate(1e-2)
    lr_step: int | None = lr_step()
    batch_size: int | None = optional_count()
    weight_decay: float | None = optional_rate()

    def targets(self, task: UnlearnTask) -> Floats:
        """Return (K, C) the tilted targets of D_F."""
        head = head_weight(parametrised(task.original).parameters(), task.num_classes)
        similarity = class_similarity(head, self.components, self.temperature)
        forgotten = forgotten_classes(task.forget.labels, task.request, task.num_classes)
        logits = task.original.logits(task.forget.inputs)
        return targets_without(logits, forgotten, self.beta * similarity[task.forget.labels])

    def training(self, task: UnlearnTask) -> Fit:
        """Return both terms in one training set, weighted so that each is an average over its own set."""
        targets = self.targets(task)
        retain = task.retain if self.retain_weight > 0 else None
        if retain is None:
            parts = [Part(inputs=task.forget.inputs, targets=targets)]
            return self._fit(task, parts)
        if self.retain_samples is not None and self.retain_samples < len(retain):
            chosen = generator(task, "retain subset").choice(len(retain), self.retain_samples, replace=False)
            retain = retain.take(np.sort(chosen))
        total = len(retain) + len(task.forget)
        parts = [
            Part(inputs=task.forget.inputs, targets=targets, weight=total / len(task.forget)),
            Part(inputs=retain.inputs, targets=retain.labels, weight=self.retain_weight * total / len(retain))]
        return self._fit(task, parts)

    def unlearn(self, task: UnlearnTask) -> Unlearned:
        """Return the reweighted model."""
        return unlearned_by(task, self.training(task))

    def _fit(self, task: UnlearnTask, parts: list[Part]) -> Fit:
        return Fit(data=mixture(parts, task.num_classes), options=tuned_options(self, task),
                   facts={"reconstruction": 1.0})
