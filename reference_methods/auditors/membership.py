"""Membership audits with reference models: is the forget set still told from data that was never trained on?"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from harness import AuditCase, AuditReport, Dataset, Needs, References, Scope
from reference_methods.auditors.lira import lira_scores
from reference_methods.auditors.rmia import rmia_ratio, rmia_scores
from reference_methods.auditors.separation import (
    LOW_RATES,
    Values,
    attack_scores,
    auc_score,
    groups,
    low_rates,
    pool_labels,
)
from reference_methods.auditors.signals import signal

SIGNALS = ("softmax", "taylor", "soft-margin", "taylor-soft-margin")
Mode = Literal["online", "offline"]


@frozen(kw_only=True)
class Rmia:
    """RMIA: the AUC of the ratio Pr(x | theta) / Pr(x) between groups of examples.

    ``FT AUC`` separates the forget set from the test set (0.5 on an oracle, if the forget set was drawn uniformly),
    ``RT AUC`` the retain set from the test set, ``FR AUC`` the retain set from the forget set; on an oracle the last
    equals ``RT AUC``, not 0.5. Requests for a class are held against test examples of that class. For one target model
    gamma and the population z do not change the AUC, so the ratio itself is scored and stored per example.

    References are trained on random halves of train and test set together, as AMUN does: each test example is a
    member of half of them.

    Attributes:
        signal, temperature, margin, order: see `reference_methods.auditors.signals.signal`.
        as_published: the odd-degree Taylor series of the published code, whose "probabilities" leave [0, 1].
        mode: ``online`` holds a model against the references that saw an example and those that did not, ``offline``
            against the latter alone, with the prior of those that saw it guessed by ``a``.
        a: of ``offline``, in [0, 1]: 1 takes references to be no surer of what they have seen. 0.3 is the authors'
            value for CIFAR-10.
        trim: share of the references cut from each end of every mean; the authors, who have many, take 0.2.
        gamma: score each example by the share of the population z that it outdoes by more than this factor, as the
            paper does, instead of by its ratio. z are the test examples. Without it the ratio itself is scored.
        rates: false-positive rates at which true-positive rates are shown, as far as the test set is large enough.
        references: number of references to use; 0 uses all of the suite's.

    Source: Zarifzadeh, Liu and Shokri 2024, arXiv 2312.03262; use in unlearning: AMUN, arXiv 2503.00917, section 6.1.
    """

    signal: Literal["softmax", "taylor", "soft-margin", "taylor-soft-margin"] = field(
        default="taylor-soft-margin", validator=validators.in_(SIGNALS))
    temperature: float = field(default=2.0, validator=validators.gt(0))
    margin: float = field(default=0.6, validator=validators.ge(0))
    order: int = field(default=4, validator=validators.ge(1))
    as_published: bool = False
    mode: Mode = field(default="online", validator=validators.in_(("online", "offline")))
    a: float = field(default=0.3, validator=[validators.ge(0), validators.le(1)])
    trim: float = field(default=0.0, validator=[validators.ge(0), validators.lt(0.5)])
    gamma: float | None = field(default=None, validator=validators.optional(validators.gt(0)))
    rates: tuple[float, ...] = LOW_RATES
    references: int = field(default=0, validator=validators.ge(0))

    name: ClassVar[str] = "rmia"
    version: ClassVar[str] = "2"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """References."""
        return Needs(references=self.references or -1)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return FT, FR and RT AUC, TPR at low FPR, and the ratio of every example of the pool.

        Raises:
            ValueError: if there are no references, or a logit is NaN.
        """
        references = _needed(case.references, self.name)
        used = references.membership[:self.references or None]
        target = self._signal(case.unlearned.pool, pool_labels(case.data))
        others = _reference_signals(self, references, case.data)
        ratio = rmia_ratio(target, others, used, mode=self.mode, a=self.a, trim=self.trim)
        arrays = {"ratio": ratio}
        if self.gamma is not None:
            arrays["score"] = self._scores(target, others, used, len(case.data.train))
        rows, values = groups(case), arrays.get("score", ratio)
        rates = low_rates("", values[rows.forget], values[rows.unseen], self.rates)
        aucs = (auc_score("FT AUC", values[rows.forget], values[rows.unseen]),
                auc_score("FR AUC", values[rows.retain], values[rows.forget]),
                auc_score("RT AUC", values[rows.retain], values[rows.unseen_retain]))
        return AuditReport(scores=(*aucs, *rates.scores), per_sample=arrays,
                           notes={"references": len(used), "mode": self.mode, **rates.refused})

    def _scores(self, target: Values, others: Values, seen: NDArray[np.bool_], train: int) -> Values:
        population = np.arange(train, len(target))
        # A test example does not vote on itself.
        own = np.concatenate([np.full(train, -1), np.arange(len(population))])
        return rmia_scores(target, target[population], others, others[:, population], membership_x=seen,
                           membership_z=seen[:, population], mode=self.mode, gamma=self.gamma or 1.0, a=self.a,
                           trim=self.trim, own_z=own)

    def _signal(self, logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Values:
        return signal(logits, labels, self.signal, temperature=self.temperature, margin=self.margin, order=self.order,
                      as_published=self.as_published)


@frozen(kw_only=True)
class Lira:
    """LiRA from the same references: the likelihood ratio of an example's logit-scaled confidence.

    References that saw an example were *trained* on it, and none has unlearned it, so this is weaker than U-LiRA on a
    model that has; it needs no run of the unlearner. ``LiRA FT AUC`` is 0.5 on an oracle; class requests are held
    against test examples of the class.

    Attributes:
        mode: ``online`` (trained on the example or not) or ``offline`` (one-sided test against the latter).
        variance: ``per-example``, or ``fixed``: one for all examples, steadier below some 64 references.
        as_published: the value of the authors' code, see `reference_methods.auditors.lira.lira_scores`.
        rates: false-positive rates at which true-positive rates are shown.
        references: number of references to use; 0 uses all of the suite's.

    Source: Carlini et al. 2022, arXiv 2112.03570.
    """

    mode: Mode = field(default="online", validator=validators.in_(("online", "offline")))
    variance: Literal["per-example", "fixed"] = field(
        default="fixed", validator=validators.in_(("per-example", "fixed")))
    as_published: bool = False
    rates: tuple[float, ...] = LOW_RATES
    references: int = field(default=0, validator=validators.ge(0))

    name: ClassVar[str] = "lira"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """References."""
        return Needs(references=self.references or -1)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return the FT and RT AUC, TPR at low FPR, and the score of every example of the pool.

        Raises:
            ValueError: if there are no references, or a logit is NaN.
        """
        references = _needed(case.references, self.name)
        used = references.membership[:self.references or None]
        values = lira_scores(self._signal(case.unlearned.pool, pool_labels(case.data))[:, None],
                             _reference_signals(self, references, case.data)[:, :, None], used, mode=self.mode,
                             variance=self.variance, as_published=self.as_published)
        found = attack_scores("LiRA ", values, groups(case), self.rates)
        return AuditReport(scores=found.scores, per_sample={"score": values}, notes={
            "references": len(used), "mode": self.mode, "variance": self.variance, **found.refused})

    def _signal(self, logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Values:
        return signal(logits, labels, "logit-scaling")


def _needed(references: References | None, name: str) -> References:
    if references is None:
        raise ValueError(f"{name} needs reference models; the suite has none")
    return references


@lru_cache(maxsize=4)
def _reference_signals(audit: Rmia | Lira, references: References, data: Dataset) -> Values:
    """Return (R, P) signals of the references; the same for every audited model, so computed once per process."""
    return audit._signal(references.logits[:audit.references or None], pool_labels(data))
