"""Auditing the auditors: how often an audit raises an alarm, and many p-values at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.statistics.arrays import Array, vector
from harness.statistics.interval import LEVEL, BoundedInterval, clopper_pearson


def alarm_rate(alarms: ArrayLike, *, level: float = LEVEL) -> BoundedInterval:
    """Return the share of alarms with its Clopper-Pearson interval.

    Over retrained oracles this is the false-alarm rate, over models that forgot nothing the power.

    Args:
        alarms: (N,) bool, one per audited model.

    Raises:
        ValueError: if the array is empty, not boolean or not one-dimensional.
    """
    flags: NDArray[np.bool_] = np.asarray(alarms)
    if flags.ndim != 1 or len(flags) == 0 or flags.dtype != np.bool_:
        raise ValueError(f"alarms: {flags.dtype} of shape {flags.shape}; expected a non-empty vector of booleans")
    return clopper_pearson(int(flags.sum()), len(flags), level)


def benjamini_hochberg(p_values: ArrayLike) -> Array:
    """Return the (N,) q-values: the smallest false-discovery rate at which each hypothesis is rejected.

    Raises:
        ValueError: if there are none, or one is NaN or outside [0, 1].

    Source: Benjamini and Hochberg 1995, section 3.1; valid for independent or positively dependent tests.
    """
    p = _probabilities(p_values)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return adjusted


def holm(p_values: ArrayLike) -> Array:
    """Return the (N,) p-values adjusted so that the chance of any false rejection is kept, whatever the dependence.

    Raises:
        ValueError: if there are none, or one is NaN or outside [0, 1].

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2).
    """
    p = _probabilities(p_values)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return adjusted


def fisher_combine(p_values: ArrayLike) -> float:
    """Return the p-value of "all null hypotheses hold", from independent p-values.

    Raises:
        ValueError: if there are none, or one is NaN or outside [0, 1].

    Source: Fisher 1932, section 21.1: -2 sum(log p) is chi-squared with 2N degrees of freedom.
    """
    from scipy.special import chdtrc

    p = _probabilities(p_values)
    if (p == 0).any():
        return 0.0
    return float(chdtrc(2 * len(p), -2 * np.log(p).sum()))


def _probabilities(p_values: ArrayLike) -> Array:
    p = vector("p_values", p_values)
    if (p < 0).any() or (p > 1).any():
        raise ValueError(f"p_values: smallest {p.min()}, largest {p.max()}; expected numbers in [0, 1]")
    return p
