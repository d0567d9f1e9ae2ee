"""From a run's record to rows: every score relative to the oracle, with interval, gap and noise floor."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.columns import Column, columns
from harness.digests import derive_seed
from harness.isolation.levels import weakest
from harness.plan import ORACLE
from harness.record import CellRecord, MethodRecord, RunRecord
from harness.rows import Row, RowScore, SuiteName, nested, with_id
from harness.sequences import at_step, over_steps, sequence_length, step_name
from harness.settings import structure
from harness.statistics import Interval, hierarchical_bootstrap, noise_floor
from harness.suite import Tuning
from harness.tasks import Access

Array = NDArray[np.float64]


def make_rows(record: RunRecord) -> list[Row]:
    """Return the rows of a run: the oracle first, then each method in each access mode, skipped ones last."""
    oracle_cells = [cell for cell in record.cells if cell.method == ORACLE]
    rows = [_row(record, _oracle_method(record, access), oracle_cells, oracle_cells)
            for access in _modes(record)]
    for method in record.methods:
        cells = [c for c in record.cells if c.method == method.title and c.access == method.access]
        rows.append(_row(record, method, cells, oracle_cells))
    rows += [_row(record, skipped.method, (), oracle_cells, skipped.reason)
             for skipped in record.skipped if skipped.method]
    return rows


def _modes(record: RunRecord) -> list[Access]:
    return list(record.suite["access"])


def _oracle_method(record: RunRecord, access: Access) -> MethodRecord:
    return MethodRecord(title=ORACLE, name=ORACLE, version="1", aliases=(), access=access, settings={},
                        source="", owner={}, runs=int(record.suite["oracles"]),
                        note="retrained from scratch on the retain set; each is audited against the others")


def _row(record: RunRecord, method: MethodRecord, cells: Sequence[CellRecord],
         oracle_cells: Sequence[CellRecord], skipped: str = "") -> Row:
    good = [cell for cell in cells if cell.status == "ok"]
    status, reason = ("skipped", skipped) if skipped else _status(cells)
    suite = record.suite
    length = sequence_length(suite)
    seeds = {"root": suite["seed"], "originals": suite["originals"], "forget_sets": len(record.requests),
             "runs": method.runs, "oracles": suite["oracles"], "references": suite["references"]["count"],
             **({"sequence": length} if length > 1 else {})}
    scores = [score for column in columns(record) for step in range(length + 1 if length > 1 else 1)
              if (score := _score(record, column, cells, oracle_cells, step)) is not None]
    return with_id(Row(
        id="0" * 64, suite=SuiteName(name=record.name, digest=record.suite_digest), protocol=record.protocol,
        method=method, tuning=_tuning(method, record), data=record.data, forget_sets=record.requests,
        originals=record.originals, oracles=tuple(cell.model for cell in oracle_cells), references=record.references,
        seeds=seeds, auditors=record.auditors, status=status, reason=reason,  # type: ignore[arg-type]
        failures=len(cells) - len(good), scores=tuple(scores), facts=_means(cell.facts for cell in good),
        measured=_measured(record, good)))


def _tuning(method: MethodRecord, record: RunRecord) -> Tuning:
    spec = next((s for s in record.suite["unlearners"] if (s["label"] or s["name"]) == method.title), None)
    if spec and spec.get("tuning"):
        return structure(spec["tuning"], Tuning, f"tuning of '{method.title}'")
    if spec and (spec["settings"] or spec["forget_only"]):
        return Tuning(track="suite", saw="settings kept with the suite; its comments say how they were found")
    return Tuning()


def _status(cells: Sequence[CellRecord]) -> tuple[str, str]:
    """Return the status of a row and its reason: the commonest error, with how often it happened."""
    errors = Counter(cell.error for cell in cells if cell.status != "ok")
    errors.update(f"{title}: {error}" for cell in cells for title, error in cell.audit_errors.items())
    if not errors:
        return "ok", ""
    error, count = errors.most_common(1)[0]
    kinds = {cell.status for cell in cells}
    status = "partial" if "ok" in kinds else "timeout" if kinds == {"timeout"} else "failed"
    return status, f"{count} of {len(cells)}: {error}"


def _measured(record: RunRecord, cells: Sequence[CellRecord]) -> dict[str, Any]:
    """Return mean costs of one run, the day of the last model, how precise it was to be, how it was held, and where."""
    dates = [str(cell.measured["date"]) for cell in cells if "date" in cell.measured]
    costs = [{name: value for name, value in cell.measured.items() if name not in ("date", "isolation")}
             for cell in cells]
    effort = record.measured.get("effort")
    held = weakest(str(cell.measured["isolation"]) for cell in cells if "isolation" in cell.measured)
    if not cells:
        held = str(record.measured.get("isolation", ""))
    return {**_means(costs), **({"date": max(dates)} if dates else {}), **({"effort": effort} if effort else {}),
            **({"isolation": held} if held else {}),
            "environment": record.environment}


def _means(mappings: Any) -> dict[str, float]:
    gathered: dict[str, list[float]] = {}
    for mapping in mappings:
        for name, value in mapping.items():
            gathered.setdefault(name, []).append(float(value))
    return {name: round(float(np.mean(values)), 6) for name, values in sorted(gathered.items())}


def _score(record: RunRecord, column: Column, cells: Sequence[CellRecord],
           oracle_cells: Sequence[CellRecord], step: int) -> RowScore | None:
    """Return a score of all cells, or where ``step`` is above 0, of those of this step of every sequence."""
    is_oracle, length = cells is oracle_cells, sequence_length(record.suite)
    if step:
        cells, oracle_cells, length = at_step(cells, step, length), at_step(oracle_cells, step, length), 1
    example = next((s for cell in cells if (s := column.find(cell)) is not None), None)
    if example is None or not any(column.find(cell) for cell in oracle_cells):
        return None
    values, errors = column.grid(cells)
    oracle, oracle_errors = column.grid(oracle_cells)
    if np.isnan(oracle).any():
        # An audit of an oracle has failed, as the oracle's own row says; the others would be too few to compare with.
        return None
    name = step_name(column.name, step) if step else column.name
    seed = derive_seed(int(record.suite["seed"]), "interval", column.auditor, name)
    centre = np.nanmean(oracle[0], axis=1)
    floors = _leave_one_out(oracle[0]) if is_oracle else np.abs(values - centre[None, :, None])
    mean = _mean(values, errors, seed, length)
    reference = _mean(oracle, oracle_errors, seed, length)
    gap = hierarchical_bootstrap(over_steps(floors, length), seed=seed)
    (low, high), (oracle_low, oracle_high) = _within(mean, example.unit), _within(reference, example.unit)
    gap_low, gap_high = _within(gap, "gap")
    floor = reference.value if example.target == "lower" else noise_floor(oracle[0])
    return RowScore(
        auditor=column.auditor, name=name, step=step, unit=example.unit, target=example.target, chance=example.chance,
        value=mean.value, low=low, high=high, n=int(np.isfinite(values).sum()), samples=example.n,
        oracle=reference.value, oracle_low=oracle_low, oracle_high=oracle_high,
        gap=gap.value, gap_low=gap_low, gap_high=gap_high,
        gap_of_means=abs(mean.value - reference.value), floor=floor,
        values=nested(values.tolist()), oracle_values=nested(oracle[0].tolist()))


def _mean(values: Array, errors: Array, seed: int, length: int) -> Interval:
    """Return the mean with its interval; the errors of the steps of a sequence, which share examples, are averaged."""
    complete = _complete(errors, values)
    return hierarchical_bootstrap(over_steps(values, length), seed=seed,
                                  standard_errors=None if complete is None else over_steps(complete, length))


def _within(interval: Interval, unit: str) -> tuple[float | None, float | None]:
    """Return the ends of an interval inside the range that the unit allows."""
    least, most = {"%": (0.0, 100.0), "auc": (0.0, 1.0), "gap": (0.0, math.inf), "points": (0.0, math.inf)}.get(
        unit, (-math.inf, math.inf))
    return tuple(None if end is None else min(max(end, least), most)  # type: ignore[return-value]
                 for end in (interval.low, interval.high))


def _complete(errors: Array, values: Array) -> Array | None:
    """Return the standard errors when every value has one."""
    return None if np.isnan(errors[~np.isnan(values)]).any() else errors


def _leave_one_out(oracle: Array) -> Array:
    """Return (1, forget sets, oracles) absolute differences between each oracle and the mean of the others."""
    result = np.empty((1, *oracle.shape))
    for r, k in itertools.product(*map(range, oracle.shape)):
        result[0, r, k] = abs(oracle[r, k] - np.nanmean(np.delete(oracle[r], k)))
    return result
