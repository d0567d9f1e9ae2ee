"""The noise floor: how far one oracle lies from the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.arrays import grid


def noise_floor(oracle: ArrayLike) -> float:
    """Return the mean absolute difference between each oracle and the mean of the others of its forget set.

    A method whose gap is below it cannot be told from retraining by this score.

    Args:
        oracle: (F, K) values of K oracles of each forget set, in the score's unit; NaN where one is missing.
            Forget sets with a single oracle are left out.

    Raises:
        ValueError: if no forget set has two oracles, or a value is infinite.
    """
    values = grid("oracle", oracle, ("forget sets", "oracles"))
    count = np.isfinite(values).sum(axis=1, keepdims=True)
    usable = count[:, 0] >= 2
    if not usable.any():
        raise ValueError(f"oracle: shape {values.shape} with at most {count.max()} value per forget set; the noise "
                         "floor needs at least 2 oracles of one forget set")
    values, count = values[usable], count[usable]
    others = (np.nansum(values, axis=1, keepdims=True) - values) / (count - 1)
    return float(np.nanmean(np.abs(values - others)))
