"""Rank groups: methods that the data cannot tell apart share a rank."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.arrays import Array, grid
from harness.statistics.calibration import holm
from harness.statistics.hierarchy import AXES, fit_mean
from harness.statistics.interval import LEVEL


def rank_groups(values: Mapping[str, ArrayLike], *, seed: int, resamples: int = 2000,
                level: float = LEVEL) -> dict[str, int]:
    """Return the rank of each method, best first; different ranks always mean a distinguishable difference.

    All pairs are compared on the cells that both have, by the mean difference and the variance of
    `hierarchical_bootstrap`, with Holm's correction. Sorted by mean, a new rank begins where every method before
    is distinguishable from every method after; a chain of indistinguishable neighbours is one group, even where
    its ends differ. As in sport, the rank after a group of two firsts is 3.

    Args:
        values: (O, F, K) gaps of each method, lower is better, NaN where missing. The same place means the same
            original, forget set and run for all.

    Raises:
        ValueError: if there is no method, the shapes differ or a method has no value.
    """
    gaps = {name: grid(f"values of {name!r}", array, AXES) for name, array in values.items()}
    shapes = {array.shape for array in gaps.values()}
    if len(shapes) != 1:
        raise ValueError(f"rank_groups: shapes {sorted(shapes)}; expected one method or more, all of the same shape")
    order = sorted(gaps, key=lambda name: (np.nanmean(gaps[name]), name))
    distinct = _distinct_pairs([gaps[name] for name in order], seed, resamples, level)
    ranks: dict[str, int] = {}
    rank = 1
    for position, name in enumerate(order):
        before, after = range(position), range(position, len(order))
        if all((a, b) in distinct for a, b in itertools.product(before, after)):
            rank = position + 1
        ranks[name] = rank
    return ranks


def _distinct_pairs(gaps: list[Array], seed: int, resamples: int, level: float) -> set[tuple[int, int]]:
    """Return the pairs of positions whose means differ at ``level`` after Holm's correction."""
    pairs = list(itertools.combinations(range(len(gaps)), 2))
    if not pairs:
        return set()
    p_values = [_p_value(gaps[a] - gaps[b], seed, resamples, level) for a, b in pairs]
    return {pair for pair, p in zip(pairs, holm(p_values), strict=True) if p < 1 - level}


def _p_value(difference: Array, seed: int, resamples: int, level: float) -> float:
    if np.isfinite(difference).sum() < 2:
        return 1.0
    return fit_mean(difference, seed=seed, resamples=resamples, level=level).p_value()
