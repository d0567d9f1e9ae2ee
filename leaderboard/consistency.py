"""Whether a row is whole: its free-form parts have what pages show, its figures follow from its own values."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from harness.digests import canonical_json
from harness.plan import ORACLE
from harness.rows import Row, RowScore
from harness.statistics import cell_gaps, noise_floor
from leaderboard.grids import Array, cell_mean, full_name, oracle_grid, value_grid

# Rows are sums in double precision; another order of summation moves the last digits only.
TOLERANCE = 1e-9


_NUMBER = (int, float)
_NEEDED: dict[str, dict[str, type]] = {
    "data": {"name": str, "source": str, "digest": str, "train": int, "test": int},
    "seeds": {"root": int, "originals": int, "forget_sets": int, "runs": int, "oracles": int, "references": int},
}


def row_problems(row: Row) -> list[str]:
    """Return everything wrong with a row that its schema does not say."""
    return [*shape_problems(row), *number_problems(row)]


def shape_problems(row: Row) -> list[str]:
    """Return what is missing or of the wrong kind in the parts of a row that are plain JSON objects."""
    problems = [f"{part}.{key} is {getattr(row, part).get(key)!r}; expected {kind.__name__}"
                for part, keys in _NEEDED.items() for key, kind in keys.items()
                if type(getattr(row, part).get(key)) is not kind]
    problems += [f"method.owner.{key} is {value!r}; expected text" for key, value in row.method.owner.items()
                 if not isinstance(value, str)]
    problems += [f"auditors.{title} is no description of an auditor" for title, auditor in row.auditors.items()
                 if not isinstance(auditor, dict) or not isinstance(auditor.get("settings", {}), dict)
                 or not isinstance(auditor.get("name"), str) or not isinstance(auditor.get("version"), str)]
    problems += [f"measured.{key} is {row.measured[key]!r}; expected a number" for key in ("seconds", "peak_memory_mb")
                 if key in row.measured and type(row.measured[key]) not in _NUMBER]
    return [*problems, *_environment_problems(row.measured.get("environment", {})),
            *([] if row.forget_sets else ["there is no forget set"])]


def _environment_problems(environment: object) -> list[str]:
    if isinstance(environment, dict) and isinstance(environment.get("packages", {}), dict):
        return []
    return ["measured.environment is no description of an environment"]


def number_problems(row: Row) -> list[str]:
    """Return every figure of ``row`` that its own ``values`` and ``oracle_values`` contradict."""
    names = _repeated([full_name(score) for score in row.scores])
    problems = [f"two scores are called '{name}'" for name in sorted(names)]
    if row.status in ("ok", "partial") and not row.scores:
        problems.append(f"status is {row.status}, but there is no score")
    for score in row.scores:
        problems += [f"score '{full_name(score)}': {problem}" for problem in _score_problems(row, score)]
    return problems


def _repeated(names: list[str]) -> set[str]:
    return {name for name in names if names.count(name) > 1}


def _score_problems(row: Row, score: RowScore) -> Iterator[str]:
    try:
        values, oracles = value_grid(score), oracle_grid(score)
        expected = _expected(row, score, values, oracles)
    except ValueError as error:
        yield str(error)
        return
    sequence = row.seeds.get("sequence", 1) if score.step else 1
    forget_sets = len(row.forget_sets) // sequence if type(sequence) is int and sequence > 0 else 0
    if values.shape[1] != forget_sets or len(oracles) != forget_sets:
        yield f"has values of {values.shape[1]} and oracles of {len(oracles)} forget sets; the row has {forget_sets}"
    for name, right in expected.items():
        given = getattr(score, name)
        if not math.isclose(given, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{name} is {given}, its values give {right}"
    for low, middle, high in (("low", "value", "high"), ("oracle_low", "oracle", "oracle_high"),
                              ("gap_low", "gap", "gap_high")):
        yield from _interval_problems(score, low, middle, high)


def _expected(row: Row, score: RowScore, values: Array, oracles: Array) -> dict[str, float]:
    is_oracle = row.method.name == ORACLE
    gaps = np.abs(oracles - _others(oracles))[None] if is_oracle else cell_gaps(values, oracles)
    mean, oracle = cell_mean(values), cell_mean(oracles[None])
    return {"value": mean, "oracle": oracle, "gap": cell_mean(gaps), "gap_of_means": abs(mean - oracle),
            "floor": oracle if score.target == "lower" else noise_floor(oracles), "n": float(np.isfinite(values).sum())}


def _others(oracles: Array) -> Array:
    """Return for each oracle the mean of the other oracles of its forget set."""
    total, count = np.nansum(oracles, axis=1, keepdims=True), np.isfinite(oracles).sum(axis=1, keepdims=True)
    others: Array = (total - oracles) / np.maximum(count - 1, 1)
    return others


def _interval_problems(score: RowScore, low: str, middle: str, high: str) -> Iterator[str]:
    ends = getattr(score, low), getattr(score, high)
    if (ends[0] is None) != (ends[1] is None):
        yield f"{low} and {high}: one is given, the other is not"
    elif ends[0] is not None and not ends[0] <= getattr(score, middle) <= ends[1]:
        yield f"{middle} {getattr(score, middle)} lies outside its interval {canonical_json(list(ends)).decode()}"
