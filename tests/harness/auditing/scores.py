"""Reports written by hand, and auditors that return them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.auditing.examination import Examination, Finding
from harness.audits import AuditReport, Score


def score(value: float, error: float | None = 0.01, name: str = "FT AUC", **changes: Any) -> Score:
    """Return an AUC with its standard error and a 95 % interval."""
    reach = None if error is None else 1.96 * error
    return Score(**{
        "name": name, "value": value, "n": 100, "unit": "auc", "standard_error": error, "chance": 0.5,
        "low": None if reach is None else value - reach, "high": None if reach is None else value + reach, **changes})


def report(*values: float, **changes: Any) -> AuditReport:
    """Return a report of AUCs called A, B, ... or as ``name`` says."""
    names = [changes.pop("name")] if "name" in changes else "ABCDEFGH"
    scores = [score(value, name=name, **changes) for value, name in zip(values, names, strict=False)]
    return AuditReport(scores=tuple(scores))


def finding(audited: AuditReport, oracles: Sequence[AuditReport], original: AuditReport | None = None,
            title: str = "rmia") -> Finding:
    """Return what an auditor says."""
    return Finding(title=title, audited=audited, oracles=tuple(oracles), original=original)


def examination(*findings: Finding) -> Examination:
    """Return what all auditors say."""
    return Examination(findings=findings)
