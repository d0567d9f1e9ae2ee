"""The table that a run ends with."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from harness.record import RunRecord
from harness.rows import Row, RowScore


def results_table(rows: Sequence[Row], shown: Sequence[str] = (), style: str = "simple") -> str:
    """Return rows as text, one block per access mode: mean and 95 % interval of each score, and the noise floor.

    Args:
        rows: of one run.
        shown: names of the scores to show; all when empty.
        style: a format of ``tabulate``.
    """
    blocks = []
    for access in dict.fromkeys(row.method.access for row in rows):
        group = [row for row in rows if row.method.access == access]
        names = list(shown) or list(dict.fromkeys(score.name for row in group for score in row.scores))
        lines = [[row.method.title, *(_cell(row.score(name)) for name in names), *_cost(row)] for row in group]
        oracle = group[0]
        lines.insert(1, ["(noise floor)", *(_floor(oracle.score(name)) for name in names), ""])
        table = tabulate(lines, headers=["method", *_headings(group, names), "s/run"], tablefmt=style,
                         disable_numparse=True, stralign="right", colalign=("left",))
        blocks.append(f"{access}\n{table}")
    return "\n\n".join(blocks)


def notes(record: RunRecord, rows: Sequence[Row]) -> list[str]:
    """Return what a reader must know beside the table: failures, skipped cells, sizes."""
    first = record.requests[0]
    lines = [f"mean [95 % interval] over {record.suite['originals']} originals x {len(record.requests)} forget sets x "
             f"{record.suite['runs']} runs; |forget|/|train| = {first.forget}/{first.train}; "
             f"{record.suite['oracles']} oracles per forget set; {record.suite['references']['count']} references"]
    lines += [f"{row.method.title} ({row.method.access}): {row.status}, {row.reason}" for row in rows
              if row.status != "ok"]
    lines += [f"{s.kind} {s.title}: skipped, {s.reason}" for s in record.skipped if not s.method]
    lines += [f"{m.title}: {m.note}" for m in {m.title: m for m in record.methods}.values() if m.note]
    return lines


def _headings(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    units = {score.name: score.unit for row in rows for score in row.scores}
    return [f"{name} %" if units.get(name) == "%" else name for name in names]


def _cell(score: RowScore | None) -> str:
    if score is None:
        return "-"
    digits = _digits(score)
    if score.low is None or score.high is None:
        return f"{score.value:.{digits}f}"
    return f"{score.value:.{digits}f} [{score.low:.{digits}f} {score.high:.{digits}f}]"


def _floor(score: RowScore | None) -> str:
    return "-" if score is None else f"{score.floor:.{_digits(score)}f}"


def _digits(score: RowScore) -> int:
    return {"%": 1, "auc": 3}.get(score.unit, 3)


def _cost(row: Row) -> list[str]:
    seconds = row.measured.get("seconds")
    return [f"{seconds:.2f}" if isinstance(seconds, float) else row.status]
