"""Which rows of a submission go on the board, and as what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
from attrs import frozen

from harness.errors import RowError
from harness.rows import Row, with_id
from leaderboard.board import Board, board_problems
from leaderboard.names import kind_of, slug
from leaderboard.verification import Verdict


@frozen(kw_only=True)
class Admitted:
    """Rows to be added, and those that are on the board already."""

    rows: tuple[Row, ...]
    left_out: tuple[Row, ...]

    def by_file(self, place: Path) -> dict[Path, list[Row]]:
        """Return the rows by the file that they belong to: one a suite, or ``place`` itself when it is a file."""
        found: dict[Path, list[Row]] = {}
        for row in self.rows:
            path = place if place.suffix == ".jsonl" else place / f"{slug(row.suite.name)}.jsonl"
            found.setdefault(path, []).append(row)
        return found


def admit(verdict: Verdict, board: Board, *, methods: Sequence[str] = (), supersede: bool = False,
          evaluator: str = "self") -> Admitted:
    """Return what a verified submission adds to a board.

    Args:
        verdict: without problems.
        board: the present one.
        methods: titles of the methods to add; all when empty.
        supersede: whether a method that is there already is replaced. The oracle and the controls never are.
        evaluator: who ran it.

    Raises:
        RowError: if the board would not be whole with them.
    """
    there = {(row.suite.name, row.method.access, row.method.title): row for row in board.current}
    added, left_out = [], []
    for row in verdict.rows:
        if methods and row.method.title not in methods and kind_of(row) == "method":
            continue
        old = there.get((row.suite.name, row.method.access, row.method.title))
        if old is not None and not (supersede and kind_of(row) == "method"):
            left_out.append(row)
            continue
        added.append(with_id(attrs.evolve(
            row, tier="checked" if row.id in verdict.recomputed else "self-reported", evaluator=evaluator,
            supersedes=old.id if old else "")))
    problems = board_problems(Board(rows=(*board.rows, *added)))
    if problems:
        raise RowError("; ".join(problems))
    return Admitted(rows=tuple(added), left_out=tuple(left_out))
