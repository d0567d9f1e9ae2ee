"""The values behind a score as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.rows import RowScore

Array = NDArray[np.float64]


def full_name(score: RowScore) -> str:
    """Return the name of a score that no other of its row has: two auditors may give scores of one name."""
    return f"{score.auditor}/{score.name}"


def value_grid(score: RowScore) -> Array:
    """Return (originals, forget sets, runs) values of a score, NaN where a model failed.

    Raises:
        ValueError: if they are ragged.
    """
    return _array("values", score.values, 3)


def oracle_grid(score: RowScore) -> Array:
    """Return (forget sets, oracles) values of the oracles.

    Raises:
        ValueError: if they are ragged.
    """
    return _array("oracle_values", score.oracle_values, 2)


def cell_mean(values: Array) -> float:
    """Return the mean over originals and forget sets of the mean over runs, of what is there."""
    present = np.isfinite(values)
    runs = present.sum(axis=-1)
    sums = np.where(present, values, 0.0).sum(axis=-1)
    return float(np.mean(sums[runs > 0] / runs[runs > 0]))


def _array(name: str, values: object, dimensions: int) -> Array:
    try:
        array = np.array(values, dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"{name} are ragged; expected the same number everywhere") from error
    if array.ndim != dimensions or not np.isfinite(array).any():
        raise ValueError(f"{name} have shape {array.shape}; expected {dimensions} dimensions and at least one value")
    return array
