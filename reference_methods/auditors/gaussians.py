"""Gaussians fitted to each sample's confidences over a group of models."""

import math
from typing import Final

import numpy as np
from attrs import frozen

from reference_methods.auditors.inputs import Floats, Integers, Mask

_SAMPLES_AT_ONCE: Final = 2048


@frozen(kw_only=True)
class Fit:
    """Statistics over one group of models.

    Attributes:
        count: (N,) models in the group, per sample.
        median: (N, Q).
        mean: (N, Q).
        variance: (N, Q), the mean squared distance from the mean.
    """

    count: Integers
    median: Floats
    mean: Floats
    variance: Floats

    def pooled_variance(self) -> float:
        """Return the mean squared distance of every value from the mean of its own sample and query."""
        return float(np.average(self.variance.mean(axis=1), weights=self.count))

    def unbiased_pooled_variance(self) -> float:
        """Return the same with each mean's own degree of freedom taken off; 0 where no sample has two models."""
        freedom = int((self.count - 1).sum())
        squares = float((self.count * self.variance.mean(axis=1)).sum())
        return squares / freedom if freedom else 0.0

    def uncentred_variance(self) -> float:
        """Return the variance of all values as one heap, samples' own means and all."""
        overall = np.average(self.mean.mean(axis=1), weights=self.count)
        spread = ((self.mean - overall) ** 2).mean(axis=1)
        return self.pooled_variance() + float(np.average(spread, weights=self.count))


def fit(values: Floats, chosen: Mask) -> Fit:
    """Return the fit of each sample over its chosen models, which must be at least one.

    Args:
        values: (R, N, Q) finite confidences.
        chosen: (R, N), true where the model counts for the sample.
    """
    samples, queries = values.shape[1:]
    count: Integers = chosen.sum(axis=0)
    median, mean, variance = (np.empty((samples, queries)) for _ in range(3))
    for first in range(0, samples, _SAMPLES_AT_ONCE):
        block = slice(first, first + _SAMPLES_AT_ONCE)
        # Models go last: each sample's values then lie side by side.
        group = np.where(chosen.T[block, None, :], values[:, block].transpose(1, 2, 0), np.inf)
        group.sort(axis=-1)
        median[block], mean[block], variance[block] = _moments(group, count[block, None, None])
    return Fit(count=count, median=median, mean=mean, variance=variance)


def log_density(values: Floats, mean: Floats, deviation: Floats | float) -> Floats:
    """Return the logarithm of the normal density at each value."""
    standard = (values - mean) / deviation
    density: Floats = -0.5 * standard**2 - np.log(deviation) - 0.5 * math.log(2.0 * math.pi)
    return density


def _moments(ascending: Floats, count: Integers) -> tuple[Floats, Floats, Floats]:
    """Return median, mean and variance of the first ``count`` along the last axis."""
    ascending = ascending[..., : count.max()]
    present = np.arange(ascending.shape[-1]) < count
    middle = np.concatenate([(count - 1) // 2, count // 2], axis=-1)
    median = np.take_along_axis(ascending, middle, axis=-1).mean(axis=-1)
    mean = np.where(present, ascending, 0.0).sum(axis=-1, keepdims=True) / count
    residual = np.where(present, ascending - mean, 0.0)
    variance = (residual**2).sum(axis=-1) / count[..., 0]
    return median, mean[..., 0], variance
