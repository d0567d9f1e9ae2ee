"""What the model can still do: the gate beside every privacy number, since a collapsed model scores a perfect AUC."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from attrs import frozen

from harness import AuditCase, AuditReport, Needs, Scope, Score
from harness.data import Floats, Integers


@frozen(kw_only=True)
class Accuracy:
    """Accuracy on the forget set (UA), the retain set (RA) and the test set (TA), in per cent.

    UA is accuracy *on* the forget set, as AMUN and TRW print it; the SalUn family prints 100 minus it. In class
    requests TA is taken over the test examples of the retained classes, the ``ACC_r`` of class-unlearning papers.
    Intervals are Clopper-Pearson over examples.
    """

    name: ClassVar[str] = "accuracy"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """Nothing but the audited model's signals."""
        return Needs()

    def audit(self, case: AuditCase) -> AuditReport:
        """Return UA, RA and TA."""
        train, test = case.data.train.labels, case.data.test.labels
        kept = np.flatnonzero(~np.isin(test, case.request.classes))
        return AuditReport(scores=(
            accuracy("UA", case.unlearned.train, train, case.request.forget),
            accuracy("RA", case.unlearned.train, train, case.retain),
            accuracy("TA", case.unlearned.test, test, kept)))


def accuracy(name: str, logits: Floats, labels: Integers, rows: Integers) -> Score:
    """Return the share of ``rows`` that are classified as labelled, in per cent, with an exact interval.

    Raises:
        ValueError: if there are no rows.
    """
    from harness.statistics import clopper_pearson

    if len(rows) == 0:
        raise ValueError(f"{name}: there is no example to take the accuracy over")
    right = int(np.count_nonzero(logits[rows].argmax(axis=1) == labels[rows]))
    share = right / len(rows)
    interval = clopper_pearson(right, len(rows))
    return Score(name=name, value=100 * share, low=100 * interval.low, high=100 * interval.high, n=len(rows), unit="%",
                 standard_error=100 * float(np.sqrt(share * (1 - share) / len(rows))), chance=100 / logits.shape[1])
