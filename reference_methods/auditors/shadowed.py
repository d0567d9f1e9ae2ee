"""Audits that hold a method against models that it has unlearned, and those against retrained ones."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from attrs import field, frozen, validators

from harness import AuditCase, AuditReport, Needs, Scope, Score
from harness.audits import Shadows
from harness.data import Floats, Integers
from reference_methods.auditors.epsilon import LARGEST_EPSILON, epsilon_scores, forgetting_score
from reference_methods.auditors.klom import klom
from reference_methods.auditors.separation import (
    LOW_RATES,
    Values,
    auc_score,
    balanced_accuracy_score,
    groups,
    low_rates,
    pool_labels,
)
from reference_methods.auditors.signals import signal
from reference_methods.auditors.ulira import MODELS_FOR_OWN_VARIANCE, ulira_log_odds

PROTOCOL = ("shadow originals: whole training set, seeds of their own; the whole forget set unlearned at once; OUT side: "
            "retrained; audited model not among them")


@frozen(kw_only=True)
class ULira:
    """U-LiRA: is this model one that was made to forget the example, or one that never saw it?

    Two Gaussians per example, of its logit-scaled confidence under shadows that *this method* has unlearned, and under
    shadows retrained without the forget set. The audited model's forget set is called "trained on" where the first
    fits better than the second; so is that of the oracles, which are the examples that were never seen: of the very
    same images, so that no difference between images can pass for one between models.

    ``U-LiRA accuracy``, in per cent, is at threshold 1/2, ``U-LiRA AUC`` over all thresholds; 50 and 0.5 cannot be told
    from retraining. Below 32 shadows a side all examples share one variance.

    A method that ruins the model is found here, since the other side is retrained and not unlearned of other examples.

    Attributes:
        least_shadows: a side. Two Gaussians of fewer are a guess.
        rates: false-positive rates at which true-positive rates are shown.

    Source: Hayes et al. 2024, arXiv 2403.01218.
    """

    least_shadows: int = field(default=4, validator=validators.ge(2))
    rates: tuple[float, ...] = LOW_RATES

    name: ClassVar[str] = "u-lira"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """Shadows, and an oracle for the examples that were never seen."""
        return Needs(shadows=self.least_shadows, oracles=1)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return accuracy, AUC and TPR at low FPR, and the log odds of every forgotten example.

        Raises:
            ValueError: if there are too few shadows or no oracle, or a logit is NaN.
        """
        shadows = _needed(case, self.name, self.least_shadows)
        if not case.oracles:
            raise ValueError("u-lira needs an oracle beside the audited model; there is none")
        rows, labels = groups(case).forget, pool_labels(case.data)
        sides = [_confidence(side, labels, rows) for side in (shadows.unlearned, shadows.retrained)]
        own, *others = (ulira_log_odds(_confidence(model.pool[None], labels, rows)[0], *sides)
                        for model in (case.unlearned, *case.oracles))
        never = np.concatenate(others)
        found = low_rates("U-LiRA ", own, never, self.rates, distinct=len(rows))
        return AuditReport(
            scores=(_accuracy(own, never), auc_score("U-LiRA AUC", own, never), *found.scores),
            per_sample={"log_odds": own},
            notes={**_notes(shadows), "variance": "per example" if min(map(len, sides)) >= MODELS_FOR_OWN_VARIANCE
                   else "pooled over examples", **found.refused})


def _accuracy(members: Values, others: Values) -> Score:
    """Return the balanced accuracy at even odds; odds that are exactly even are a coin's throw."""
    return balanced_accuracy_score("U-LiRA accuracy", _decided(members), len(members), 1 - _decided(others), len(others))


def _decided(log_odds: Values) -> float:
    return float(((log_odds > 0) + 0.5 * (log_odds == 0)).mean())


