"""Audits of a mark that was put into the training set on purpose: noise on inputs, exchanged labels, or a trigger."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import ArrayLike, NDArray

from harness import AuditCase, AuditReport, Needs, Scope, Score
from harness.data import Poison
from harness.models import InputDifferentiable
from harness.poison import trigger_class, with_trigger
from reference_methods.auditors.inputs import check_numbers
from reference_methods.auditors.separation import Values


@frozen(kw_only=True)
class Gus:
    """GUS, the Gaussian unlearning score: does the model's loss still fall towards the noise that was put on inputs?

    The suite adds noise xi of deviation e to the inputs of the forget set before anything is trained. For each of these
    examples, at the input x as it was, I = -<gradient of the loss at x, xi> / (e |gradient|): a model that never saw
    x + xi has no reason to prefer xi to any other direction, and I is N(0, 1), exactly. ``GUS`` is the mean of I
    times the square root of their number: a z-score. ``GUS TPR`` is the share of examples beyond the normal's quantile
    at the false-positive rate, in per cent.

    The null is analytic, so this audit needs no shadows and audits other audits. One thing it shares among oracles is
    the noise itself: they all find the same xi, so the oracles' value differs from 0 by chance, and only over forget
    sets is it centred. It does not see the loss, and ordinary attacks pass methods that it fails.

    The paper's score has the gradient's sign; with it a memory shows as a *negative* mean, since the loss falls where
    the model has been. Here it is positive.

    Attributes:
        rate: false-positive rate of ``GUS TPR``.

    Source: Pawelczyk et al. 2025, arXiv 2406.17216, algorithm 1.
    """

    rate: float = field(default=0.01, validator=[validators.gt(0), validators.lt(1)])

    name: ClassVar[str] = "gus"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"input-gradients"})
    scopes: ClassVar[tuple[Scope, ...]] = ("sample",)

    @property
    def needs(self) -> Needs:
        """The audited model, and a training set with noise on what is to be forgotten."""
        return Needs(models=True, poison="gaussian")

    def audit(self, case: AuditCase) -> AuditReport:
        """Return ``GUS`` and its TPR, and the I of every forgotten example.

        Raises:
            TypeError: if the model has no input gradients.
            ValueError: if the training set is not poisoned, a forgotten example is not, or a gradient is NaN.
        """
        from scipy.special import ndtri

        poison, model = _needed(case, self.name, "gaussian"), case.models["unlearned"]
        if not isinstance(model, InputDifferentiable):
            raise TypeError(f"gus reads input gradients; {type(model).__name__} has none")
        clean = poison.before(case.request.forget)
        noise = case.data.train.inputs[case.request.forget] - clean.inputs
        gradients, _ = model.input_gradients(clean.inputs, clean.labels)
        alignment = noise_alignment(gradients, noise, poison.deviation)
        count = len(alignment)
        z = float(alignment.mean() * np.sqrt(count))
        return AuditReport(
            scores=(Score(name="GUS", value=z, low=z - 1.96, high=z + 1.96, standard_error=1.0, n=count, unit="z",
                          chance=0.0),
                    _share(f"GUS TPR@{100 * self.rate:g}%FPR", alignment > -ndtri(self.rate), 100 * self.rate)),
            per_sample={"alignment": alignment}, notes={"deviation": poison.deviation, "null": "N(0, 1)"})


def noise_alignment(gradients: ArrayLike, noise: ArrayLike, deviation: float) -> Values:
    """Return (K,) how far each noise lies in the direction in which the loss falls: N(0, 1) when it has no part in it.

    An example whose gradient vanishes says nothing; it counts as 0.

    Args:
        gradients: (K, ...) of each example's loss.
        noise: (K, ...) that was added to it.
        deviation: of the noise.

    Raises:
        ValueError: if the shapes differ or a number is NaN.
    """
    count = len(np.asarray(gradients))
    slopes = check_numbers("gradients", np.reshape(gradients, (count, -1)), (count, "D"))
    added = check_numbers("noise", np.reshape(noise, (len(np.asarray(noise)), -1)), slopes.shape)
    length = np.linalg.norm(slopes, axis=1)
    along: Values = -(slopes * added).sum(axis=1)
    return np.where(length > 0, along / (deviation * np.where(length > 0, length, 1.0)), 0.0)


@frozen(kw_only=True)
class InterclassConfusion:
    """Interclass confusion: do exchanged labels, said to be forgotten, still make the model mistake the two classes?

    The suite exchanges the labels of examples of two classes before anything is trained, and these examples are the
    forget set. What is to go is known and harmful, so that no attack is needed. ``IC test`` is the share, in per cent,
    of *test* examples of the two classes that are taken for the other one; ``IC forget`` that of forgotten examples
    that still get the wrong label they came with. The aim is the oracle's value, which is small but not 0.

    Source: Goel et al. 2022, arXiv 2201.06640.
    """

    name: ClassVar[str] = "interclass-confusion"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample",)

    @property
    def needs(self) -> Needs:
        """A training set in which the labels of what is to be forgotten are exchanged."""
        return Needs(poison="swap")

    def audit(self, case: AuditCase) -> AuditReport:
        """Return ``IC test`` and ``IC forget``.

        Raises:
            ValueError: if the training set is not poisoned, the forget set is not of two classes, no test example is of
                them, or a logit is NaN.
        """
        forget = case.request.forget
        clean = _needed(case, self.name, "swap").before(forget).labels
        given = case.data.train.labels[forget]
        pair = np.unique(clean)
        if len(pair) != 2 or not np.array_equal(np.unique(given), pair) or (given == clean).any():
            raise ValueError("interclass-confusion: the labels of the forget set are not those of two classes, "
                             f"exchanged; its classes are {pair.tolist()}")
        labels = case.data.test.labels
        rows = np.flatnonzero(np.isin(labels, pair))
        if len(rows) == 0:
            raise ValueError(f"interclass-confusion: no test example is of class {pair[0]} or {pair[1]}")
        other = np.where(labels[rows] == pair[0], pair[1], pair[0])
        of_test = check_numbers("logits", case.unlearned.test[rows], ("N", "C")).argmax(axis=1)
        of_forget = check_numbers("logits", case.unlearned.train[forget], ("N", "C")).argmax(axis=1)
        return AuditReport(scores=(_share("IC test", of_test == other), _share("IC forget", of_forget == given)),
                           notes={"classes": pair.tolist(), "exchanged": len(forget)})


@frozen(kw_only=True)
class Backdoor:
    """A backdoor, put in before training and said to be forgotten: does the trigger still decide?

    The suite paints a square into a corner of the images that are to be forgotten and labels them as another class.
    ``Backdoor ASR`` is the share, in per cent, of *test* images of other classes that are taken for the trigger's class
    once they bear the square; ``Backdoor clean`` is that of the same images without it, which is what a model that never
    saw a trigger has in common with all. The aim is the oracle's value, which is not 0: the square is an unusual thing
    to see. It judges only what was poisoned before training, and fine-tuning or pruning may break the trigger.

    Source: Li et al. as used in "UnlearnGuard", sections V-A and V-C; the trigger after Gu et al. 2017 (arXiv 1708.06733).
    """

    name: ClassVar[str] = "backdoor"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample",)

    @property
    def needs(self) -> Needs:
        """The model itself, to show it marked test images, and a training set with triggers."""
        return Needs(models=True, poison="trigger")

    def audit(self, case: AuditCase) -> AuditReport:
        """Return both rates.

        Raises:
            ValueError: if the training set is not poisoned, the forget set is none of its groups, no test image is of
                another class, or a logit is NaN.
        """
        poison = _needed(case, self.name, "trigger")
        group = next((number for number, rows in enumerate(poison.groups)
                      if np.array_equal(np.sort(rows), np.sort(case.request.forget))), None)
        if group is None:
            raise ValueError("backdoor: the forget set is none of the groups with a trigger")
        target = trigger_class(group, case.data.num_classes)
        rows = np.flatnonzero(case.data.test.labels != target)
        if len(rows) == 0:
            raise ValueError(f"backdoor: every test image is of the trigger's class {target}")
        marked = with_trigger(case.data.test.inputs[rows], group, float(case.data.train.inputs.max()))
        hits = [check_numbers("logits", logits, ("N", "C")).argmax(axis=1) == target
                for logits in (case.models["unlearned"].logits(marked), case.unlearned.test[rows])]
        return AuditReport(scores=(_share("Backdoor ASR", hits[0]), _share("Backdoor clean", hits[1])),
                           notes={"class": target, "poisoned": len(case.request.forget)})


def _share(name: str, hits: NDArray[np.bool_], chance: float | None = None) -> Score:
    from harness.statistics import clopper_pearson

    share = clopper_pearson(int(hits.sum()), len(hits))
    error = float(np.sqrt(share.value * (1 - share.value) / share.n))
    return Score(name=name, value=100 * share.value, low=100 * share.low, high=100 * share.high, n=share.n, unit="%",
                 standard_error=100 * error, chance=chance)


def _needed(case: AuditCase, name: str, kind: str) -> Poison:
    if len(case.request.forget) == 0:
        raise ValueError(f"{name}: the forget set is empty")
    poison = case.data.poison
    if poison is None or poison.kind != kind:
        raise ValueError(f"{name} needs a training set poisoned with '{kind}'; this one is "
                         f"{poison.kind if poison else 'clean'}")
    return poison
