"""Membership audits: can an attacker still tell the forget set from data that was never trained on?"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from harness import AuditCase, AuditReport, Dataset, Needs, References, Scope, Score
from harness.digests import derive_seed
from reference_methods.auditors.mis import mis
from reference_methods.auditors.rmia import rmia_ratio
from reference_methods.auditors.signals import signal

SIGNALS = ("softmax", "taylor", "soft-margin", "taylor-soft-margin")
Ratios = NDArray[np.float64]


@frozen(kw_only=True)
class Rmia:
    """RMIA: the AUC of the ratio Pr(x | theta) / Pr(x) between groups of samples.

    ``FT AUC`` separates the forget set from the test set (0.5 on an oracle, if the forget set was drawn uniformly),
    ``RT AUC`` the retain set from the test set, ``FR AUC`` the retain set from the forget set; on an oracle the last
    equals ``RT AUC``, not 0.5. For one target model gamma and the population z do not change the AUC, so the ratio
    itself is scored and stored per sample.

    References are trained on random halves of train and test set together, as AMUN does: each test example is a
    member of half of them. Only online mode makes sense with such references.

    Attributes:
        signal, temperature, margin, order: see `reference_methods.auditors.signals.signal`.
        as_published: the odd-degree Taylor series of the published code, whose "probabilities" leave [0, 1].
        references: number of references to use; 0 uses all of the suite's.

    Source: Zarifzadeh, Liu and Shokri 2024, arXiv 2312.03262; use in unlearning: AMUN, arXiv 2503.00917, section 6.1.
    """

    signal: Literal["softmax", "taylor", "soft-margin", "taylor-soft-margin"] = field(
        default="taylor-soft-margin", validator=validators.in_(SIGNALS))
    temperature: float = field(default=2.0, validator=validators.gt(0))
    margin: float = field(default=0.6, validator=validators.ge(0))
    order: int = field(default=4, validator=validators.ge(1))
    as_published: bool = False
    references: int = field(default=0, validator=validators.ge(0))

    name: ClassVar[str] = "rmia"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """References."""
        return Needs(references=self.references or -1)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return FT, FR and RT AUC, and the ratio of every sample of the pool.

        Raises:
            ValueError: if there are no references.
        """
        if case.references is None:
            raise ValueError("rmia needs reference models; the suite has none")
        used = case.references.membership[:self.references or None]
        ratio = rmia_ratio(self._signal(case.unlearned.pool, _labels(case.data)),
                           _reference_signals(self, case.references, case.data), used)
        train = len(case.data.train)
        forget, retain, test = ratio[case.request.forget], ratio[case.retain], ratio[train:]
        return AuditReport(
            scores=(_auc("FT AUC", forget, test), _auc("FR AUC", retain, forget), _auc("RT AUC", retain, test)),
            per_sample={"ratio": ratio}, notes={"references": len(used)})

    def _signal(self, logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Ratios:
        return signal(logits, labels, self.signal, temperature=self.temperature, margin=self.margin, order=self.order,
                      as_published=self.as_published)


@lru_cache(maxsize=4)
def _reference_signals(audit: Rmia, references: References, data: Dataset) -> Ratios:
    """Return (R, P) signals of the references; the same for every audited model, so computed once per process."""
    return audit._signal(references.logits[:audit.references or None], _labels(data))


def _labels(data: Dataset) -> NDArray[np.int64]:
    return np.concatenate([data.train.labels, data.test.labels])


def _auc(name: str, positive: Ratios, negative: Ratios) -> Score:
    from harness.statistics import auc_interval

    interval = auc_interval(positive, negative)
    return Score(name=name, value=interval.value, low=interval.low, high=interval.high, unit="auc",
                 standard_error=interval.standard_error, n=min(len(positive), len(negative)), chance=0.5)


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

    def _feature(self, logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Ratios:
        kind: Literal["softmax", "modified-entropy"] = (
            "softmax" if self.feature == "confidence" else "modified-entropy")
        return signal(logits, labels, kind, as_published=self.as_published)
