"""Unlearning by distillation: SCRUB and Bad Teacher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from attrs import field, frozen, validators

from harness import Access, Fit, FitOptions, Model, Scope, Unlearned, UnlearnTask
from harness.digests import derive_seed
from reference_methods.unlearners.fits import (
    MOMENTUM,
    Part,
    count,
    flag,
    generator,
    mixture,
    positive,
    rate,
    run_fit,
    share,
)
from reference_methods.unlearners.targets import softmax
from reference_methods.unlearners.tasks import ANY_SCOPE, NEEDS_RETAIN, LayerMode, retain_of


@frozen(kw_only=True)
class BadTeacher:
    """Minimise KL(t || p): t is a freshly initialised network's softmax on D_F, the original's on a part of D_R.

    Data: D_F and a part of D_R; no labels. Source: Chundawat et al. 2023, arXiv:2205.08096: Adam 1e-4, 1 epoch, T = 1,
    batches of 256, 30 % of D_R.

    Attributes:
        epochs, lr, batch_size: of Adam.
        retain_share: part of D_R to distil on.
        as_published: divide the loss by C as well, which is what ``kl_div`` did in the authors' code. Adam hides most
            of the difference.
    """

    name: ClassVar[str] = "bad-teacher"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit"})
    access: ClassVar[tuple[Access, ...]] = NEEDS_RETAIN
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"
    space: ClassVar[Mapping[str, str]] = {"lr": "1e-5:1e-1:log"}
    expected_failures: ClassVar[Mapping[str, str]] = {
        "check_retain_set_matters": "so small a set is one batch, and at the first step the student still is its own "
                                    "teacher on D_R: that gradient is zero"}

    epochs: int = count(1)
    lr: float = rate(1e-4)
    batch_size: int = count(256, least=1)
    retain_share: float = share(0.3)
    as_published: bool = flag(False)

    def training(self, task: UnlearnTask) -> Fit:
        """Return the cross-entropy to both teachers; it differs from the KL by a constant."""
        retain = retain_of(task)
        chosen = generator(task, "retain subset").choice(
            len(retain), round(self.retain_share * len(retain)), replace=False)
        kept = retain.inputs[np.sort(chosen)]
        incompetent = task.build(derive_seed(task.seed, "bad teacher"))
        weight = 1 / task.num_classes if self.as_published else 1.0
        parts = [
            Part(inputs=task.forget.inputs, targets=softmax(incompetent.logits(task.forget.inputs)), weight=weight),
            Part(inputs=kept, targets=softmax(task.original.logits(kept)), weight=weight)]
        options = FitOptions(epochs=self.epochs, batch_size=self.batch_size, optimizer="adam", lr=self.lr,
                             augmentation=task.recipe.augmentation)
        return Fit(data=mixture(parts, task.num_classes), options=options)

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the distilled model."""
        return run_fit(task, self.training(task))


@frozen(kw_only=True)
class Scrub:
    """In turn, maximise KL(teacher || p) on D_F and minimise gamma CE + alpha KL(teacher || p) on D_R.

    The teacher is the original, kept as an array of its logits. Both divergences have temperature T and the factor
    T^2. Maximising ends after ``max_steps`` epochs. Runs on the PyTorch network, without augmentation.

    Data: D_F, and D_R with labels. Source: Kurmanji et al. 2023, arXiv:2302.09880, its large-scale setting: SGD 5e-4,
    weight decay 5e-4, alpha 0.001, gamma 0.99, T 4, 2 of 3 epochs, batches of 32 (D_F) and 128 (D_R). Small scale: Adam
    5e-4, weight decay 0.1, alpha 0.5, gamma 1, T 2, 3 of 10 epochs.

    Attributes:
        alpha, gamma, temperature: of the loss.
        max_steps: epochs that begin with a pass over D_F.
        epochs: all epochs.
        optimizer, lr, weight_decay: SGD has momentum 0.9.
        decay_epochs: the rate is divided by ten at the start of each of these, counted from 0.
        forget_batch_size, retain_batch_size: of the two passes.
    """

    name: ClassVar[str] = "scrub"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"native-torch"})
    access: ClassVar[tuple[Access, ...]] = NEEDS_RETAIN
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"
    space: ClassVar[Mapping[str, str]] = {"lr": "1e-4:1:log"}

    alpha: float = rate(0.001)
    gamma: float = rate(0.99)
    temperature: float = positive(4.0)
    max_steps: int = count(2)
    epochs: int = count(3, least=1)
    optimizer: str = field(default="sgd", validator=validators.in_(("sgd", "adam")))
    lr: float = rate(5e-4)
    weight_decay: float = rate(5e-4)
    decay_epochs: tuple[int, ...] = field(default=())
    forget_batch_size: int = count(32, least=1)
    retain_batch_size: int = count(128, least=1)

    @decay_epochs.validator
    def _take_effect(self, attribute: object, value: tuple[int, ...]) -> None:
        if any(not 0 < epoch < self.epochs for epoch in value):
            raise ValueError(f"decay_epochs {value} must lie between 0 and the {self.epochs} epochs; a decay outside "
                             "never takes effect")

    def unlearn(self, task: UnlearnTask) -> Model | Unlearned:
        """Return the student after the last epoch."""
        return self.students(task)[-1]

    def students(self, task: UnlearnTask) -> list[Model]:
        """Return the student after each epoch."""
        from reference_methods.unlearners.native.scrub import scrub

        return scrub(self, task)

    @property
    def options(self) -> FitOptions:
        """The optimizer's options."""
        return FitOptions(epochs=self.epochs, optimizer="sgd" if self.optimizer == "sgd" else "adam", lr=self.lr,
                          momentum=MOMENTUM, weight_decay=self.weight_decay)


@frozen(kw_only=True)
class ScrubRewind(Scrub):
    """SCRUB, rewound to the epoch whose error on D_F is nearest to that on unseen data like it (SCRUB+R).

    The paper takes the final student's error on a validation set with D_F's distribution. A task shows no unseen data,
    so the error is a setting; for a class request it is 1 when not given: a model without the class errs on all of it.

    Source: Kurmanji et al. 2023, arXiv:2302.09880, section 3.2.

    Attributes:
        reference_error: share of unseen samples like D_F that a model errs on which never saw D_F.
    """

    name: ClassVar[str] = "scrub+r"
    expected_failures: ClassVar[Mapping[str, str]] = {
        "check_samples_can_be_forgotten": "reference_error has no default: a task shows no unseen data to measure it "
                                          "on"}

    reference_error: float | None = field(
        default=None, validator=validators.optional([validators.ge(0), validators.le(1)]))

    def unlearn(self, task: UnlearnTask) -> Unlearned:
        """Return the student of the best epoch, with the number of that epoch (from 1) and its error in the facts.

        Raises:
            ValueError: for a request of samples without ``reference_error``.
        """
        reference = self.reference_error
        if reference is None and task.request.scope != "class":
            raise ValueError("scrub+r needs reference_error, the error on unseen data like the forget set, e.g. one "
                             "minus the original's validation accuracy; a task has no unseen data to measure it on")
        target = 1.0 if reference is None else reference
        students = self.students(task)
        errors = [float((student.logits(task.forget.inputs).argmax(axis=1) != task.forget.labels).mean())
                  for student in students]
        best = min(range(len(errors)), key=lambda epoch: abs(errors[epoch] - target))
        facts = {"rewound to epoch": float(best + 1), "forget error": errors[best]}
        return Unlearned(model=students[best], facts=facts)
