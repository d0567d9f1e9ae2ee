"""How far two models' outputs lie apart, one number per example."""

import numpy as np
from numpy.typing import ArrayLike

from reference_methods.auditors.inputs import Floats, check_numbers


def probabilities(logits: ArrayLike) -> Floats:
    """Return (N, C) softmax probabilities in float64.

    Raises:
        ValueError: for NaN, wrong shapes or fewer than two classes.
    """
    values = check_numbers("logits", logits, ("N", "C"))
    if values.shape[1] < 2:
        raise ValueError(f"logits have {values.shape[1]} class; a distance compares at least 2")
    weights = np.exp(values - values.max(axis=1, keepdims=True))
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares


def jensen_shannon(p: Floats, q: Floats) -> Floats:
    """Return (N,) KL(p || m) / 2 + KL(q || m) / 2 with m = (p + q) / 2, in nats, between 0 and log 2.

    Public unlearning code often takes ``F.kl_div(log p, m)`` with its default mean: that is KL(m || p) divided by the
    number of *entries*, which comes out at a third of the true value or so and grows smaller with every class.

    Args:
        p, q: (N, C) probabilities.
    """
    middle = (p + q) / 2
    divergence: Floats = (_kl(p, middle) + _kl(q, middle)) / 2
    return np.maximum(divergence, 0.0)


def total_variation(p: Floats, q: Floats) -> Floats:
    """Return (N,) half the absolute differences, between 0 and 1."""
    distance: Floats = np.abs(p - q).sum(axis=1) / 2
    return distance


def euclidean(p: Floats, q: Floats) -> Floats:
    """Return (N,) Euclidean distances between probabilities: the activation distance of Golatkar et al. 2021."""
    distance: Floats = np.linalg.norm(p - q, axis=1)
    return distance


def _kl(p: Floats, q: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p / q), 0.0)
    divergence: Floats = terms.sum(axis=1)
    return divergence
