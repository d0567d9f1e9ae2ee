"""What rows are ranked by, and which of them the data cannot tell apart."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
from attrs import frozen

from harness.digests import derive_seed
from harness.rows import Row, RowScore
from harness.statistics import cell_gaps, holm
from harness.statistics.hierarchy import fit_mean
from harness.statistics.interval import LEVEL
from leaderboard.grids import Array, cell_mean, full_name, oracle_grid, value_grid
from leaderboard.names import NOTHING, kind_of

AVERAGE_GAP = "Avg Gap"
PRIVACY = ("FT AUC", "U-LiRA accuracy", "MIS")

# All pairs are compared: beyond this Holm's correction leaves nothing significant and the pairs take minutes.
MOST_RANKED = 80
RESAMPLES = 400


@frozen
class Measure:
    """A number by which rows are ordered, lower is better.

    Attributes:
        column: full name of the score.
        as_gap: whether its gap to the oracle counts rather than its value.
    """

    column: str
    as_gap: bool

    @property
    def title(self) -> str:
        """What a heading says."""
        name = self.column.rpartition("/")[2]
        return f"gap of {name} to the oracle" if self.as_gap else name

    def read(self, row: Row) -> tuple[float, float | None, float | None] | None:
        """Return (value, low, high) of a row, or None if it lacks the score."""
        score = row.score(self.column)
        if score is None:
            return None
        return (score.gap, score.gap_low, score.gap_high) if self.as_gap else (score.value, score.low, score.high)

    def grid(self, score: RowScore) -> Array:
        """Return (originals, forget sets, runs) of the number."""
        return cell_gaps(value_grid(score), oracle_grid(score)) if self.as_gap else value_grid(score)


def main_measure(rows: Sequence[Row]) -> Measure | None:
    """Return what ``rows`` are ranked by: the Average Gap, or else the gap of the first score with an oracle."""
    for row in rows:
        score = row.score(AVERAGE_GAP)
        if score is not None:
            return Measure(full_name(score), as_gap=False)
    first = next((score for row in rows for score in row.scores if score.target == "oracle"), None)
    return Measure(full_name(first), as_gap=True) if first else None


def privacy_score(rows: Sequence[Row]) -> str | None:
    """Return the full name of the membership score that stands for privacy in plots."""
    scores = [score for row in rows for score in row.scores]
    wanted = [score for name in PRIVACY for score in scores if score.name == name]
    return next((full_name(score) for score in (*wanted, *scores) if score in wanted or score.unit == "auc"), None)


@frozen(kw_only=True)
class Standing:
    """The ranks that a method may hold, 1 is best: what the data leave open.

    Attributes:
        best: 1 + the number of methods that are distinguishably better.
        worst: the number of methods less those that are distinguishably worse.
    """

    best: int
    worst: int

    def __str__(self) -> str:
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


def standings(rows: Sequence[Row], measure: Measure | None) -> dict[str, Standing]:
    """Return the standing of each method by row id; methods that cannot be told apart at 95 % have ranks in common.

    All pairs are compared on the cells that both have, by the mean difference and its hierarchical bootstrap, with
    Holm's correction. The oracle and the controls are there for scale and hold no rank, failed and retracted rows
    neither. There are no ranks when rows of several protocols are mixed or there are too many.
    """
    if measure is None or len({row.protocol for row in rows}) > 1:
        return {}
    ranked = [row for row in rows if kind_of(row) == "method" and not row.retracted and row.score(measure.column)]
    if len(ranked) > MOST_RANKED:
        return {}
    grids = _grids(ranked, measure)
    pairs = list(itertools.combinations(grids, 2))
    chances: Array | list[float] = holm([p_value(grids[a] - grids[b]) for a, b in pairs]) if pairs else []
    better: Counter[str] = Counter()
    worse: Counter[str] = Counter()
    for (a, b), chance in zip(pairs, chances, strict=True):
        if chance < 1 - LEVEL:
            first, second = (a, b) if np.nanmean(grids[a]) < np.nanmean(grids[b]) else (b, a)
            better[second] += 1
            worse[first] += 1
    return {identity: Standing(best=1 + better[identity], worst=len(grids) - worse[identity]) for identity in grids}


def no_better_than_nothing(rows: Sequence[Row], measure: Measure | None) -> dict[str, str]:
    """Return the figures of the methods that are not distinguishably better than doing nothing, by row id."""
    nothing = next((row for row in rows if row.method.name == NOTHING), None)
    if measure is None or nothing is None or not nothing.score(measure.column):
        return {}
    methods = [row for row in rows if kind_of(row) == "method" and row.score(measure.column)
               and row.protocol == nothing.protocol and row.method.access == nothing.method.access]
    grids = _grids([nothing, *methods], measure)
    found = {}
    for row in methods:
        difference = grids[row.id] - grids[nothing.id]
        chance = p_value(difference)
        if chance >= 1 - LEVEL or np.nanmean(difference) > 0:
            found[row.id] = (f"{measure.title} {cell_mean(grids[row.id]):.3g}, that of '{NOTHING}' is "
                             f"{cell_mean(grids[nothing.id]):.3g} (p = {chance:.2g})")
    return found


def p_value(difference: Array) -> float:
    """Return the two-sided p-value of "the mean difference of (originals, forget sets, runs) is zero"."""
    if np.isfinite(difference).sum() < 2:
        return 1.0
    return fit_mean(difference, seed=derive_seed(0, "rank"), resamples=RESAMPLES).p_value()


def _grids(rows: Sequence[Row], measure: Measure) -> dict[str, Array]:
    """Return grids of equal shape by row id: where a deterministic method ran once, its other runs are missing."""
    grids = {row.id: measure.grid(score) for row in rows if (score := row.score(measure.column))}
    runs = max((grid.shape[2] for grid in grids.values()), default=0)
    return {identity: np.pad(grid, ((0, 0), (0, 0), (0, runs - grid.shape[2])), constant_values=np.nan)
            for identity, grid in grids.items()}
