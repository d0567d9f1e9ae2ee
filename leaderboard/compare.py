"""Rows side by side, if they may stand side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from attrs import frozen

from harness.errors import RowError
from harness.record import read_record
from harness.rows import Row, read_rows
from harness.settings import as_json
from harness.summary import make_rows
from leaderboard.board import Board, row_files
from leaderboard.differences import differences
from leaderboard.flags import find_flags
from leaderboard.formats import duration, interval, number, seconds_of
from leaderboard.grids import full_name
from leaderboard.names import kind_of, method_names
from leaderboard.ranking import main_measure, standings

# What a protocol digest stands for, as far as a row says it.
SPOKEN = ("data", "seeds", "auditors", "forget_sets")


@frozen(kw_only=True)
class Comparison:
    """Rows that stand in one table.

    Attributes:
        rows: those that count, of one protocol unless forced.
        protocols: a letter for each protocol; empty when there is one only.
        notes: what a reader must know: rows left out, names that are the same, flags.
    """

    rows: tuple[Row, ...]
    protocols: dict[str, str]
    notes: tuple[str, ...]


def gather(places: Sequence[Path]) -> list[Row]:
    """Return the rows of files, folders of files and runs, each once.

    Raises:
        RowError: if something is no row.
    """
    rows: dict[str, Row] = {}
    for place in places:
        for row in _read(place):
            rows.setdefault(row.id, row)
    return list(rows.values())


def _read(place: Path) -> Iterator[Row]:
    if (place / "record.json").is_file():
        yield from make_rows(read_record(place / "record.json"))
        return
    for path in row_files(place):
        yield from read_rows(path)


def compare(rows: Sequence[Row], *, force: bool = False) -> Comparison:
    """Return what may be compared of ``rows``.

    Raises:
        RowError: if they are of several protocols and ``force`` is not set, or none is left.
    """
    board = Board(rows=tuple(rows))
    current = board.current
    if not current:
        raise RowError("no row is left to compare: all are superseded or retracted")
    protocols = list(dict.fromkeys(row.protocol for row in current))
    if len(protocols) > 1 and not force:
        raise RowError(_refusal(current, protocols))
    letters = {protocol: ascii_uppercase[i % 26] for i, protocol in enumerate(protocols)} if len(protocols) > 1 else {}
    return Comparison(rows=current, protocols=letters, notes=tuple(_notes(board, letters)))


def _refusal(rows: Sequence[Row], protocols: Sequence[str]) -> str:
    first = {protocol: next(row for row in rows if row.protocol == protocol) for protocol in protocols}
    named = ", ".join(f"{row.suite.name} ({protocol[:12]})" for protocol, row in first.items())
    a, b = (first[protocol] for protocol in protocols[:2])
    reasons = "; ".join(islice(differences(_spoken(a), _spoken(b)), 3)) or "their recipes or models"
    return (f"rows of {len(protocols)} protocols: {named}. Their numbers cannot be compared: {reasons}. "
            "--force prints them side by side, marked")


def _spoken(row: Row) -> dict[str, Any]:
    content = as_json(row)
    return {key: content[key] for key in SPOKEN}


def _notes(board: Board, letters: dict[str, str]) -> Iterator[str]:
    if letters:
        yield "NOT COMPARABLE: the rows are of several protocols; a difference may come from them alone"
        for protocol, letter in letters.items():
            suites = sorted({row.suite.name for row in board.current if row.protocol == protocol})
            yield f"[{letter}] {', '.join(suites)}, protocol {protocol[:12]}"
    superseded = len(board.rows) - len(board.latest)
    if superseded:
        yield f"{superseded} superseded rows are left out"
    yield from (f"left out: {row.method.title} ({row.method.access}), retracted: {row.retracted}"
                for row in board.latest if row.retracted)
    names = method_names(board.current)
    yield from (f"{row.method.title} is {names[row.method.name]}"
                for row in {row.method.name: row for row in board.current}.values()
                if names[row.method.name] != row.method.name)
    flags = find_flags(board.current)
    yield from (f"flagged: {row.method.title} ({row.method.access}): {flag.title}: {flag.evidence}"
                for row in board.current for flag in flags[row.id] if flag.level != "background")


def comparison_tables(comparison: Comparison, columns: Sequence[str] = (), style: str = "simple") -> str:
    """Return a comparison as text, one block per access mode, best first.

    Args:
        comparison: the rows.
        columns: names of the scores to show; all when empty.
        style: a format of ``tabulate``.
    """
    modes = dict.fromkeys(row.method.access for row in comparison.rows)
    return "\n\n".join(f"{mode}\n{_block(comparison, mode, columns, style)}" for mode in modes)


def _block(comparison: Comparison, mode: str, columns: Sequence[str], style: str) -> str:
    from tabulate import tabulate

    rows = [row for row in comparison.rows if row.method.access == mode]
    measure = main_measure(rows)
    ranks = standings(rows, measure)
    read = {row.id: measure.read(row) if measure else None for row in rows}
    rows.sort(key=lambda row: (kind_of(row) != "oracle", read[row.id] is None, (read[row.id] or (0.0,))[0]))
    scores = {full_name(score): score.name for row in rows for score in row.scores}
    names = list(columns) or list(scores)
    lines = [[str(ranks.get(row.id, "")), _label(row, comparison), *(_cell(row, name) for name in names),
              duration(seconds_of(row.measured)), row.tier] for row in rows]
    headers = ["rank", "method", *map(_heading(scores), names), "time", "tier"]
    return tabulate(lines, headers=headers, tablefmt=style, disable_numparse=True, stralign="right",
                    colalign=("left", "left"))


def _heading(scores: Mapping[str, str]) -> Callable[[str], str]:
    """Return how columns are headed: by the short name, if only one has it."""
    short = list(scores.values())
    return lambda name: scores[name] if name in scores and short.count(scores[name]) == 1 else name


def _label(row: Row, comparison: Comparison) -> str:
    letter = comparison.protocols.get(row.protocol)
    return f"{row.method.title} [{letter}]" if letter else row.method.title


def _cell(row: Row, name: str) -> str:
    score = row.score(name)
    if score is None:
        return "-" if row.scores else row.status
    ends = interval(score.low, score.high, score.unit).replace(" to ", " ")
    return number(score.value, score.unit) + (f" [{ends}]" if ends else "")
