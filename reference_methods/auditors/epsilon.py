"""Per-example epsilon and the forgetting score of the NeurIPS 2023 unlearning challenge.

For each forgotten sample an attacker tells unlearned from retrained models by the sample's confidence: either by one
threshold, or by an interval round the narrower of the two groups. The best rule's error rates bound the epsilon of
the definition of unlearning. Equal distributions do *not* score 1: finite samples always leave an epsilon, and the
forgetting score of two sets of the same normal distribution is .187 +- .003, with 64, 128 or 512 models a side alike.
"""

import itertools
import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from reference_methods.auditors.inputs import Floats, Integers, check_between, check_numbers, replace_infinite

LARGEST_EPSILON: Final = 50.0
# A group narrower than this share of the other counts as perfectly told apart: the grid may be too coarse to see it.
PEAKED: Final = 0.01
THRESHOLDS_PER_UNIT: Final = 100
# Interval ends are tried this far to either side of the narrower group's own.
REACH: Final = 2.0
BUCKET: Final = 0.5
# Of a step of a grid, how far a place on it may be off.
ROUNDING: Final = 1e-3


def epsilon_scores(unlearned: ArrayLike, retrained: ArrayLike, *, delta: float = 1e-5) -> Floats:
    """Return the epsilon of each sample, the largest over decision rules that the error rates allow.

    Per rule it is max(log(1 - delta - FPR) - log FNR, log(1 - delta - FNR) - log FPR), not below 0. A rule in which
    exactly one of FPR and FNR is zero is passed over: so few models cannot say how small it is.

    Args:
        unlearned: (M, N) logit-scaled confidences under M unlearned models; infinities count as
            `replace_infinite` says.
        retrained: (L, N) under L retrained models. The published code needs L = M.
        delta: of the definition, in [0, 1).

    Returns:
        (N,) in [0, 50]; 50 where the groups are told apart perfectly, or one has less than 1 % of the other's range.
        0 where no rule is left, for which the published code stops with an error.

    Raises:
        ValueError: for NaN, wrong shapes or empty arrays.

    Source: Triantafillou et al. 2024, arXiv:2406.09073; code
        google-deepmind/unlearning_evaluation, which has rates and single thresholds in float32.
    """
    check_between("delta", delta, 0.0, 1.0)
    left = check_numbers("unlearned", unlearned, ("M", "N"))
    right = check_numbers("retrained", retrained, ("L", left.shape[1]))
    left, right = replace_infinite(left, right)
    # Samples first, each sorted: a rule's error rates are then two bisections.
    left, right = np.sort(left.T), np.sort(right.T)
    of_counts = {(a, b): _epsilon_table(a, b, delta) for a, b in itertools.permutations((len(left.T), len(right.T)))}
    retrained_is_positive = np.median(right, axis=1) > np.median(left, axis=1)
    return np.array(
        [
            _largest_epsilon(*((theirs, ours) if swap else (ours, theirs)), of_counts)
            for ours, theirs, swap in zip(left, right, retrained_is_positive, strict=True)
        ]
    )


def forgetting_score(epsilon: ArrayLike, *, models: int = 512) -> float:
    """Return the mean reward: 1 for an epsilon in [0, 0.5), 1/2 in [0.5, 1), and so on, halving; nothing beyond.

    Args:
        epsilon: (N,) from `epsilon_scores`.
        models: on each side, at least 3. The last bucket ends at ceil(log(models - 1)), which no finite epsilon
            exceeds, so the default serves every smaller number as well.

    Raises:
        ValueError: for NaN, a negative epsilon, an empty array or fewer than 3 models.

    Source: Triantafillou et al. 2024, arXiv:2406.09073.
    """
    values = check_numbers("epsilon", epsilon, ("N",))
    if values.min() < 0:
        raise ValueError(f"epsilon is {values.min()}; expected at least 0")
    if models < 3:
        raise ValueError(f"models is {models}; expected at least 3")
    buckets = math.ceil(math.log(models - 1)) / BUCKET
    bucket = np.floor(values / BUCKET)
    return float(np.where(bucket < buckets, 0.5**bucket, 0.0).mean())


