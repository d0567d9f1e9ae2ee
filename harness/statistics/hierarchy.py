"""Interval of a mean over originals x forget sets x runs, and of the gap to the oracle."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from attrs import evolve, frozen
from numpy.typing import ArrayLike

from harness.statistics.arrays import Array, grid
from harness.statistics.components import MeanSquare, variance_of_mean
from harness.statistics.interval import LEVEL, Interval, check_level

AXES = ("originals", "forget sets", "runs")


@frozen(kw_only=True)
class MeanFit:
    """A mean with all that an interval or a test of it needs.

    Attributes:
        variance: of the mean, with degrees of freedom; None when one cell without a standard error is all there is.
        shape: the resampled quantile as a multiple of the normal one with the same spread, at least 1.
    """

    value: float
    variance: MeanSquare | None
    shape: float
    n: int

    def interval(self, level: float) -> Interval:
        """Return the interval at the level that ``shape`` was resampled for."""
        if self.variance is None:
            return Interval(value=self.value, n=self.n)
        error = math.sqrt(self.variance.value)
        reach = error * self.shape * t_quantile((1 + level) / 2, self.variance.degrees)
        return Interval(value=self.value, low=self.value - reach, high=self.value + reach, n=self.n,
                        standard_error=error)

    def p_value(self) -> float:
        """Return the two-sided p-value of "the mean is zero"; 1 when nothing shows the spread."""
        from scipy.special import ndtr, stdtr

        if self.variance is None or self.value == 0:
            return 1.0
        if self.variance.value == 0:
            return 0.0
        t = -abs(self.value) / (math.sqrt(self.variance.value) * self.shape)
        return 2 * float(ndtr(t) if math.isinf(self.variance.degrees) else stdtr(self.variance.degrees, t))


def hierarchical_bootstrap(values: ArrayLike, *, seed: int, resamples: int = 2000, level: float = LEVEL,
                           standard_errors: ArrayLike | None = None) -> Interval:
    """Return the mean over cells with its interval over new originals, forget sets and runs.

    Originals and forget sets are resampled crossed, runs inside their cells, all with Dirichlet weights (the Bayesian
    bootstrap, whose distribution has no steps with three clusters). Plain percentiles cover only about 72 % where
    three clusters differ; so resampling decides only whether the tails are heavier than normal, and the scale is the
    standard error from the variance components times Student's t (`harness.statistics.components`, which states the
    measured coverage). An axis of length one is taken as fixed: the interval says nothing about other originals, or
    other forget sets.

    Args:
        values: (O, F, K) originals, forget sets, runs; NaN where a cell is missing. The mean is that of the (O, F)
            cell means.
        seed: decides the resamples; nothing else is random.
        standard_errors: (O, F, K) sampling error of each value, e.g. from `auc_interval`; the least that a value is
            taken to vary by. With one forget set it is added, because all cells share that set's examples.

    Returns:
        The interval with n = number of values. Without spread its ends equal the value. One single value has the
        interval of its standard error, or ends None without one.

    Raises:
        ValueError: if an array has other dimensions, no value is present, a value is infinite, a standard error is
            missing or negative, or ``level`` or ``resamples`` is out of range.

    Source: Rubin 1981 (weights); Owen 2007, arXiv:0712.1111 (crossed resampling); Satterthwaite 1946 (degrees).
    """
    return fit_mean(values, seed=seed, resamples=resamples, level=level,
                    standard_errors=standard_errors).interval(level)


def fit_mean(values: ArrayLike, *, seed: int, resamples: int = 2000, level: float = LEVEL,
             standard_errors: ArrayLike | None = None) -> MeanFit:
    """Return what `hierarchical_bootstrap` makes its interval of; arguments and errors are the same."""
    check_level(level)
    if resamples < 100:
        raise ValueError(f"resamples {resamples}: expected at least 100, or the quantile is arbitrary")
    array = grid("values", values, AXES)
    errors = None if standard_errors is None else _sampling_errors(standard_errors, array)
    present = np.isfinite(array)
    n = int(present.sum())
    first = array[present][0]
    if n > 1 and errors is None and bool((array[present] == first).all()):
        return MeanFit(value=float(first), variance=MeanSquare(0.0, math.inf), shape=1.0, n=n)
    # Around zero, so that a small spread around a large mean keeps its digits.
    centred = array - first
    offset = _cell_mean(centred)
    return MeanFit(value=float(first + offset), variance=variance_of_mean(centred, errors),
                   shape=_shape(centred - offset, seed, resamples, level), n=n)


def gap_interval(unlearned: ArrayLike, oracle: ArrayLike, *, seed: int, resamples: int = 2000,
                 level: float = LEVEL) -> Interval:
    """Return the mean over cells of |unlearned - mean oracle of the same forget set|, with its interval, low >= 0.

    Args:
        unlearned: (O, F, K) values of one method; NaN where missing.
        oracle: (F, K') values of the oracles of the same forget sets. With one forget set their sampling error is
            shared by all cells and therefore added to the interval; with more it shows between forget sets.

    Raises:
        ValueError: if the forget sets differ in number, one has values but no oracle, or as
            `hierarchical_bootstrap`.
    """
    gaps = cell_gaps(unlearned, oracle)
    shared = _oracle_error(np.asarray(oracle, dtype=np.float64), level) if gaps.shape[1] == 1 else 0.0
    errors = np.full(gaps.shape, shared) if shared > 0 else None
    found = hierarchical_bootstrap(gaps, seed=seed, resamples=resamples, level=level, standard_errors=errors)
    return found if found.low is None else evolve(found, low=max(found.low, 0.0))


def cell_gaps(unlearned: ArrayLike, oracle: ArrayLike) -> Array:
    """Return (O, F, K) absolute differences between each value and the mean oracle of its forget set.

    Raises:
        ValueError: if the forget sets differ in number or one has values but no oracle.
    """
    values, oracles = grid("unlearned", unlearned, AXES), grid("oracle", oracle, AXES[1:])
    if values.shape[1] != len(oracles):
        raise ValueError(f"unlearned has {values.shape[1]} forget sets, oracle {len(oracles)}; expected the same")
    count = np.isfinite(oracles).sum(axis=1)
    orphans = np.flatnonzero((count == 0) & np.isfinite(values).any(axis=(0, 2)))
    if len(orphans):
        raise ValueError(f"forget set {orphans[0]} has values but no oracle; its gap is unknown")
    centre = np.where(count > 0, np.nansum(oracles, axis=1) / np.maximum(count, 1), np.nan)
    gaps: Array = np.abs(values - centre[None, :, None])
    return gaps


def average_gap(scores: Iterable[tuple[ArrayLike, ArrayLike]], *, as_published: bool = False) -> float:
    """Return the Average Gap: the mean over scores of a method's gap to the oracle, in the scores' common unit.

    Args:
        scores: one pair (unlearned (O, F, K), oracle (F, K')) for each score, e.g. UA, RA, TA and an attack's.
        as_published: take the means over everything first and then the absolute gap, as AMUN and SalUn print it;
            deviations of opposite sign then cancel. By default the gap of each run is taken first.

    Raises:
        ValueError: if there are no scores, or as `cell_gaps`.
    """
    gaps = [_gap_of_means(*pair) if as_published else _cell_mean(cell_gaps(*pair)) for pair in scores]
    if not gaps:
        raise ValueError("average_gap: no scores; expected at least one pair (unlearned, oracle)")
    return float(np.mean(gaps))


def t_quantile(probability: float, degrees: float) -> float:
    """Return Student's quantile, the normal one for infinitely many degrees of freedom."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if math.isinf(degrees) else stdtrit(degrees, probability))


def _gap_of_means(unlearned: ArrayLike, oracle: ArrayLike) -> float:
    values, oracles = grid("unlearned", unlearned, AXES), grid("oracle", oracle, AXES[1:])
    return abs(_cell_mean(values) - _cell_mean(oracles[None]))


def _sampling_errors(standard_errors: ArrayLike, values: Array) -> Array:
    errors = np.asarray(standard_errors, dtype=np.float64)
    if errors.shape != values.shape:
        raise ValueError(f"standard_errors: shape {errors.shape}; expected that of the values, {values.shape}")
    needed = errors[np.isfinite(values)]
    if not (np.isfinite(needed) & (needed >= 0)).all():
        raise ValueError("standard_errors: some are missing, infinite or negative; expected one for every value, "
                         "or None for all")
    return errors


def _oracle_error(oracles: Array, level: float) -> float:
    """Return the standard error of one forget set's mean oracle, widened for the few oracles that show it."""
    values = oracles[np.isfinite(oracles)]
    if len(values) < 2:
        return 0.0
    widening = t_quantile((1 + level) / 2, len(values) - 1) / t_quantile((1 + level) / 2, math.inf)
    return float(values.std(ddof=1) / math.sqrt(len(values))) * widening


def _cell_mean(values: Array) -> float:
    """Return the mean of the cell means."""
    present = np.isfinite(values)
    runs = present.sum(axis=2)
    sums = np.where(present, values, 0.0).sum(axis=2)
    return float(np.mean(sums[runs > 0] / runs[runs > 0]))


def _shape(deviations: Array, seed: int, resamples: int, level: float) -> float:
    """Return the resampled mean's ``level`` quantile over the normal one of equal spread, at least 1."""
    rng = np.random.default_rng(seed)
    present = np.isfinite(deviations)
    originals, forget_sets, _ = deviations.shape
    # Exponential weights are Dirichlet weights before they are normalised.
    runs = rng.standard_exponential((resamples, *deviations.shape)) * present
    cells = (rng.standard_exponential((resamples, originals, 1)) * rng.standard_exponential((resamples, 1, forget_sets))
             * present.any(axis=2))
    totals = runs.sum(axis=3)
    means = (runs * np.where(present, deviations, 0.0)).sum(axis=3) / np.where(totals > 0, totals, 1.0)
    drawn = np.abs((cells * means).sum(axis=(1, 2)) / cells.sum(axis=(1, 2)))
    spread = math.sqrt(float(np.mean(drawn**2)))
    if spread == 0:
        return 1.0
    # A resample cannot reach beyond its few clusters: tails lighter than normal are an artefact, heavier ones are not.
    return max(1.0, float(np.quantile(drawn, level)) / (spread * t_quantile((1 + level) / 2, math.inf)))
