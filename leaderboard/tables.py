"""Rows as the tables of pages: cells with text, sort keys and strips, which templates merely lay out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen
from markupsafe import Markup

from harness.rows import Row, RowScore
from harness.utility_gate import is_gated
from leaderboard.flags import Flag
from leaderboard.formats import duration, interval, number, seconds_of
from leaderboard.glossary import meaning
from leaderboard.grids import full_name
from leaderboard.names import kind_of
from leaderboard.ranking import Measure, Standing, main_measure, standings
from leaderboard.strips import Scale, make_scale, strip

# Pages of more rows are lists to search in; their cells have figures only, or they would weigh many megabytes.
MOST_STRIPS = 400
Link = Callable[[Row], str]


@frozen(kw_only=True)
class Column:
    """One score: its heading and what its strips span; ``column`` is its full name."""

    column: str
    auditor: str
    name: str
    unit: str
    meaning: str
    floor: str
    scale: Scale


@frozen(kw_only=True)
class Cell:
    """One score of one row, as text and as keys to sort by.

    Attributes:
        kind: ``near`` within the noise floor, ``gated`` where the model has lost so much utility that the score says
            nothing, otherwise empty.
    """

    value: str
    interval: str
    gap: str
    gap_interval: str
    sort_value: float
    sort_gap: float
    kind: str
    strip: Markup


@frozen(kw_only=True)
class Line:
    """One row of a table.

    Attributes:
        row: the row.
        kind: ``oracle``, ``control`` or ``method``.
        href: where its title leads.
        rank: the ranks that it may hold, if any.
        cells: by column; None where it lacks the score.
        cost, seconds: of making one model.
        date: day on which it was measured, or a dash.
        flags: those worth words in a table.
    """

    row: Row
    kind: str
    href: str
    rank: Standing | None
    cells: tuple[Cell | None, ...]
    cost: str
    seconds: float | None
    date: str
    flags: tuple[Flag, ...]


@frozen(kw_only=True)
class Table:
    """All rows of one suite in one access mode.

    Attributes:
        columns: the scores; ``groups`` are their auditors with the number of columns of each.
        oracle: the oracle's line.
        lines: all others, best first, those without a result last.
        measure: what they are ranked by.
        ranked: number of methods that hold a rank.
    """

    columns: tuple[Column, ...]
    groups: tuple[tuple[str, int], ...]
    oracle: Line | None
    lines: tuple[Line, ...]
    measure: Measure | None
    ranked: int


def row_page(row: Row) -> str:
    """Return the address of a row's page from the root of the site."""
    return f"rows/{row.id[:16]}.html"


def make_table(rows: Sequence[Row], flags: Mapping[str, Sequence[Flag]], link: Link,
               preferred: Sequence[str] = ()) -> Table:
    """Return the table of rows that share a protocol and an access mode.

    Args:
        rows: the rows.
        flags: by row id.
        link: where a row's title leads.
        preferred: names of the scores to show first, as the suite lists them.
    """
    measure = main_measure(rows)
    columns = make_columns(rows, measure, preferred)
    ranks = standings(rows, measure)
    strips = len(rows) <= MOST_STRIPS
    lines = [Line(row=row, kind=kind_of(row), href=link(row), rank=ranks.get(row.id),
                  cells=tuple(_cell(row, column, strips) for column in columns),
                  cost=duration(seconds_of(row.measured)), seconds=seconds_of(row.measured), date=date_of(row),
                  flags=tuple(flag for flag in flags.get(row.id, ()) if flag.level != "background"))
             for row in sorted(rows, key=lambda row: _order(row, measure))]
    groups = [(auditor, len(list(group))) for auditor, group in itertools.groupby(c.auditor for c in columns)]
    return Table(columns=columns, groups=tuple(groups), measure=measure, ranked=len(ranks),
                 oracle=next((line for line in lines if line.kind == "oracle"), None),
                 lines=tuple(line for line in lines if line.kind != "oracle"))


def make_columns(rows: Sequence[Row], measure: Measure | None, preferred: Sequence[str] = ()) -> tuple[Column, ...]:
    """Return the scores of rows: what they are ranked by, then what is preferred, then as they appear.

    Of the steps of a sequence only what is preferred is a column: all of them would be a table that nobody reads.
    """
    found: dict[str, dict[str, list[RowScore]]] = {}
    for row in rows:
        for score in row.scores:
            if score.step and not {score.name, full_name(score)} & set(preferred):
                continue
            found.setdefault(score.auditor, {}).setdefault(score.name, []).append(score)
    columns = [
        Column(column=full_name(scores[0]), auditor=auditor, name=name, unit=scores[0].unit, meaning=meaning(scores[0]),
               floor=number(scores[0].floor, scores[0].unit), scale=make_scale(scores))
        for auditor, names in found.items() for name, scores in names.items()]
    def place(column: Column) -> int:
        if measure is not None and column.column == measure.column:
            return -1
        wanted = [i for i, name in enumerate(preferred) if name in (column.name, column.column)]
        return wanted[0] if wanted else len(preferred)
    return tuple(sorted(columns, key=place))


def is_near(row: Row, score: RowScore) -> bool:
    """Return whether a score lies within the noise floor; for an oracle, whose gap is the floor, nothing follows."""
    distance = score.value if score.target == "lower" else score.gap
    return kind_of(row) != "oracle" and distance <= score.floor


def date_of(row: Row) -> str:
    """Return the day on which a row was measured."""
    return str(row.measured.get("date", "–"))[:10]


def _order(row: Row, measure: Measure | None) -> tuple[bool, float, str]:
    read = measure.read(row) if measure else None
    return read is None, read[0] if read else 0.0, row.method.title


def _cell(row: Row, column: Column, strips: bool) -> Cell | None:
    score = row.score(column.column)
    if score is None:
        return None
    unit, near = score.unit, is_near(row, score)
    return Cell(value=number(score.value, unit), interval=interval(score.low, score.high, unit),
                gap=number(score.gap, unit), gap_interval=interval(score.gap_low, score.gap_high, unit),
                sort_value=score.value, sort_gap=score.gap,
                kind="gated" if is_gated(row, score) else "near" if near else "",
                # Markup that `svg` has built from numbers alone.
                strip=Markup(strip(score, column.scale, near=near) if strips else ""))
