"""The scores of a run as columns: which there are, and their values over the audited models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from harness.audits import Score
from harness.record import CellRecord, RunRecord

Array = NDArray[np.float64]


@frozen
class Column:
    """One score of one auditor.

    Attributes:
        auditor: its title in the suite.
        name: of the score.
    """

    auditor: str
    name: str

    def find(self, cell: CellRecord) -> Score | None:
        """Return the score of a cell, or None."""
        return next((score for score in cell.scores.get(self.auditor, ()) if score.name == self.name), None)

    def grid(self, cells: Sequence[CellRecord]) -> tuple[Array, Array]:
        """Return (originals, forget sets, runs) values and standard errors, NaN where there is none."""
        shape = [max((getattr(cell, axis) or 0) for cell in cells) + 1 for axis in ("original", "request", "run")]
        values, errors = np.full(shape, np.nan), np.full(shape, np.nan)
        for cell in cells:
            score = self.find(cell)
            if score is not None:
                where = (cell.original or 0, cell.request, cell.run)
                values[where] = score.value
                errors[where] = np.nan if score.standard_error is None else score.standard_error
        return values, errors


def columns(record: RunRecord) -> list[Column]:
    """Return the scores of a run in the order of its auditors."""
    found: dict[Column, None] = {}
    for title in record.auditors:
        for cell in record.cells:
            for score in cell.scores.get(title, ()):
                found[Column(title, score.name)] = None
    return list(found)
