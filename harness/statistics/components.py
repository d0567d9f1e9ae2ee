"""Variance of a mean over originals x forget sets x runs, from the mean squares of the design.

Originals and forget sets are crossed, runs are nested in their cells, and there are usually three of each. With three
clusters a resampled variance is both biased (by (n - 1) / n at each level) and too uncertain for normal quantiles, so
the variance comes from the analysis of variance and its degrees of freedom from Satterthwaite's formula.

A level whose mean square does not clearly exceed that of the level below is pooled with it (Bancroft 1964, Biometrics
20(3)): without pooling, an interval of three clusters that differ only by the noise of their runs would rest on two
degrees of freedom and be twice as wide.

Measured on normal data (100,000 repeats a setting, `POOLING_LEVEL` as below, nominal 95 %): 3 x 3 x 3 covers 94.0 to
98.0 % over all ratios of the components, 1 x 3 x 3 92.9 to 97 %; two clusters along an axis cover down to 89 %.
"""

from __future__ import annotations

import math

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from harness.statistics.arrays import Array

# A level counts as real below this p-value. The usual 0.25 covers only 90.4 % in the worst case, three clusters over
# a known sampling error; 0.35 covers 92.2 % there and costs a sixth of width where nothing but the runs varies.
POOLING_LEVEL = 0.35


@frozen
class MeanSquare:
    """A variance estimate and its degrees of freedom; infinitely many when it is known."""

    value: float
    degrees: float


@frozen
class MeanSquares:
    """Analysis of variance of the cell means; a level that the design cannot show is None.

    All are in units of the variance of one cell's mean, so each expects the same when only runs differ.
    """

    originals: MeanSquare | None
    forget_sets: MeanSquare | None
    interaction: MeanSquare | None
    runs: MeanSquare | None


def variance_of_mean(values: Array, standard_errors: Array | None) -> MeanSquare | None:
    """Return the variance of the mean over cells with its degrees of freedom, or None when nothing shows it.

    Args:
        values: (O, F, K), NaN where missing.
        standard_errors: (O, F, K) known sampling errors, or None. They are the least that a value varies by. Where
            there is a single forget set its examples are the same in every cell: their sampling error neither shows
            in the spread nor averages out, so it is added instead.
    """
    present = np.isfinite(values)
    runs = present.sum(axis=2)
    cells = int(np.count_nonzero(runs))
    forget_sets = int(np.count_nonzero(runs.any(axis=0)))
    sampling = None if standard_errors is None else float(np.mean(standard_errors[present] ** 2))
    per_cell = sampling * _mean_inverse(runs) if sampling is not None and forget_sets > 1 else None
    seen = _pooled(mean_squares(values), None if per_cell is None else MeanSquare(per_cell, math.inf))
    if seen is not None:
        seen = MeanSquare(seen.value / cells, seen.degrees)
    if sampling is None or forget_sets > 1:
        return seen
    if seen is None:
        return MeanSquare(sampling, math.inf)
    total = seen.value + sampling
    return MeanSquare(total, math.inf if seen.value == 0 else seen.degrees * (total / seen.value) ** 2)


def mean_squares(values: Array) -> MeanSquares:
    """Return the mean squares of an (O, F, K) array, exact when no cell is missing.

    With missing runs the cells count equally (analysis of unweighted means); with missing cells originals and forget
    sets are each adjusted for the other (type II).
    """
    present = np.isfinite(values)
    runs = present.sum(axis=2)
    original, forget_set = np.nonzero(runs)
    sums = np.where(present, values, 0.0).sum(axis=2)
    cells = (sums / np.maximum(runs, 1))[original, forget_set]
    by_original = original[:, None] == np.unique(original)
    by_forget_set = forget_set[:, None] == np.unique(forget_set)
    if len(cells) == by_original.shape[1] == by_forget_set.shape[1]:
        # Each cell is alone in its row and column, so the two axes are one.
        by_original = np.ones((len(cells), 1), dtype=np.bool_)
    original_rest, original_rank = _residual(by_original, cells)
    forget_rest, forget_rank = _residual(by_forget_set, cells)
    both_rest, both_rank = _residual(np.hstack([by_original, by_forget_set]), cells)
    within = np.where(present, values - (sums / np.maximum(runs, 1))[..., None], 0.0)
    noise = _mean_square(float((within**2).sum()), int((runs - 1)[runs > 0].sum()))
    return MeanSquares(
        originals=_mean_square(forget_rest - both_rest, both_rank - forget_rank),
        forget_sets=_mean_square(original_rest - both_rest, both_rank - original_rank),
        interaction=_mean_square(both_rest, len(cells) - both_rank),
        runs=None if noise is None else MeanSquare(noise.value * _mean_inverse(runs), noise.degrees))


def _pooled(found: MeanSquares, sampling: MeanSquare | None) -> MeanSquare | None:
    """Return the variance of one cell's mean, scaled so that dividing by the number of cells gives the mean's.

    In a full design the mean's variance is (originals + forget sets - interaction) / cells; each pooled level leaves
    the sum, and the interaction stands for everything pooled so far.
    """
    base = _settle(_settle(sampling, found.runs), found.interaction)
    clusters = [level for level in (found.originals, found.forget_sets) if level is not None]
    if base is None:
        # One run a cell along one axis: the spread between cells is all there is.
        return clusters[0] if clusters else None
    real = [level for level in clusters if _exceeds(level, base)]
    for level in clusters:
        if level not in real:
            base = _merge(base, level)
    surplus = 1 - len(real)
    value = max(sum(level.value for level in real) + surplus * base.value, base.value)
    if value == 0:
        return MeanSquare(0.0, base.degrees)
    spread = sum(level.value**2 / level.degrees for level in real) + (surplus * base.value) ** 2 / base.degrees
    return MeanSquare(value, value**2 / spread if spread > 0 else math.inf)


def _settle(lower: MeanSquare | None, upper: MeanSquare | None) -> MeanSquare | None:
    """Return the upper level if it shows more than the lower one, otherwise both pooled."""
    if lower is None or upper is None:
        return lower or upper
    return upper if _exceeds(upper, lower) else _merge(lower, upper)


def _exceeds(upper: MeanSquare, lower: MeanSquare) -> bool:
    from scipy.special import chdtri, fdtri

    if math.isinf(lower.degrees):
        ratio = chdtri(upper.degrees, POOLING_LEVEL) / upper.degrees
    else:
        ratio = fdtri(upper.degrees, lower.degrees, 1 - POOLING_LEVEL)
    return bool(upper.value > ratio * lower.value)


def _merge(lower: MeanSquare, upper: MeanSquare) -> MeanSquare:
    if math.isinf(lower.degrees):
        return lower
    degrees = lower.degrees + upper.degrees
    return MeanSquare((lower.value * lower.degrees + upper.value * upper.degrees) / degrees, degrees)


def _residual(groups: NDArray[np.bool_], cells: Array) -> tuple[float, int]:
    """Return the residual sum of squares of the cells on group effects, and the rank of the groups."""
    design = groups.astype(np.float64)
    effects, _, rank, _ = np.linalg.lstsq(design, cells)
    return float(((cells - design @ effects) ** 2).sum()), int(rank)


def _mean_square(total: float, degrees: int) -> MeanSquare | None:
    # A difference of two equal sums of squares may come out below zero by a rounding error.
    return MeanSquare(max(total, 0.0) / degrees, degrees) if degrees > 0 else None


def _mean_inverse(runs: NDArray[np.int64]) -> float:
    return float(np.mean(1 / runs[runs > 0]))
