"""The table that a run ends with."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tabulate import tabulate

from harness.record import CalibrationRecord, RunRecord
from harness.rows import Row, RowScore
from harness.sequences import sequence_length
from harness.utility_gate import GATE, UTILITY, is_gated, utility_lost

# Beside a score of a model that has lost its use, and over a score whose alarms about retrained models are too many.
GATED, OFF = "!", "*"


def results_table(rows: Sequence[Row], shown: Sequence[str] = (), style: str = "simple",
                  calibration: Sequence[CalibrationRecord] = ()) -> str:
    """Return rows as text, one block per access mode: mean and 95 % interval of each score, and the noise floor.

    Args:
        rows: of one run.
        shown: names of the scores to show, ``auditor/name`` where several auditors have one; all when empty.
        style: a format of ``tabulate``.
        calibration: of the run's scores; those that cry wolf are marked.
    """
    off = {(one.auditor, one.name) for one in calibration if one.off}
    blocks = []
    for access in dict.fromkeys(row.method.access for row in rows):
        group = [row for row in rows if row.method.access == access]
        names = list(shown) or _names(group)
        lines = [[row.method.title, *(_cell(row, name) for name in names), *_cost(row)] for row in group]
        oracle = group[0]
        lines.insert(1, ["(noise floor)", *(_floor(oracle.score(name)) for name in names), ""])
        table = tabulate(lines, headers=["method", *_headings(group, names, off), "s/run"], tablefmt=style,
                         disable_numparse=True, stralign="right", colalign=("left",))
        blocks.append(f"{access}\n{table}")
    return "\n\n".join(blocks)


def notes(record: RunRecord, rows: Sequence[Row]) -> list[str]:
    """Return what a reader must know beside the table: failures, skipped cells, sizes, what the marks mean."""
    first, steps = record.requests[0], sequence_length(record.suite)
    lines = [f"mean [95 % interval] over {record.suite['originals']} originals x {len(record.requests)} forget sets x "
             f"{record.suite['runs']} runs; |forget|/|train| = {first.forget}/{first.train}; "
             f"{record.suite['oracles']} oracles per forget set; {record.suite['references']['count']} references"]
    if steps > 1:
        lines.append(f"every {steps} forget sets in a row are one sequence, each put to the model that the method made "
                     "at the step before; a step is audited for all that was to be forgotten up to it, against oracles "
                     "retrained without all of that")
    lines += [f"{row.method.title} ({row.method.access}): {row.status}, {row.reason}" for row in rows
              if row.status != "ok"]
    lines += [f"{s.kind} {s.title}: skipped, {s.reason}" for s in record.skipped if not s.method]
    lines += [f"{m.title}: {m.note}" for m in {m.title: m for m in record.methods}.values() if m.note]
    lines += [f"{title}: {auditor['note']}" for title, auditor in record.auditors.items() if auditor.get("note")]
    return [*lines, *_shadow_notes(record, rows), *_gate_notes(rows), *_calibration_notes(record)]


def _shadow_notes(record: RunRecord, rows: Sequence[Row]) -> list[str]:
    titles = [title for title, auditor in record.auditors.items() if auditor.get("shadows")]
    nulls = [f"{score.name} {score.oracle:.{_digits(score)}f}" for row in rows[:1] for score in row.scores
             if score.auditor in titles]
    if not nulls:
        return []
    return [f"{', '.join(titles)}: {record.suite['shadows']['count']} shadows a side, trained on the whole training set "
            "and then unlearned by each method, against retrained ones (harness/shadows.py); the null at this number, "
            f"retrained ones on both sides: {', '.join(nulls)}"]


def _gate_notes(rows: Sequence[Row]) -> list[str]:
    gated = {f"{row.method.title} ({row.method.access})": utility_lost(row) for row in rows
             if any(is_gated(row, score) for score in row.scores)}
    if not gated:
        return []
    named = ", ".join(f"{name} by {points:.1f}" for name, points in gated.items())
    return [f"{GATED} its {UTILITY} is more than {GATE:g} points below the oracle's, so its other scores say nothing: "
            f"{named}"]


def _calibration_notes(record: RunRecord) -> list[str]:
    shown = list(record.suite.get("columns", ()))
    found = [one for one in record.calibration
             if not shown or one.name in shown or f"{one.auditor}/{one.name}" in shown]
    if not found:
        return []
    lines = [[f"{one.auditor}/{one.name}{OFF if one.off else ''}", f"{one.false_alarms}/{one.retrained}",
              _rate(one.false_alarm, one.false_alarm_low, one.false_alarm_high),
              _rate(one.power, one.power_low, one.power_high)] for one in found]
    table = tabulate(lines, headers=["score", "alarms", "false-alarm rate", "power"], tablefmt="plain",
                     disable_numparse=True, colalign=("left", "right", "right", "right"))
    marks = [f"{OFF} the interval of its false-alarm rate leaves out the level"] if any(o.off for o in found) else []
    return [f"alarms at level {100 * found[0].level:g} % about models retrained from scratch, and about originals "
            "(harness/calibration.py):", *table.splitlines(), *marks]


def _rate(value: float | None, low: float | None, high: float | None) -> str:
    return "-" if value is None or low is None or high is None else f"{value:.2f} [{low:.2f} {high:.2f}]"


def _names(rows: Sequence[Row]) -> list[str]:
    """Return the names of all scores, with the auditor's where it is not the first to have one of that name."""
    found: dict[str, str] = {}
    for row in rows:
        for score in row.scores:
            taken = found.setdefault(score.name, score.auditor)
            if taken != score.auditor:
                found[f"{score.auditor}/{score.name}"] = score.auditor
    return list(found)


def _headings(rows: Sequence[Row], names: Sequence[str], off: Collection[tuple[str, str]]) -> list[str]:
    return [_heading(name, next((score for row in rows if (score := row.score(name))), None), off) for name in names]


def _heading(name: str, score: RowScore | None, off: Collection[tuple[str, str]]) -> str:
    if score is None:
        return name
    return f"{name}{' %' if score.unit == '%' else ''}{OFF if (score.auditor, score.name) in off else ''}"


def _cell(row: Row, name: str) -> str:
    score = row.score(name)
    if score is None:
        return "-"
    digits = _digits(score)
    mark = GATED if is_gated(row, score) else ""
    if score.low is None or score.high is None:
        return f"{score.value:.{digits}f}{mark}"
    return f"{score.value:.{digits}f} [{score.low:.{digits}f} {score.high:.{digits}f}]{mark}"


def _floor(score: RowScore | None) -> str:
    return "-" if score is None else f"{score.floor:.{_digits(score)}f}"


def _digits(score: RowScore) -> int:
    return {"%": 1, "auc": 3}.get(score.unit, 3)


def _cost(row: Row) -> list[str]:
    seconds = row.measured.get("seconds")
    return [f"{seconds:.2f}" if isinstance(seconds, float) else row.status]
