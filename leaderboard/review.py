"""What a reviewer reads of a submission: the verdict on its bundle, and its rows beside those of the board."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from harness.errors import HarnessError
from harness.plugins import Registry
from leaderboard.adding import admit
from leaderboard.board import Board
from leaderboard.compare import compare, comparison_tables
from leaderboard.verification import Verdict, verify_bundle

_MOST_PROBLEMS = 50


@frozen(kw_only=True)
class Review:
    """The text, and whether the bundle may be added."""

    text: str
    good: bool


def review(bundle: Path, board: Board, registry: Registry, *, data_root: Path | None = None) -> Review:
    """Return the review of one bundle.

    Args:
        bundle: as submitted; nothing in it is run.
        board: what it is to be added to.
        registry: whose data sets, suites and auditors are used.
        data_root: folder of the data sets.
    """
    verdict = verify_bundle(bundle, registry, data_root=data_root)
    lines = [*_verdict_lines(bundle.name, verdict)]
    good = not verdict.problems
    if good:
        try:
            lines += _beside_the_board(verdict, board)
        except HarnessError as error:
            good = False
            lines.append(f"cannot be added: {error}")
    return Review(text="\n".join(_plain(line) for line in lines) + "\n", good=good)


def review_all(bundles: Sequence[Path], board: Board, registry: Registry, *, data_root: Path | None = None) -> Review:
    """Return the review of several bundles, one after the other; of none it is not good."""
    if not bundles:
        return Review(text="no bundle is new or changed; put one at submissions/NAME.zip (`unlearn submit RUN --out "
                           "submissions/NAME.zip`)\n", good=False)
    reviews = [review(bundle, board, registry, data_root=data_root) for bundle in bundles]
    return Review(text="\n".join(one.text for one in reviews), good=all(one.good for one in reviews))


def _verdict_lines(name: str, verdict: Verdict) -> Iterator[str]:
    if verdict.problems:
        yield f"{name}: refused, {len(verdict.problems)} problem{'' if len(verdict.problems) == 1 else 's'}"
        yield from (f"- {problem}" for problem in verdict.problems[:_MOST_PROBLEMS])
        if len(verdict.problems) > _MOST_PROBLEMS:
            yield f"- and {len(verdict.problems) - _MOST_PROBLEMS} more"
        return
    yield f"{name}: {len(verdict.rows)} rows are valid, {len(verdict.recomputed)} of them confirmed by logits"
    yield from (f"- {note}" for note in verdict.notes)
    for row in verdict.rows:
        yield from (f"- flagged: {row.method.title} ({row.method.access}): {flag.title}: {flag.evidence}"
                    for flag in verdict.flags.get(row.id, ()))


def _beside_the_board(verdict: Verdict, board: Board) -> Iterator[str]:
    """Yield what would be added, and the table of its suite as it would then be.

    Raises:
        HarnessError: if the board would not be whole with it.
    """
    admitted = admit(verdict, board)
    new = ", ".join(f"{row.method.title} ({row.method.access})" for row in admitted.rows) or "nothing"
    yield f"to be added: {new}"
    if admitted.left_out:
        yield f"on the board already: {len(admitted.left_out)} of its rows, among them oracle and controls"
    protocols = {row.protocol for row in verdict.rows}
    comparison = compare([row for row in (*board.current, *admitted.rows) if row.protocol in protocols])
    yield ""
    yield comparison_tables(comparison)
    yield from comparison.notes


def _plain(text: str) -> str:
    """Return text without control characters, which could hide a part of it in a terminal or a comment."""
    return "".join(letter for letter in text if letter == "\n" or letter.isprintable())
