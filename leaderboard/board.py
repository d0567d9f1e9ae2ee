"""All published rows with their history: rows are only ever added, a later one may supersede or retract an earlier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
from attrs import field, frozen

from harness.errors import RowError
from harness.rows import Row, read_rows, with_id
from leaderboard.consistency import row_problems


@frozen(kw_only=True)
class Board:
    """Rows in the order in which they were added.

    Attributes:
        rows: every row ever published.
        successors: id of the row that supersedes a row, by the id of the latter.
        by_id: the rows by id.
    """

    rows: tuple[Row, ...]
    successors: dict[str, str] = field(init=False)
    by_id: dict[str, Row] = field(init=False)

    @successors.default
    def _successors(self) -> dict[str, str]:
        return {row.supersedes: row.id for row in self.rows if row.supersedes}

    @by_id.default
    def _by_id(self) -> dict[str, Row]:
        return {row.id: row for row in self.rows}

    @property
    def latest(self) -> tuple[Row, ...]:
        """Rows that no other row supersedes; some may be retracted."""
        return tuple(row for row in self.rows if row.id not in self.successors)

    @property
    def current(self) -> tuple[Row, ...]:
        """Rows that count: not superseded, not retracted."""
        return tuple(row for row in self.latest if not row.retracted)

    def find(self, prefix: str) -> Row:
        """Return the row whose id begins with ``prefix``.

        Raises:
            RowError: if there is none, or more than one.
        """
        found = [row for row in self.rows if row.id.startswith(prefix)]
        if len(found) != 1:
            raise RowError(f"{len(found)} rows have an id that begins with '{prefix}'; expected exactly one")
        return found[0]

    def history(self, row: Row) -> list[Row]:
        """Return the versions of a row, oldest first, itself included."""
        first = row
        while first.supersedes in self.by_id:
            first = self.by_id[first.supersedes]
        versions = [first]
        while (successor := self.successors.get(versions[-1].id)) is not None:
            versions.append(self.by_id[successor])
        return versions


def row_files(place: Path) -> list[Path]:
    """Return the JSONL files of a folder, or the file itself.

    Raises:
        RowError: if there is nothing.
    """
    files = sorted(place.glob("*.jsonl")) if place.is_dir() else [place]
    if not files:
        raise RowError(f"{place} holds no *.jsonl file of rows")
    return files


def read_board(place: Path) -> Board:
    """Return the board in a folder of JSONL files, or in one file.

    Raises:
        RowError: with every problem of every file at once.
    """
    rows: list[Row] = []
    problems: list[str] = []
    for path in row_files(place):
        try:
            rows += read_rows(path)
        except RowError as error:
            problems.append(str(error))
    board = Board(rows=tuple(rows))
    problems += board_problems(board)
    if problems:
        raise RowError("; ".join(problems))
    return board


def board_problems(board: Board) -> list[str]:
    """Return everything that is wrong with a board whose rows are valid one by one."""
    return [*_id_problems(board.rows), *_history_problems(board.rows), *_protocol_problems(board.current),
            *(f"row {row.id[:12]}: {problem}" for row in board.rows for problem in row_problems(row))]


def retraction(row: Row, reason: str) -> Row:
    """Return the row that withdraws ``row``: a copy that supersedes it and says why.

    Raises:
        RowError: without a reason.
    """
    if not reason.strip():
        raise RowError(f"retraction of row {row.id[:12]}: give a reason")
    return with_id(attrs.evolve(row, supersedes=row.id, retracted=reason.strip()))


def _id_problems(rows: Sequence[Row]) -> Iterator[str]:
    for identity, count in Counter(row.id for row in rows).items():
        if count > 1:
            yield f"row {identity[:12]} is there {count} times"


def _history_problems(rows: Sequence[Row]) -> Iterator[str]:
    by_id = {row.id: row for row in rows}
    claimed = Counter(row.supersedes for row in rows if row.supersedes)
    for row in rows:
        if row.retracted and not row.supersedes:
            yield f"row {row.id[:12]} is retracted but supersedes no row; withdraw a row by adding one"
        if not row.supersedes:
            continue
        earlier = by_id.get(row.supersedes)
        if earlier is None:
            yield f"row {row.id[:12]} supersedes {row.supersedes[:12]}, which is not on the board"
        elif _place(earlier) != _place(row):
            yield f"row {row.id[:12]} supersedes {earlier.id[:12]} of another suite, access mode or method"
    for identity, count in claimed.items():
        if count > 1:
            yield f"row {identity[:12]} is superseded by {count} rows; expected at most one"


def _place(row: Row) -> tuple[str, str, str, str]:
    return row.suite.name, row.protocol, row.method.access, row.method.title


def _protocol_problems(rows: Sequence[Row]) -> Iterator[str]:
    protocols: dict[str, set[str]] = {}
    methods: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        protocols.setdefault(row.suite.name, set()).add(row.protocol)
        methods.setdefault((row.suite.name, row.method.title), set()).add(row.method.name)
    for suite, found in protocols.items():
        if len(found) > 1:
            digests = ", ".join(sorted(digest[:12] for digest in found))
            yield f"suite '{suite}' appears with {len(found)} protocols ({digests}); a changed suite needs another name"
    for (suite, title), names in methods.items():
        if len(names) > 1:
            yield f"suite '{suite}': '{title}' stands for {' and '.join(sorted(names))}; give one another label"