def _epsilon_table(positives: int, negatives: int, delta: float) -> Floats:
    """Return the epsilon of a rule that takes i of the positives and j of the negatives for positive, at [i, j]."""
    fnr = 1.0 - np.arange(positives + 1)[:, None] / positives
    fpr = np.arange(negatives + 1)[None, :] / negatives
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = np.log(1.0 - delta - fpr) - np.log(fnr), np.log(1.0 - delta - fnr) - np.log(fpr)
    # fmax passes over the NaN of a rate above 1 - delta; the other bound is then not positive.
    table: Floats = np.fmax(0.0, np.fmax(*bounds))
    table[(fnr == 0) ^ (fpr == 0)] = 0.0
    table[-1, 0] = LARGEST_EPSILON
    return table


def _largest_epsilon(positive: Floats, negative: Floats, of_counts: Mapping[tuple[int, int], Floats]) -> float:
    """Return the epsilon of two ascending groups, of which the positive one has the larger median."""
    narrow, wide = (negative, positive) if np.ptp(positive) >= np.ptp(negative) else (positive, negative)
    if np.ptp(narrow) < PEAKED * np.ptp(wide):
        return LARGEST_EPSILON
    in_interval = of_counts[len(narrow), len(wide)][_inside_intervals(narrow, wide)]
    largest = float(in_interval.max())

    threshold = _thresholds(positive, negative)
    if len(threshold):
        beyond = np.full_like(threshold, np.inf)
        above = _inside(positive, threshold, beyond), _inside(negative, threshold, beyond)
        largest = max(largest, float(of_counts[len(positive), len(negative)][above].max()))
    return largest


def _thresholds(positive: Floats, negative: Floats) -> Floats:
    """Return the grid of single thresholds over the range of both groups."""
    low, high = min(positive[0], negative[0]), max(positive[-1], negative[-1])
    return np.linspace(low, high, math.ceil((high - low) * THRESHOLDS_PER_UNIT))


def _intervals(narrow: Floats) -> tuple[Floats, Floats]:
    """Return lower ends (H, J), ascending in each row, and upper ends (H,), within REACH of the narrow group's own."""
    width = np.ptp(narrow)
    first, last = narrow[0] + width - REACH, narrow[-1] + REACH
    high = np.linspace(first, last, math.ceil((last - first) * THRESHOLDS_PER_UNIT))
    # In the published order of operations: a group's own end is on this grid, and rounding decides on which side.
    steps = math.ceil(2 * REACH * THRESHOLDS_PER_UNIT)
    return np.linspace(high - width - REACH, high - width + REACH, steps, axis=1), high


def _inside_intervals(narrow: Floats, wide: Floats) -> tuple[Integers, Integers]:
    """Return how many of the narrow group and of the wide one lie in an interval, for all pairs of counts there are.

    Of the 160,000 intervals most hold the same values as a neighbour; between two values of the groups, one lower end
    stands for all.
    """
    low, high = _intervals(narrow)
    values = np.sort(np.r_[narrow, wide])
    ends = np.pad(_first_beyond(low, values), ((0, 0), (1, 1)), constant_values=(0, low.shape[1]))
    # Whether some lower end of a row has exactly so many values below it.
    row, below = np.nonzero(ends[:, :-1] < ends[:, 1:])
    # No values are below the first of them, one below the second, and so on.
    beyond: Floats = np.r_[values, np.inf]
    inside = (np.searchsorted(group, high, side="right")[row] - np.searchsorted(group, beyond, side="left")[below]
              for group in (narrow, wide))
    of_narrow, of_wide = (np.maximum(count, 0) for count in inside)
    return of_narrow, of_wide


def _first_beyond(grid: Floats, values: Floats) -> Integers:
    """Return (H, K) the first column of each row of an evenly spaced ``grid`` (H, J) that is above a value (K,)."""
    start, columns = grid[:, :1], grid.shape[1]
    place = (values - start) / (grid[:, -1:] - start) * (columns - 1)
    # A column that is certainly not above; whether the next one is, is left to the grid's own rounding.
    column = np.clip(np.floor(place - ROUNDING) + 1, 0, columns).astype(np.int64)
    there = np.take_along_axis(grid, np.minimum(column, columns - 1), axis=1)
    first: Integers = column + ((column < columns) & (there <= values))
    return first


def _inside(ascending: Floats, low: Floats, high: Floats) -> Integers:
    """Return how many values lie from ``low`` to ``high``, both included."""
    count = np.searchsorted(ascending, high, side="right") - np.searchsorted(ascending, low, side="left")
    inside: Integers = np.maximum(count, 0)
    return inside
