"""The one number by which unlearning papers rank methods."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from attrs import field, frozen, validators

from harness import AuditCase, AuditReport, Needs, Scope, Score


@frozen(kw_only=True)
class AverageGap:
    """Mean of the absolute differences to the oracles over several scores, in percentage points.

    AMUN (arXiv 2503.00917, section 6.1) averages UA, RA, TA and the RMIA FT AUC; the SalUn family takes the SVC
    score MIS instead. AUCs count in percentage points (0.52 is 52). The difference is taken per model, to the mean of
    the oracles of the same forget set; papers take it once, after averaging over runs, which lets errors of opposite
    sign cancel: rows give that figure as ``gap_of_means`` of each score.

    Attributes:
        columns: names of the scores.
        reports: auditors whose reports hold them, by their titles in the suite.
    """

    columns: tuple[str, ...] = field(default=("UA", "RA", "TA", "FT AUC"), validator=validators.min_len(1))
    reports: tuple[str, ...] = ("accuracy", "rmia")

    name: ClassVar[str] = "average-gap"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """The reports on this model and on the oracles."""
        return Needs(oracles=1, reports=self.reports)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return ``Avg Gap``.

        Raises:
            ValueError: if no report holds one of the columns.
        """
        gaps = []
        for column in self.columns:
            own = _points(column, case.reports.values())
            oracles = [_points(column, reports.values()) for reports in case.oracle_reports]
            gaps.append(abs(own - float(np.mean(oracles))))
        score = Score(name="Avg Gap", value=float(np.mean(gaps)), n=len(gaps), unit="points", target="lower")
        return AuditReport(scores=(score,), notes={"columns": list(self.columns)})


def _points(column: str, reports: Iterable[AuditReport]) -> float:
    for report in reports:
        for score in report.scores:
            if score.name == column:
                return score.value * (100 if score.unit == "auc" else 1)
    raise ValueError(f"average-gap: no report holds a score called '{column}'")
