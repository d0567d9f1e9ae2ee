"""What correlations with a bank of candidates say about a forget set: rank tests against never-seen images."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from harness.statistics import auc_interval, benjamini_hochberg, exact_auc_p_value, fisher_combine

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

PUBLISHED_THRESHOLDS = (0.15, 0.2, 0.3)


@frozen(kw_only=True, eq=False)
class Evidence:
    """How far one group of images stands out from never-seen ones.

    Attributes:
        auc: probability that an image of the group is nearer to the bank than a never-seen one.
        low, high, standard_error: 95 % interval of it, over the images.
        p_value: of "the group is exchangeable with never-seen images", against "nearer"; exact for small groups.
        per_sample: (K,) p-value of each image: its rank among the never-seen images of its class.
        combined: Fisher's combination of these.
        q_values: (K,) the same adjusted after Benjamini and Hochberg.
    """

    auc: float
    low: float
    high: float
    standard_error: float
    p_value: float
    per_sample: Array
    combined: float
    q_values: Array


def evidence(group: Array, unseen: Array, group_labels: Integers, unseen_labels: Integers) -> Evidence:
    """Return the evidence that ``group`` was seen in training.

    Args:
        group: (K,) scores, larger for nearer.
        unseen: (U,) scores of never-seen images against the same bank.
        group_labels, unseen_labels: their classes.

    Raises:
        ValueError: if either side has fewer than two images or a score is NaN.
    """
    interval = auc_interval(group, unseen)
    per_sample = rank_p_values(group, unseen, group_labels, unseen_labels)
    return Evidence(
        auc=interval.value, low=interval.low, high=interval.high, standard_error=interval.standard_error or 0.0,
        p_value=exact_auc_p_value(group, unseen, alternative="greater").value, per_sample=per_sample,
        combined=fisher_combine(per_sample), q_values=benjamini_hochberg(per_sample))


def rank_p_values(group: Array, unseen: Array, group_labels: Integers, unseen_labels: Integers) -> Array:
    """Return (K,) p-values (1 + number of never-seen images at least as near) / (1 + their number).

    An image is compared with never-seen ones of its own class: some classes resemble every bank. Where there is none of
    its class, all of them serve. p-values of one bank share their never-seen images, so Fisher's combination of them is
    somewhat too small; the exact test of the AUC is not concerned.
    """
    values = np.empty(len(group))
    for index, (score, label) in enumerate(zip(group, group_labels, strict=True)):
        peers = unseen[unseen_labels == label]
        peers = peers if len(peers) else unseen
        values[index] = (1 + np.count_nonzero(peers >= score)) / (1 + len(peers))
    return values


def verified(similarities: Array, thresholds: Array | float) -> float:
    """Return the share of images whose V is true: best similarity strictly above the threshold (equation 1).

    Args:
        similarities: (K,) largest similarity of each image to a candidate.
        thresholds: tau, one for all or (K,).
    """
    return float(np.mean(similarities > thresholds))


def recovery_distances(before: Array, after: Array) -> Array:
    """Return (N,) distances D_i between what two banks have nearest to the same training image (equation 18).

    As printed, i counts the candidates of two unrelated random starts; pairing them through the training image that
    both are nearest to gives the equation a meaning. Images are compared standardised, for their scale is arbitrary.

    Args:
        before, after: (N, D) standardised nearest candidates of the N training images.
    """
    distances: Array = np.linalg.norm(before - after, axis=1)
    return distances
