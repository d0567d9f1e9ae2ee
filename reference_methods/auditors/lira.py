"""LiRA: is a sample's confidence that of models trained on it, or that of the others?"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from reference_methods.auditors.gaussians import Fit, fit, log_density
from reference_methods.auditors.inputs import (
    Floats,
    Mask,
    check_choice,
    check_enough,
    check_mask,
    check_numbers,
    replace_infinite,
)

MODES: Final = ("online", "offline")
VARIANCES: Final = ("per-example", "fixed")

# Added to every deviation by the published code: a sample on which all references agree divides by this.
SMALLEST_DEVIATION: Final = 1e-30


def lira_scores(
    target: ArrayLike,
    references: ArrayLike,
    membership: ArrayLike,
    *,
    mode: str = "online",
    variance: str = "per-example",
    as_published: bool = False,
) -> Floats:
    """Return the log-likelihood score of membership per sample, the mean over queries; larger = member.

    A Gaussian, median and standard deviation (ddof 0), is fitted per sample and query. Online the score is
    log N(target; in) - log N(target; out); offline it is log Pr[N(out) < target].

    Args:
        target: (N, Q) logit-scaled confidences under the target model; infinities count as `replace_infinite` says.
        references: (R, N, Q) the same under the references, queries in the same order.
        membership: (R, N) bool, true where the reference was trained on the sample.
        mode: "online" uses both groups of references, "offline" only those not trained on the sample.
        variance: "per-example", or "fixed": one deviation per group for all samples and queries, from residuals
            about each sample's own mean; steadier below some 64 references.
        as_published: the value of the authors' code, which cuts all samples to the smallest number of references
            any of them has; offline scores by -log N(target; out), so that an unusually *low* confidence counts
            for membership; and takes the fixed deviation from the values themselves, not centred per sample,
            using that of the references trained on a sample for both groups.

    Returns:
        (N,).

    Raises:
        ValueError: for NaN, wrong shapes, or a sample without a reference in a group that the mode needs.

    Source: Carlini et al. 2022, arXiv:2112.03570, algorithm 1; code tensorflow/privacy, mi_lira_2021.
    """
    check_choice("mode", mode, MODES)
    check_choice("variance", variance, VARIANCES)
    confidence = check_numbers("target", target, ("N", "Q"))
    others = check_numbers("references", references, ("R", *confidence.shape))
    seen = check_mask("membership", membership, others.shape[:2])
    confidence, others = replace_infinite(confidence, others)

    outside = _group(others, ~seen, f"{mode} LiRA", "not trained on", as_published)
    out_deviation = _deviation(outside, variance, as_published)
    if mode == "offline":
        standard = (confidence - outside.median) / out_deviation
        if as_published:
            return _over_queries(-log_density(confidence, outside.median, out_deviation))
        return _over_queries(_log_cumulative(standard))
    inside = _group(others, seen, "online LiRA", "trained on", as_published)
    in_deviation = _deviation(inside, variance, as_published)
    if as_published and variance == "fixed":
        out_deviation = in_deviation
    return _over_queries(
        log_density(confidence, inside.median, in_deviation) - log_density(confidence, outside.median, out_deviation)
    )


def _group(references: Floats, chosen: Mask, audit: str, side: str, as_published: bool) -> Fit:
    count = chosen.sum(axis=0)
    check_enough(audit, side, count)
    if as_published:
        chosen = chosen & (np.cumsum(chosen, axis=0) <= count.min())
    return fit(references, chosen)


def _deviation(group: Fit, variance: str, as_published: bool) -> Floats | float:
    if variance == "per-example":
        return np.sqrt(group.variance) + SMALLEST_DEVIATION
    pooled = group.uncentred_variance() if as_published else group.pooled_variance()
    return float(np.sqrt(pooled)) + SMALLEST_DEVIATION


def _log_cumulative(standard: Floats) -> Floats:
    from scipy.special import log_ndtr

    values: Floats = log_ndtr(standard)
    return values


def _over_queries(scores: Floats) -> Floats:
    mean: Floats = scores.mean(axis=1)
    return mean
