"""Check arrays at the border of this package: one clear error instead of a NaN that travels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def vector(name: str, values: ArrayLike, *, at_least: int = 1) -> Array:
    """Return ``values`` as (N,) float64.

    Raises:
        ValueError: if they are not one-dimensional, fewer than ``at_least`` or contain NaN.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name}: shape {array.shape}; expected one dimension")
    if len(array) < at_least:
        raise ValueError(f"{name}: {len(array)} values; expected at least {at_least}")
    if np.isnan(array).any():
        raise ValueError(f"{name}: {np.isnan(array).sum()} of {len(array)} values are NaN; remove them first")
    return array


def grid(name: str, values: ArrayLike, axes: tuple[str, ...]) -> Array:
    """Return ``values`` as float64 with one dimension for each of ``axes``; NaN marks a missing cell.

    Raises:
        ValueError: if the number of dimensions is another, a value is infinite or none is present.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != len(axes):
        raise ValueError(f"{name}: shape {array.shape}; expected ({', '.join(axes)})")
    if np.isinf(array).any():
        raise ValueError(f"{name}: {np.isinf(array).sum()} values are infinite; expected finite numbers, or NaN "
                         "where a cell is missing")
    if not np.isfinite(array).any():
        raise ValueError(f"{name}: every cell of shape {array.shape} is missing; expected at least one value")
    return array
