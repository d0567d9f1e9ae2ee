"""The ablation of AMUN's adversarial set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from attrs import frozen

from harness import Access, Fit, Scope, Unlearned, UnlearnTask, unlearned_by
from harness.data import Floats, Integers
from harness.digests import derive_seed
from reference_methods.unlearners.attacks import ProjectedGradient
from reference_methods.unlearners.capabilities import attackable
from reference_methods.unlearners.fits import (
    Part,
    choice,
    count,
    flag,
    generator,
    lr_step,
    mixture,
    optional_count,
    optional_rate,
    positive,
    rate,
    tuned_options,
)
from reference_methods.unlearners.labels import other_labels
from reference_methods.unlearners.searches import AdversarialSet, norms
from reference_methods.unlearners.tasks import ANY_ACCESS, ANY_SCOPE, LayerMode


@frozen(kw_only=True)
class AdversarialAblation:
    """Minimise CE on one of six sets S, alone, with D_F, or with D: what makes AMUN's examples special.

    ============  =====================================  =============================
    ``set``       inputs                                 labels
    ============  =====================================  =============================
    ``adv``       x_adv                                  y_adv
    ``adv-rs``    uniform on the sphere through x_adv    y_adv
    ``adv-rl``    x_adv                                  random, neither y nor y_adv
    ``orig-rl``   x                                      random, neither y nor y_adv
    ``orig-advl`` x                                      y_adv
    ``orig``      x                                      y
    ============  =====================================  =============================

    Samples for which the attack finds nothing are in no set. Like D_A, no S is augmented. Points on the sphere are not
    clamped to [0, 1], so that their distance is the adversarial one.

    Data: D_F with labels; D_R with labels for ``with_retain``. Source: AMUN, arXiv:2503.00917, section 6.2.1 and
    figures 1 and 6: 20 epochs, lr 0.01, divided by ten after every 5.

    Attributes:
        set: which set.
        with_retain: train on D_R as well, where it is given.
        with_forget: train on D_F with its true labels as well.
        eps, attack_steps, bounded: of the attack, see `ProjectedGradient`.
        epochs, lr, lr_step, batch_size, weight_decay: see `reference_methods.unlearners.fits.Tuned`.
    """

    name: ClassVar[str] = "adv-ablation"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit", "input-gradients"})
    access: ClassVar[tuple[Access, ...]] = ANY_ACCESS
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"
    space: ClassVar[Mapping[str, str]] = {}

    set: Literal["adv", "adv-rs", "adv-rl", "orig-rl", "orig-advl", "orig"] = choice(
        "adv", "adv-rs", "adv-rl", "orig-rl", "orig-advl", "orig")
    with_retain: bool = flag(True)
    with_forget: bool = flag(True)
    eps: float = positive(0.04)
    attack_steps: int = count(50, least=1)
    bounded: bool = flag(True)
    epochs: int = count(20)
    lr: float = rate(1e-2)
    lr_step: int | None = lr_step(5)
    batch_size: int | None = optional_count()
    weight_decay: float | None = optional_rate()

    def adversarial_set(self, task: UnlearnTask) -> AdversarialSet:
        """Return D_A, in the order of D_F."""
        attack = ProjectedGradient(eps=self.eps, steps=self.attack_steps, bounded=self.bounded)
        return attack.find(attackable(task.original), task.forget, derive_seed(task.seed, "attack"))

    def replacement(self, task: UnlearnTask, adversarial: AdversarialSet) -> tuple[Floats, Integers]:
        """Return the inputs and labels of S, in the order of those samples for which an example was found."""
        found = adversarial.found
        clean, true = task.forget.inputs[found], task.forget.labels[found]
        wrong = adversarial.labels[found]
        inputs = clean if self.set.startswith("orig") else adversarial.inputs[found]
        if self.set == "adv-rs":
            directions = generator(task, "sphere").standard_normal(clean.shape)
            reach = adversarial.distance[found] / norms(directions)
            inputs = (clean + reach.reshape(-1, *[1] * (clean.ndim - 1)) * directions).astype(np.float32)
        if self.set.endswith("-rl"):
            taken = np.stack([true, wrong], axis=1)
            return inputs, other_labels(taken, task.num_classes, generator(task, "random labels"))
        return inputs, true if self.set == "orig" else wrong

    def training(self, task: UnlearnTask) -> Fit:
        """Return CE on S and what goes with it."""
        adversarial = self.adversarial_set(task)
        inputs, labels = self.replacement(task, adversarial)
        parts = [Part(inputs=inputs, targets=labels, augment=False)]
        if self.with_forget:
            parts.append(Part(inputs=task.forget.inputs, targets=task.forget.labels))
        if self.with_retain and task.retain is not None:
            parts.append(Part(inputs=task.retain.inputs, targets=task.retain.labels))
        return Fit(data=mixture(parts, task.num_classes), options=tuned_options(self, task), facts=adversarial.facts)

    def unlearn(self, task: UnlearnTask) -> Unlearned:
        """Return the fine-tuned model, with facts about D_A."""
        return unlearned_by(task, self.training(task))
