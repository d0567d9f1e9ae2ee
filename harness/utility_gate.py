"""The gate beside every privacy number: a model that has lost its use looks as if it had forgotten everything."""

from __future__ import annotations

from harness.rows import Row, RowScore

# The score that says what is left of a model's use, and by how many points it may lie below the oracle's.
UTILITY = "TA"
GATE = 5.0


def utility_lost(row: Row) -> float:
    """Return by how many points a row's test accuracy lies below the oracle's; 0 where nothing is known."""
    score = row.score(UTILITY)
    return 0.0 if score is None else max(0.0, score.oracle - score.value)


def is_gated(row: Row, score: RowScore) -> bool:
    """Return whether ``score`` is of a model that has lost more utility than the gate allows, and says nothing of that.

    The scores of the audit that measures utility itself speak for themselves.
    """
    utility = row.score(UTILITY)
    return utility is not None and score.auditor != utility.auditor and utility_lost(row) > GATE
