"""How well scores separate members from non-members: AUC, its interval, and rates at a threshold.

Larger scores always mean "more likely positive" (member, forgotten ...). Ties count one half in an AUC and against
the attack in a rate.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.arrays import Array, vector
from harness.statistics.interval import LEVEL, BoundedInterval, check_level, clopper_pearson


def auc(positive: ArrayLike, negative: ArrayLike) -> float:
    """Return the probability that a positive scores above a negative, ties counted one half.

    Args:
        positive: (P,) scores; infinities are allowed.
        negative: (Q,) scores.

    Raises:
        ValueError: if either array is empty or contains NaN.
    """
    above = _share_below(vector("positive", positive), vector("negative", negative))
    return float(above.mean())


def delong_covariance(positive: ArrayLike, negative: ArrayLike) -> Array:
    """Return the (M, M) covariance of the AUCs of M methods that score the same points.

    Args:
        positive: (M, P) scores, one row a method; P >= 2.
        negative: (M, Q) scores of the same methods; Q >= 2.

    Raises:
        ValueError: if the numbers of methods differ, a side has fewer than two points or a score is NaN.

    Source: DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44(3), equations 4 to 6.
    """
    rows, columns = np.asarray(positive, dtype=np.float64), np.asarray(negative, dtype=np.float64)
    if rows.ndim != 2 or columns.ndim != 2 or len(rows) != len(columns) or len(rows) == 0:
        raise ValueError(f"delong_covariance: positive has shape {rows.shape}, negative {columns.shape}; expected "
                         "(methods, points) twice, with the same methods")
    pairs = [(vector("positive", p, at_least=2), vector("negative", q, at_least=2))
             for p, q in zip(rows, columns, strict=True)]
    of_positives = np.stack([_share_below(p, q) for p, q in pairs])
    of_negatives = np.stack([_share_below(-q, -p) for p, q in pairs])
    covariance: Array = (np.atleast_2d(np.cov(of_positives)) / rows.shape[1]
                         + np.atleast_2d(np.cov(of_negatives)) / columns.shape[1])
    return covariance


def auc_interval(positive: ArrayLike, negative: ArrayLike, *, level: float = LEVEL) -> BoundedInterval:
    """Return the AUC with DeLong's standard error and an interval that stays inside [0, 1].

    The interval is symmetric on the logit scale. An AUC of exactly 0 or 1 has a DeLong variance of zero although it
    is not certain; there the far end is the Clopper-Pearson bound for min(P, Q) trials without a failure, and the
    standard error is that of a normal interval of the same width.

    Args:
        positive: (P,) scores, P >= 2.
        negative: (Q,) scores, Q >= 2.

    Returns:
        The interval, with n = P + Q.

    Raises:
        ValueError: if either array has fewer than two scores or contains NaN, or ``level`` is outside (0, 1).

    Source: DeLong et al. 1988; logit transformation as in Pepe 2003, section 5.2.
    """
    from scipy.special import expit, logit, ndtri

    check_level(level)
    p, q = vector("positive", positive, at_least=2), vector("negative", negative, at_least=2)
    value, n, z = auc(p, q), len(p) + len(q), float(ndtri((1 + level) / 2))
    if value in (0.0, 1.0):
        trials = min(len(p), len(q))
        bound = clopper_pearson(round(value * trials), trials, level)
        return BoundedInterval(value=value, low=bound.low, high=bound.high, n=n,
                               standard_error=(bound.high - bound.low) / (2 * z))
    error = math.sqrt(delong_covariance(p[None], q[None])[0, 0])
    reach = z * error / (value * (1 - value))
    # The transformation and its inverse may miss the value by a rounding error when the error is zero.
    return BoundedInterval(value=value, low=min(value, expit(logit(value) - reach)),
                           high=max(value, expit(logit(value) + reach)), n=n, standard_error=error)


def tpr_at_fpr(member: ArrayLike, nonmember: ArrayLike, fpr: float) -> float:
    """Return the largest true-positive rate whose false-positive rate is at most ``fpr``.

    Args:
        member: (M,) attack scores of members; larger means "more likely a member".
        nonmember: (N,) scores of non-members. Thresholds are taken from these and ties count against the attack.
        fpr: in [1/N, 1]. N non-members cannot show a smaller rate, so it is refused.

    Raises:
        ValueError: if either array is empty or contains NaN, or ``fpr`` is outside [1/N, 1].

    Source: Carlini et al. 2022, arXiv:2112.03570, section III (low-FPR evaluation).
    """
    return _hits(vector("member", member), vector("nonmember", nonmember), fpr) / np.size(member)


def tpr_interval(member: ArrayLike, nonmember: ArrayLike, fpr: float, *, level: float = LEVEL) -> BoundedInterval:
    """Return `tpr_at_fpr` with its Clopper-Pearson interval over the members, n = M.

    The interval takes the threshold as given: the sampling error of the N non-members that set it is not included.

    Raises:
        ValueError: as `tpr_at_fpr`, or if ``level`` is outside (0, 1).
    """
    hits = _hits(vector("member", member), vector("nonmember", nonmember), fpr)
    return clopper_pearson(hits, np.size(member), level)


def balanced_accuracy(member: ArrayLike, nonmember: ArrayLike, threshold: float) -> float:
    """Return the mean of true-positive and true-negative rate when scores above ``threshold`` are called members.

    The threshold is an argument because one chosen on the same scores makes the result optimistic. A score equal
    to it is called a non-member.

    Raises:
        ValueError: if either array is empty or contains NaN, or the threshold is NaN.
    """
    if math.isnan(threshold):
        raise ValueError("balanced_accuracy: the threshold is NaN; expected a number on the scale of the scores")
    found = np.mean(vector("member", member) > threshold)
    spared = np.mean(vector("nonmember", nonmember) <= threshold)
    return float((found + spared) / 2)


def _share_below(points: Array, others: Array) -> Array:
    """Return for each point the share of others below it, ties one half: DeLong's structural components."""
    others = np.sort(others)
    twice: Array = np.asarray(np.searchsorted(others, points, side="left")
                              + np.searchsorted(others, points, side="right"), dtype=np.float64)
    return twice / (2 * len(others))


def _hits(member: Array, nonmember: Array, fpr: float) -> int:
    n = len(nonmember)
    # 0.29 * 100 is 28.999...; a rate that is a whole number of non-members must not lose one of them.
    allowed = math.floor(fpr * n + 1e-9) if fpr <= 1 else 0
    if allowed < 1:
        raise ValueError(f"false-positive rate {fpr} cannot be measured with {n} non-members; "
                         f"expected a rate between 1/{n} = {1 / n:.3g} and 1")
    if allowed == n:
        return len(member)
    threshold = np.sort(nonmember)[n - 1 - allowed]
    # Strictly greater: a tie with a non-member is not evidence of membership.
    return int(np.count_nonzero(member > threshold))
