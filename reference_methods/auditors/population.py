"""Attacks that need the audited model's outputs alone: a threshold on the loss, and the SVC of the SalUn family."""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import field, frozen, validators

from harness import AuditCase, AuditReport, Needs, Scope, Score
from harness.data import Floats, Integers
from harness.digests import derive_seed
from reference_methods.auditors.mis import mis
from reference_methods.auditors.separation import (
    LOW_RATES,
    Groups,
    Values,
    attack_scores,
    balanced_accuracy_score,
    groups,
    pool_labels,
)
from reference_methods.auditors.signals import signal


@frozen(kw_only=True)
class LossThreshold:
    """The oldest attack: an example of small loss was trained on.

    ``Loss FT AUC`` (0.5 on an oracle, if the forget set was drawn uniformly) counts over all thresholds. ``Loss
    accuracy`` is the balanced accuracy, forget against test set, at the one threshold that an attacker knows without
    looking at either: the mean loss on the retain set. On an oracle it need not be 50.

    It is an attack on the average: a model may pass it and still give away the examples that it knew best, which
    attacks with reference models find.

    Attributes:
        rates: false-positive rates at which true-positive rates are shown, as far as the test set is large enough.

    Source: Yeom et al. 2018, arXiv 1709.01604, adversary 1; the "U-MIA" that U-LiRA (arXiv 2403.01218) is compared to.
    """

    rates: tuple[float, ...] = LOW_RATES

    name: ClassVar[str] = "loss-threshold"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """Nothing but the audited model's signals."""
        return Needs()

    def audit(self, case: AuditCase) -> AuditReport:
        """Return the FT and RT AUC of the loss, TPR at low FPR and the accuracy, and the loss of every example.

        Raises:
            ValueError: if a logit is NaN, or the forget set is empty.
        """
        rows = groups(case)
        loss = signal(case.unlearned.pool, pool_labels(case.data), "cross-entropy")
        found = attack_scores("Loss ", -loss, rows, self.rates)
        return AuditReport(scores=(*found.scores, _accuracy(loss, rows)), per_sample={"loss": loss},
                           notes=found.refused)


def _accuracy(loss: Values, rows: Groups) -> Score:
    """Return the balanced accuracy of "a loss below the mean of the retain set's is a member's"."""
    threshold = loss[rows.retain].mean()
    found, spared = (loss[rows.forget] < threshold).mean(), (loss[rows.unseen] >= threshold).mean()
    return balanced_accuracy_score("Loss accuracy", float(found), len(rows.forget), float(spared), len(rows.unseen))


@frozen(kw_only=True)
class Mis:
    """MIS: share of the forget set that an SVC on one scalar of the model's output calls non-member, in per cent.

    The SVC (C = 3, RBF, gamma = auto) learns retain against test set. Neither 0, 50 nor 100 is ideal: only the gap to
    the oracle means anything (12.5 on AMUN's).

    Attributes:
        feature: ``confidence`` of the true class, as the papers' tables; ``modified-entropy`` of Song and Mittal.
        as_published: the modified entropy with the indexing error that nine public repositories share.
        limit: examples of each side for the SVC, drawn at random; the published code takes as many as there are
            test examples. An SVC is quadratic in them.

    Source: OPTML-Group/Unlearn-Saliency, Classification/evaluation/SVC_MIA.py.
    """

    feature: Literal["confidence", "modified-entropy"] = field(
        default="confidence", validator=validators.in_(("confidence", "modified-entropy")))
    as_published: bool = False
    limit: int = field(default=2000, validator=validators.ge(10))

    name: ClassVar[str] = "mis"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """Nothing but the audited model's signals."""
        return Needs()

    def audit(self, case: AuditCase) -> AuditReport:
        """Return ``MIS``."""
        train = self._feature(case.unlearned.train, case.data.train.labels)
        test = self._feature(case.unlearned.test, case.data.test.labels)
        share = mis(train[case.retain], test, train[case.request.forget], seed=derive_seed(case.seed, "mis"),
                    cap=self.limit)
        return AuditReport(scores=(Score(name="MIS", value=100 * share, n=len(case.request.forget), unit="%"),))

    def _feature(self, logits: Floats, labels: Integers) -> Values:
        kind: Literal["softmax", "modified-entropy"] = (
            "softmax" if self.feature == "confidence" else "modified-entropy")
        return signal(logits, labels, kind, as_published=self.as_published)
