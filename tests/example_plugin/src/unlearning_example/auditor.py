"""An auditor that needs nothing but the audited model's logits."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from harness import AuditCase, AuditReport, Needs, Scope, Score


@frozen(kw_only=True)
class MarginAuc:
    """AUC with which the margin of the true class tells the forget set from the test set; 0.5 on a perfect oracle."""

    name: ClassVar[str] = "margin-auc"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """The audited model's logits, which every case has."""
        return Needs()

    def audit(self, case: AuditCase) -> AuditReport:
        """Return the AUC with its interval, and every sample's margin."""
        from harness.statistics import auc_interval

        train = margins(case.unlearned.train, case.data.train.labels)
        test = margins(case.unlearned.test, case.data.test.labels)
        auc = auc_interval(train[case.request.forget], test)
        score = Score(name="Margin AUC", value=auc.value, low=auc.low, high=auc.high, n=len(case.request.forget),
                      unit="auc", standard_error=auc.standard_error, chance=0.5)
        return AuditReport(scores=(score,), per_sample={"margin": np.concatenate([train, test])})


def margins(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (N,) logit of the true class minus the largest other one."""
    rows = np.arange(len(labels))
    others = logits.astype(np.float64)
    true = others[rows, labels].copy()
    others[rows, labels] = -np.inf
    gaps: NDArray[np.float64] = true - others.max(axis=1)
    return gaps
