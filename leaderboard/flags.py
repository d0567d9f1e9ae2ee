"""What looks too good, or too little: each flag with its evidence, computed from rows alone.

A flag accuses nobody; it says what a reader should know before believing a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from attrs import frozen

from harness.rows import Row, RowScore
from leaderboard.formats import duration, number, seconds_of
from leaderboard.grids import oracle_grid, value_grid
from leaderboard.names import NOTHING, kind_of
from leaderboard.ranking import UTILITY, main_measure, no_better_than_nothing

# Points of test accuracy below the oracle at which a model counts as damaged rather than unlearned.
UTILITY_GATE = 5.0


@frozen(kw_only=True)
class Flag:
    """One finding about one row.

    Attributes:
        code: short and stable, e.g. ``equals-oracle``.
        title: in a few words.
        evidence: the figures behind it.
        level: ``grave`` asks for an explanation before the row is believed; ``background`` is said on the row's own
            page only.
    """

    code: str
    title: str
    evidence: str
    level: Literal["grave", "notable", "background"] = "notable"

    @property
    def grave(self) -> bool:
        """Whether the row should not be believed without an explanation."""
        return self.level == "grave"


def find_flags(rows: Sequence[Row]) -> dict[str, list[Flag]]:
    """Return the flags of each row by id.

    Args:
        rows: of any suites and access modes; each is compared with those of its own protocol and mode.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.protocol, row.method.access), []).append(row)
    found: dict[str, list[Flag]] = {}
    for group in groups.values():
        idle = no_better_than_nothing(group, main_measure(group))
        for row in group:
            found[row.id] = list(_flags(row, group, idle))
    return found


def _flags(row: Row, group: Sequence[Row], idle: Mapping[str, str]) -> Iterator[Flag]:
    yield from _provenance(row)
    if kind_of(row) != "method":
        return
    yield from _too_good(row)
    yield from _identical(row, group)
    yield from _utility(row)
    yield from _cost(row, group)
    if row.id in idle:
        yield Flag(code="no-better", title="no better than doing nothing", evidence=idle[row.id])


def _too_good(row: Row) -> Iterator[Flag]:
    scores = [score for score in row.scores if score.target == "oracle"]
    copies = [score.name for score in scores if _only_oracle_values(score)]
    if len(scores) > 1 and len(copies) == len(scores):
        yield Flag(code="equals-oracle", title="gives the oracle's own values", level="grave",
                   evidence=f"every value of {', '.join(copies)} is one of the oracles'")
    nearer = [score for score in scores if _nearer_than_oracles(score)]
    if len(scores) > 1 and len(nearer) > len(scores) / 2:
        yield Flag(code="better-than-oracle", title="nearer to the oracles than they are to each other", level="grave",
                   evidence="; ".join(f"{s.name}: gap at most {number(s.gap_high, s.unit)}, noise floor "
                                      f"{number(s.floor, s.unit)}" for s in nearer))


def _only_oracle_values(score: RowScore) -> bool:
    values, oracles = value_grid(score), oracle_grid(score)
    seen = [np.isin(values[:, f][np.isfinite(values[:, f])], oracles[f]).all() for f in range(len(oracles))]
    return all(seen)


def _nearer_than_oracles(score: RowScore) -> bool:
    # An oracle is nearer to the mean of all K, itself included, than to that of the others: by (K - 1) / K.
    oracles = oracle_grid(score).shape[1]
    return score.gap_high is not None and score.gap_high < score.floor * (oracles - 1) / oracles


def _identical(row: Row, group: Sequence[Row]) -> Iterator[Flag]:
    values = _values(row)
    for other in group:
        if other.id == row.id or other.method.title == row.method.title or len(values) < 2 or _values(other) != values:
            continue
        if other.method.name == NOTHING:
            yield Flag(code="returns-original", title="returns the original model", level="grave",
                       evidence=f"all values equal those of '{NOTHING}'")
        elif kind_of(other) == "method":
            yield Flag(code="identical", title=f"identical to {other.method.title}", level="grave",
                       evidence=f"every value of {len(values)} scores equals that of row {other.id[:12]}")


def _values(row: Row) -> dict[str, object]:
    return {score.name: score.values for score in row.scores}


def _utility(row: Row) -> Iterator[Flag]:
    score = row.score(UTILITY)
    if score is not None and score.oracle - score.value > UTILITY_GATE:
        yield Flag(code="utility", title="loses utility",
                   evidence=f"{UTILITY} {number(score.value, score.unit)}, the oracle has "
                            f"{number(score.oracle, score.unit)}; the gate is {UTILITY_GATE:g} points")


def _cost(row: Row, group: Sequence[Row]) -> Iterator[Flag]:
    oracle = next((other for other in group if kind_of(other) == "oracle"), None)
    spent = seconds_of(row.measured)
    retraining = seconds_of(oracle.measured) if oracle else None
    if spent is not None and retraining and spent > retraining:
        yield Flag(code="cost", title="costs more than retraining",
                   evidence=f"{duration(spent)} a model; retraining took {duration(retraining)}")


def _provenance(row: Row) -> Iterator[Flag]:
    if row.tuning.track == "oracle-tuned":
        yield Flag(code="oracle-tuned", title="tuned with the oracle", level="background",
                   evidence=row.tuning.saw or "its settings were chosen by looking at the oracle's scores")
    if row.measured.get("environment", {}).get("dirty"):
        yield Flag(code="dirty", title="made from changed source", level="background",
                   evidence="the checkout had changes that no revision holds")
    few = [f"{row.seeds[axis]} {name}" for axis, name in (("originals", "originals"), ("forget_sets", "forget sets"))
           if row.seeds.get(axis, 3) < 3]
    if few:
        yield Flag(code="few-seeds", title="few models", level="background",
                   evidence=f"{' and '.join(few)}; expected at least 3 of each")
