"""What looks too good, or too little: each flag with its evidence, computed from rows alone.

A flag accuses nobody; it says what a reader should know before believing a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from attrs import frozen

from harness.rows import Row, RowScore
from harness.utility_gate import GATE, UTILITY, utility_lost
from leaderboard.formats import duration, number, seconds_of
from leaderboard.grids import oracle_grid, value_grid
from leaderboard.names import NOTHING, kind_of
from leaderboard.ranking import main_measure, no_better_than_nothing

Values = tuple[tuple[str, object], ...]


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
        context = _Context(
            idle=no_better_than_nothing(group, main_measure(group)), twins=_by_values(group),
            retraining=next((seconds_of(row.measured) for row in group if kind_of(row) == "oracle"), None))
        for row in group:
            found[row.id] = list(_flags(row, context))
    return found


@frozen(kw_only=True)
class _Context:
    """What a row is compared with.

    Attributes:
        idle: figures of the methods that are no better than doing nothing, by row id.
        twins: rows by their values.
        retraining: seconds that one oracle took.
    """

    idle: Mapping[str, str]
    twins: Mapping[Values, Sequence[Row]]
    retraining: float | None


def _by_values(group: Sequence[Row]) -> dict[Values, list[Row]]:
    twins: dict[Values, list[Row]] = {}
    for row in group:
        if len(row.scores) > 1:
            twins.setdefault(_values(row), []).append(row)
    return twins


def _values(row: Row) -> Values:
    return tuple((score.name, score.values) for score in row.scores)


def _flags(row: Row, context: _Context) -> Iterator[Flag]:
    yield from _provenance(row)
    if kind_of(row) != "method":
        return
    yield from _too_good(row)
    yield from _identical(row, context.twins.get(_values(row), ()))
    yield from _utility(row)
    yield from _cost(row, context.retraining)
    if row.id in context.idle:
        yield Flag(code="no-better", title="no better than doing nothing", evidence=context.idle[row.id])


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


def _identical(row: Row, twins: Sequence[Row]) -> Iterator[Flag]:
    others = [other for other in twins if other.method.title != row.method.title]
    if any(other.method.name == NOTHING for other in others):
        yield Flag(code="returns-original", title="returns the original model", level="grave",
                   evidence=f"all values equal those of '{NOTHING}'")
    methods = [other for other in others if kind_of(other) == "method"]
    if methods:
        named = ", ".join(other.id[:12] for other in methods[:3])
        more = f" and {len(methods) - 3} more" if len(methods) > 3 else ""
        yield Flag(code="identical", title=f"identical to {methods[0].method.title}", level="grave",
                   evidence=f"every value of {len(row.scores)} scores equals that of row {named}{more}")


def _utility(row: Row) -> Iterator[Flag]:
    score = row.score(UTILITY)
    if score is not None and utility_lost(row) > GATE:
        yield Flag(code="utility", title="loses utility",
                   evidence=f"{UTILITY} {number(score.value, score.unit)}, the oracle has "
                            f"{number(score.oracle, score.unit)}; the gate is {GATE:g} points")


def _cost(row: Row, retraining: float | None) -> Iterator[Flag]:
    spent = seconds_of(row.measured)
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
