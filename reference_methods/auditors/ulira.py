"""U-LiRA: was the audited model trained on the sample and made to forget it, or never trained on it?

The shadows on one side were trained on the sample *and then unlearned with the method under audit*; those on the
other never saw it. Whether the latter were retrained without it, or unlearned of other samples, is the protocol's
choice: retrained is the definition, unlearned-of-others hides what the method does to the whole model.
The audited model must not be among the shadows.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from reference_methods.auditors.gaussians import fit, log_density
from reference_methods.auditors.inputs import Floats, Mask, check_enough, check_mask, check_numbers, replace_infinite

# Below this many models on a side its samples share one variance.
MODELS_FOR_OWN_VARIANCE: Final = 32
# No deviation is less than this share of the range of all shadows' confidences, which a class that retrained
# models never saw would otherwise bring to zero.
SMALLEST_DEVIATION: Final = 1e-3


def ulira_probability(
    target: ArrayLike,
    unlearned: ArrayLike,
    retrained: ArrayLike,
    *,
    unlearned_mask: ArrayLike | None = None,
    retrained_mask: ArrayLike | None = None,
) -> Floats:
    """Return p_member = N(target; f) / (N(target; f) + N(target; r)) per sample; above 1/2 reads "was trained on".

    Args:
        target: (N,) logit-scaled confidences under the audited model.
        unlearned: (S, N) under the shadows that were trained on the sample and unlearned.
        retrained: (T, N) under the shadows that never saw it.
        unlearned_mask: (S, N) bool, true where the shadow belongs to the sample's group; None is everywhere.
        retrained_mask: (T, N), likewise.

    Returns:
        (N,) in [0, 1], never NaN; 1/2 where the two sides are the same.

    Raises:
        ValueError: for NaN, wrong shapes, or a sample without a shadow on one side.

    Source: Hayes et al. 2024, arXiv:2403.01218, with mean and standard deviation per sample. The pooling of
        variances and their floor are ours: a handful of shadows estimates no deviation.
    """
    log_odds = ulira_log_odds(
        target, unlearned, retrained, unlearned_mask=unlearned_mask, retrained_mask=retrained_mask
    )
    probability: Floats = np.exp(-np.logaddexp(0.0, -log_odds))
    return probability


def ulira_log_odds(
    target: ArrayLike,
    unlearned: ArrayLike,
    retrained: ArrayLike,
    *,
    unlearned_mask: ArrayLike | None = None,
    retrained_mask: ArrayLike | None = None,
) -> Floats:
    """Return log N(target; f) - log N(target; r): the order of `ulira_probability` without its rounding to 0 and 1.

    Args and errors are those of `ulira_probability`.
    """
    confidence = check_numbers("target", target, ("N",))
    samples = len(confidence)
    forgotten = check_numbers("unlearned", unlearned, ("S", samples))
    never = check_numbers("retrained", retrained, ("T", samples))
    with_sample = _check_chosen("unlearned", "of", unlearned_mask, forgotten.shape)
    without = _check_chosen("retrained", "without", retrained_mask, never.shape)
    confidence, forgotten, never = replace_infinite(confidence, forgotten, never)

    counted = np.concatenate([forgotten[with_sample], never[without]])
    # Shadows that all agree leave no scale at all; any positive number then decides between equal and different.
    floor = SMALLEST_DEVIATION * float(np.ptp(counted)) or 1e-30
    of_unlearned = _log_density(confidence, forgotten, with_sample, floor)
    return of_unlearned - _log_density(confidence, never, without, floor)


def _check_chosen(side: str, preposition: str, mask: ArrayLike | None, shape: tuple[int, ...]) -> Mask:
    if mask is None:
        return np.ones(shape, dtype=np.bool_)
    chosen = check_mask(f"{side}_mask", mask, shape)
    check_enough("U-LiRA", f"{side} {preposition}", chosen.sum(axis=0))
    return chosen


def _log_density(confidence: Floats, shadows: Floats, chosen: Mask, floor: float) -> Floats:
    group = fit(shadows[:, :, None], chosen)
    few = group.count < MODELS_FOR_OWN_VARIANCE
    variance = np.where(few, group.unbiased_pooled_variance(), group.variance[:, 0])
    return log_density(confidence, group.mean[:, 0], np.maximum(np.sqrt(variance), floor))