@frozen(kw_only=True)
class Klom:
    """KLoM: the divergence of each example's margin over unlearned models from that over retrained ones.

    The 95th percentile over the ``forget`` set and, as harm done elsewhere, over retain and test set, in nats. It is a
    statement on the method, made once per forget set. Its ideal value is not 0: with M models a side two sets of
    retrained ones are some 0.33 apart in the mean at M = 100, more with fewer, and the oracle's row says how much.

    Attributes:
        direction: ``unlearned-oracle`` is KL(unlearned || oracle), what the authors' code computes;
            ``oracle-unlearned`` what their text says.
        bins: of the histograms.
        as_published: their bins, out of which the largest value falls.
        least_shadows: a side.

    Source: Georgiev et al. 2024, arXiv 2410.23232.
    """

    direction: Literal["unlearned-oracle", "oracle-unlearned"] = field(
        default="unlearned-oracle", validator=validators.in_(("unlearned-oracle", "oracle-unlearned")))
    bins: int = field(default=20, validator=validators.ge(1))
    as_published: bool = False
    least_shadows: int = field(default=8, validator=validators.ge(2))

    name: ClassVar[str] = "klom"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """Shadows."""
        return Needs(shadows=self.least_shadows, method_level=True)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return the 95th percentiles over forget, retain and test set, and the divergence of every example.

        Raises:
            ValueError: if there are too few shadows, or a logit is NaN.
        """
        shadows = _needed(case, self.name, self.least_shadows)
        rows, labels = groups(case), pool_labels(case.data)
        everything = np.arange(len(labels))
        sides = [_confidence(side, labels, everything) for side in (shadows.unlearned, shadows.retrained)]
        if self.direction == "oracle-unlearned":
            sides.reverse()
        divergence = klom(*sides, bins=self.bins, as_published=self.as_published)
        parts = {"forget": rows.forget, "retain": rows.retain, "test": everything[len(case.data.train):]}
        return AuditReport(
            scores=(*(Score(name=f"KLoM {part}", value=float(np.quantile(divergence[chosen], 0.95)), n=len(chosen),
                            unit="nats") for part, chosen in parts.items()),
                    Score(name="KLoM forget mean", value=float(divergence[rows.forget].mean()), n=len(rows.forget),
                          unit="nats")),
            per_sample={"divergence": divergence}, notes={**_notes(shadows), "direction": self.direction})


@frozen(kw_only=True)
class EpsilonScore:
    """The forgetting score of the NeurIPS 2023 challenge, and the epsilon per example that it is made from.

    ``F score`` is between 0 and 1, higher for better forgetting; ``Final score`` is F times the method's retain and
    test accuracy over those of retraining, as the challenge ranked. ``Epsilon`` is the median over the forget set, in
    nats. A perfect method does not score 1: F is about 0.19 for equal distributions, and the oracle's row says how much
    it is with this many shadows. The audit is of the method, made once per forget set.

    Attributes:
        delta: of the definition of unlearning.
        least_shadows: a side; the challenge took 512.

    Source: Triantafillou et al. 2024, arXiv 2406.09073.
    """

    delta: float = field(default=1e-5, validator=[validators.ge(0), validators.lt(1)])
    least_shadows: int = field(default=8, validator=validators.ge(3))

    name: ClassVar[str] = "epsilon-score"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """Shadows."""
        return Needs(shadows=self.least_shadows, method_level=True)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return the F score, the final score and the median epsilon, and the epsilon of every forgotten example.

        Raises:
            ValueError: if there are too few shadows, or a logit is NaN.
        """
        shadows = _needed(case, self.name, self.least_shadows)
        rows, labels = groups(case), pool_labels(case.data)
        sides = [_confidence(side, labels, rows.forget) for side in (shadows.unlearned, shadows.retrained)]
        epsilon = epsilon_scores(*sides, delta=self.delta)
        score = forgetting_score(epsilon, models=max(3, *map(len, sides)))
        kept = {part: _kept(shadows, labels, chosen) for part, chosen in
                (("retain", rows.retain), ("test", rows.unseen_retain))}
        capped = float((epsilon >= LARGEST_EPSILON).mean())
        values = {"F score": score, "Final score": score * kept["retain"] * kept["test"],
                  "Epsilon": float(np.median(epsilon))}
        return AuditReport(
            scores=tuple(Score(name=name, value=value, n=len(epsilon), unit="nats" if name == "Epsilon" else "score")
                         for name, value in values.items()),
            per_sample={"epsilon": epsilon},
            notes={**_notes(shadows), "share told apart perfectly": round(capped, 4),
                   "accuracy kept": {part: round(share, 4) for part, share in kept.items()}})


def _needed(case: AuditCase, name: str, least: int) -> Shadows:
    if case.shadows is None:
        raise ValueError(f"{name} needs shadows; the suite has none")
    found = min(len(case.shadows.unlearned), len(case.shadows.retrained))
    if found < least:
        raise ValueError(f"{name} needs {least} shadows a side; got {found}")
    return case.shadows


def _confidence(logits: Floats, labels: Integers, rows: Integers) -> Values:
    """Return the (S, K) logit-scaled confidences of models in some examples."""
    return signal(logits[:, rows], labels[rows], "logit-scaling")


def _kept(shadows: Shadows, labels: Integers, rows: Integers) -> float:
    """Return the accuracy of the unlearned models over that of the retrained ones."""
    unlearned, retrained = (float((side[:, rows].argmax(axis=2) == labels[rows]).mean())
                            for side in (shadows.unlearned, shadows.retrained))
    if retrained == 0:
        raise ValueError("retrained shadows classify nothing right; there is no accuracy to compare with")
    return unlearned / retrained


def _notes(shadows: Shadows) -> dict[str, Any]:
    return {"unlearned shadows": len(shadows.unlearned), "retrained shadows": len(shadows.retrained),
            "protocol": PROTOCOL}
