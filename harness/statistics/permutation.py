"""Significance of an AUC: the permutation distribution of the rank sum, exact for small samples."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray

from harness.statistics.arrays import Array, vector

Alternative = Literal["two-sided", "greater", "less"]

# Largest number of (positive, negative) pairs for which the exact distribution takes well under a second.
EXACT_PAIRS = 1000


@frozen(kw_only=True)
class PValue:
    """A p-value and how it was computed.

    Attributes:
        method: ``exact`` (all permutations counted) or ``normal`` (approximation).
    """

    value: float
    method: Literal["exact", "normal"]


def exact_auc_p_value(positive: ArrayLike, negative: ArrayLike, *, alternative: Alternative = "two-sided") -> PValue:
    """Return the p-value of "positives and negatives are exchangeable", from the AUC's permutation distribution.

    Up to 1000 pairs every permutation is counted by dynamic programming, with ties as they are. Beyond that the
    distribution is taken as normal, with the variance corrected for ties and a continuity correction.

    Args:
        positive: (P,) scores.
        negative: (Q,) scores.
        alternative: ``greater`` tests for an AUC above one half, ``less`` below,
            ``two-sided`` doubles the smaller tail.

    Raises:
        ValueError: if an array is empty or contains NaN, or the alternative is not one of the three.

    Source: Mann and Whitney 1947; Lehmann 1975, Nonparametrics, section 1.4 (ties).
    """
    p, q = vector("positive", positive), vector("negative", negative)
    if alternative not in ("two-sided", "greater", "less"):
        raise ValueError(f"alternative {alternative!r} is unknown; expected 'two-sided', 'greater' or 'less'")
    ranks = _doubled_ranks(np.concatenate([p, q]))
    exact = len(p) * len(q) <= EXACT_PAIRS
    less, greater = _exact_tails(ranks, len(p)) if exact else _normal_tails(ranks, len(p))
    tails = {"less": less, "greater": greater, "two-sided": 2 * min(less, greater)}
    return PValue(value=min(1.0, tails[alternative]), method="exact" if exact else "normal")


def _doubled_ranks(values: Array) -> NDArray[np.int64]:
    """Return twice the mid-rank of each value, which is a whole number even for ties."""
    _, group, size = np.unique(values, return_inverse=True, return_counts=True)
    before = np.cumsum(size) - size
    doubled: NDArray[np.int64] = (2 * before + size + 1)[group]
    return doubled


def _exact_tails(ranks: NDArray[np.int64], positives: int) -> tuple[float, float]:
    """Return P(sum <= observed) and P(sum >= observed) of the positives' rank sum over all permutations."""
    observed = int(ranks[:positives].sum())
    if positives > len(ranks) / 2:
        # The negatives' sum is the total minus the positives' and has the smaller table.
        less, greater = _exact_tails(np.roll(ranks, -positives), len(ranks) - positives)
        return greater, less
    sums = _count_subsets(ranks, positives)
    total = math.comb(len(ranks), positives)
    return float(sums[: observed + 1].sum() / total), float(sums[observed:].sum() / total)


def _count_subsets(ranks: NDArray[np.int64], size: int) -> Array:
    """Return how many subsets of ``size`` ranks have each sum."""
    top = int(np.sort(ranks)[-size:].sum())
    counts = np.zeros((size + 1, top + 1))
    counts[0, 0] = 1
    for rank in ranks:
        # NumPy buffers the overlap, so each rank enters a subset once.
        counts[1:, rank:] += counts[:-1, :-rank]
    subsets: Array = counts[size]
    return subsets


def _normal_tails(ranks: NDArray[np.int64], positives: int) -> tuple[float, float]:
    from scipy.special import ndtr

    n, negatives = len(ranks), len(ranks) - positives
    _, sizes = np.unique(ranks, return_counts=True)
    ties = float((sizes.astype(np.float64) ** 3 - sizes).sum())
    variance = positives * negatives / 12 * (n + 1 - ties / (n * (n - 1)))
    if variance <= 0:
        return 1.0, 1.0
    excess = float(ranks[:positives].sum()) / 2 - positives * (n + 1) / 2
    spread = math.sqrt(variance)
    return float(ndtr((excess + 0.5) / spread)), float(ndtr((0.5 - excess) / spread))
