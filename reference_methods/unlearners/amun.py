"""AMUN: unlearning with the nearest adversarial examples of the forget set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import attrs
from attrs import field, frozen, validators

from harness import Access, Fit, Model, Scope, Unlearned, UnlearnTask, unlearned_by
from harness.digests import derive_seed
from harness.models import Parameters
from reference_methods.unlearners.attacks import Attack, ProjectedGradient, SignWalk
from reference_methods.unlearners.capabilities import attackable
from reference_methods.unlearners.fits import (
    Part,
    choice,
    count,
    flag,
    lr_step,
    mixture,
    optional_count,
    optional_rate,
    positive,
    rate,
    run_fit,
    share,
    tuned_options,
)
from reference_methods.unlearners.masks import saliency_mask
from reference_methods.unlearners.searches import AdversarialSet
from reference_methods.unlearners.tasks import ANY_ACCESS, ANY_SCOPE, LayerMode, full_training_set


@frozen(kw_only=True)
class Amun:
    """Minimise CE on D_R, D_F with its true labels, and D_A: the nearest inputs that the original gets wrong.

    Data: D_F with labels; with D_R the loss is CE(D_R + D_F + D_A), without it CE(D_F + D_A). For large forget sets
    the paper prefers ``adv_only``: CE(D_R + D_A), or CE(D_A) alone. D_A is never augmented; samples for which no
    adversarial example is found are left out of it, and counted in ``facts``. In a sequence of requests D_A is made on
    the model that was trained, before the first of them, as if it had been computed before any request came.

    Source: Ebrahimpour-Boroojeny et al., ICML 2025, arXiv:2503.00917: algorithm 1, section 4, appendices C and E.4-E.5.
    Rate and schedule are those of the released example; the paper searches lr in [1e-6, 1e-1] and lr_step in
    {none, 1, 5}. Its attack on Tiny-ImageNet has eps 0.16 and 10 to 20 steps.

    Attributes:
        epochs, lr, lr_step, batch_size, weight_decay: see `reference_methods.unlearners.fits.Tuned`.
        adv_only: leave D_F with its true labels out.
        attack: ``pgd``, or the weaker ``fgsm`` and ``ffgsm`` of appendix E.5, see `SignWalk`.
        eps, attack_steps, bisections, bounded: of the attack, see `ProjectedGradient`; ``bounded`` of all three.
        surrogate_seed: build D_A on another original, trained here from this seed with the same recipe on D_R + D_F
            ("Others" in appendix E.4). Needs D_R.
        as_published: with ``pgd``, begin in a doubled ball where the last search ended, as the released code does,
            not at the input as in algorithm 1.
    """

    name: ClassVar[str] = "amun"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit", "input-gradients"})
    access: ClassVar[tuple[Access, ...]] = ANY_ACCESS
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"
    space: ClassVar[Mapping[str, str]] = {"lr": "1e-4:1:log", "lr_step": "1,5"}

    epochs: int = count(10)
    lr: float = rate(1e-2)
    lr_step: int | None = lr_step(1)
    batch_size: int | None = optional_count()
    weight_decay: float | None = optional_rate()
    adv_only: bool = flag(False)
    attack: Literal["pgd", "fgsm", "ffgsm"] = choice("pgd", "fgsm", "ffgsm")
    eps: float = positive(0.04)
    attack_steps: int = count(50, least=1)
    bisections: int = count(0)
    bounded: bool = flag(True)
    surrogate_seed: int | None = field(default=None, validator=validators.optional(validators.instance_of(int)))
    as_published: bool = flag(False)

    def adversarial_set(self, task: UnlearnTask) -> AdversarialSet:
        """Return D_A, in the order of D_F.

        Raises:
            TypeError: if the attacked model has no input gradients.
        """
        attacked = attackable(self._attacked(task))
        return self._attack().find(attacked, task.forget, derive_seed(task.seed, "attack"))

    def mask(self, task: UnlearnTask) -> Parameters | None:
        """Return which weights may move; None for all."""
        return None

    def training(self, task: UnlearnTask) -> Fit:
        """Return CE on the union, D_A included."""
        adversarial = self.adversarial_set(task)
        found = adversarial.found
        parts = [Part(inputs=adversarial.inputs[found], targets=adversarial.labels[found], augment=False)]
        if not self.adv_only:
            parts.append(Part(inputs=task.forget.inputs, targets=task.forget.labels))
        if task.retain is not None:
            parts.append(Part(inputs=task.retain.inputs, targets=task.retain.labels))
        data = mixture(parts, task.num_classes)
        return Fit(data=data, options=tuned_options(self, task), mask=self.mask(task),
                   facts=self._facts(task, adversarial))

    def unlearn(self, task: UnlearnTask) -> Unlearned:
        """Return the fine-tuned model, with facts about D_A."""
        return unlearned_by(task, self.training(task))

    def _facts(self, task: UnlearnTask, adversarial: AdversarialSet) -> Mapping[str, float]:
        found = adversarial.found
        if self.surrogate_seed is None or not found.any():
            return adversarial.facts
        transferred = task.original.logits(adversarial.inputs[found]).argmax(axis=1) != task.forget.labels[found]
        return {**adversarial.facts, "attack transfer rate": float(transferred.mean())}

    def _attacked(self, task: UnlearnTask) -> Model:
        if self.surrogate_seed is None:
            return task.original if task.initial is None else task.initial
        whole = full_training_set(task)
        data = mixture([Part(inputs=whole.inputs, targets=whole.labels)], task.num_classes)
        fresh = task.build(self.surrogate_seed)
        return run_fit(task, Fit(data=data, options=task.recipe, start=fresh))

    def _attack(self) -> Attack:
        if self.attack == "pgd":
            return ProjectedGradient(eps=self.eps, steps=self.attack_steps, bisections=self.bisections,
                                     warm_start=self.as_published, bounded=self.bounded)
        return SignWalk(random_start=self.attack == "ffgsm", bounded=self.bounded)


@frozen(kw_only=True)
class AmunSalun(Amun):
    """AMUN in which only the weights that SalUn's mask selects may move.

    Source: arXiv:2503.00917, appendix D. The released code masks gradients only, so weight decay and momentum move
    masked weights there; here they stay bit-identical.

    Attributes:
        mask_ratio: share of the weights that may move; searched in {0.1, ..., 0.9} in the paper, 0.5 in its code.
    """

    name: ClassVar[str] = "amun+salun"
    requires: ClassVar[frozenset[str]] = Amun.requires | {"loss-gradients"}

    mask_ratio: float = share(0.5)

    def mask(self, task: UnlearnTask) -> Parameters:
        """Return SalUn's mask."""
        return saliency_mask(task, self.mask_ratio)


@frozen(kw_only=True)
class AmunAdaptive(Amun):
    """AMUN-A: D_A is made on the model that the request is put to, not on the first of a sequence of models.

    For a single request the two are one. In a sequence, ``task.original`` is the model that the last request left, and
    D_A is made on it anew and used in every epoch. The released code does so in the first epoch of a request only.

    Source: arXiv:2503.00917, section 6.3.
    """

    name: ClassVar[str] = "amun-a"

    def _attacked(self, task: UnlearnTask) -> Model:
        return super()._attacked(attrs.evolve(task, initial=None))
