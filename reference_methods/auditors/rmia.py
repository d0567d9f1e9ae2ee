"""RMIA: how many population samples a sample outdoes, once each is held against models that may not know it.

    score(x) = share of z with  [Pr(x | theta) / Pr(x)] / [Pr(z | theta) / Pr(z)]  >  gamma

The published code compares all N x Z pairs. For one x the pairs that count are a run of the z sorted by their own
ratio, so bisection finds how many there are in O((N + Z) log Z), deciding each comparison by the same division as
the table does: the counts are equal, ties included.

For one target model the score is a non-decreasing function of x's own ratio, so both have the same AUC up to ties:
`rmia_ratio` is the number to keep per sample; z and gamma only calibrate a threshold across models.

Ratios that are not ordinary numbers:
    0 / 0 and inf / inf say nothing; such a sample outdoes nobody and nobody outdoes it. `rmia_ratio` gives 0.
    p / 0 with p > 0 is infinite: it outdoes every z of finite ratio.
    Negative ratios come from published Taylor signals. As in the published code, the *quotient* counts: a negative x
    outdoes the z that are negative and smaller in magnitude, and no other, so the score is no longer monotone.

AMUN's ``exclusive`` prior, Pr(z) over the references that did not see x, is left out: its code mixes the model axis
with the sample axis (and divides nothing by nothing), and even as meant it gives z another ratio for every x, which
ends the equality of the AUCs above. ``own_z`` is the part of it that matters: x does not vote on itself.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from reference_methods.auditors.inputs import (
    Floats,
    Integers,
    check_between,
    check_mask,
    check_numbers,
    check_shape,
)
from reference_methods.auditors.priors import Prior

# Pairs (x, z) that `rmia_majority` has in memory at once, four bytes each.
_PAIRS_AT_ONCE: Final = 1 << 22


def rmia_scores(
    target_x: ArrayLike,
    target_z: ArrayLike,
    reference_x: ArrayLike,
    reference_z: ArrayLike,
    *,
    membership_x: ArrayLike | None,
    membership_z: ArrayLike | None = None,
    mode: str = "online",
    gamma: float = 2.0,
    a: float = 0.3,
    trim: float = 0.0,
    own_z: ArrayLike | None = None,
) -> Floats:
    """Return the share of the population that each sample outdoes by more than ``gamma``; larger = member.

    Args:
        target_x: (N,) signal of the audited samples under the target model, larger = more confident.
        target_z: (Z,) signal of the population under the target model.
        reference_x: (R, N) signal of the samples under the reference models.
        reference_z: (R, Z) signal of the population under the reference models.
        membership_x: (R, N) bool, true where the reference was trained on the sample. None takes the plain mean over
            all references, as AMUN's code does: the same online where the two groups are equal.
        membership_z: (R, Z) bool; None says that no reference saw any z. A z that none saw has the plain mean
            over all references as its Pr(z) online.
        mode: "online": Pr(x) is half the mean over the references that saw x plus half that over the others;
            "offline": only the others count, and Pr(x) = ((1 + a) mean + 1 - a) / 2.
        gamma: a quotient of the ratios must be strictly above it.
        a: offline only, in [0, 1]; 1 takes references that saw x to be no surer of it than the others.
        trim: share of the references cut from each end of every mean.
        own_z: (N,) row of each sample in the population, -1 where it is not in it; it does not vote on itself.

    Returns:
        (N,) in [0, 1], a multiple of 1 / Z.

    Raises:
        ValueError: for NaN, wrong shapes, an option out of range, or a sample that lacks a group of references.

    Source: Zarifzadeh, Liu and Shokri 2024, arXiv:2312.03262.
    """
    prior = Prior(mode=mode, a=a, trim=trim)
    ratio_x = _ratio("x", prior, target_x, reference_x, membership_x, ("N",))
    ratio_z = _ratio("z", prior, target_z, reference_z, membership_z, ("Z",))
    population = len(ratio_z)
    start, stop = _outdone_run(ratio_x, np.sort(ratio_z), gamma)
    votes = stop - start
    if own_z is None:
        return votes / population
    own = _check_rows(own_z, len(ratio_x), population)
    present = own >= 0
    with np.errstate(divide="ignore", invalid="ignore"):
        votes[present] -= ratio_x[present] / ratio_z[own[present]] > gamma
    return votes / (population - present)


def rmia_ratio(
    target: ArrayLike,
    reference: ArrayLike,
    membership: ArrayLike | None,
    *,
    mode: str = "online",
    a: float = 0.3,
    trim: float = 0.0,
) -> Floats:
    """Return Pr(x | theta) / Pr(x) per sample: for one target model, its AUC is that of the scores.

    Args:
        target: (N,) or (N, Q) signals under the target model.
        reference: (R, N) or (R, N, Q) signals under the references.
        membership: (R, N) bool, or None, as in `rmia_scores`.
        mode, a, trim: as in `rmia_scores`. The published code trims the two online groups as one, which is
            ``membership=None`` here.

    Returns:
        The shape of ``target``, never NaN.

    Raises:
        ValueError: as `rmia_scores`.
    """
    axes = ("N",) if np.ndim(target) == 1 else ("N", "Q")
    prior = Prior(mode=mode, a=a, trim=trim)
    ratio = _ratio("x", prior, target, reference, membership, axes)
    return np.where(np.isnan(ratio), 0.0, ratio)


def rmia_majority(
    target_x: ArrayLike,
    target_z: ArrayLike,
    reference_x: ArrayLike,
    reference_z: ArrayLike,
    *,
    membership_x: ArrayLike | None,
    membership_z: ArrayLike | None = None,
    mode: str = "online",
    gamma: float = 2.0,
    a: float = 0.3,
    trim: float = 0.0,
) -> Floats:
    """Return `rmia_scores` with augmented queries: x outdoes z if it does so in more than half of the Q queries.

    A tie is no majority, as in the published code. Each query orders the population in its own way, so every pair
    is looked at, as integers and in blocks: O(N Z Q) time, a bounded amount of memory.

    Args:
        target_x, target_z: (N, Q) and (Z, Q); the other arrays (R, N, Q) and (R, Z, Q).
        membership_x, membership_z: (R, N) and (R, Z), as for one query.

    Returns:
        (N,) in [0, 1].

    Raises:
        ValueError: as `rmia_scores`.
    """
    prior = Prior(mode=mode, a=a, trim=trim)
    ratio_x = _ratio("x", prior, target_x, reference_x, membership_x, ("N", "Q"))
    queries = ratio_x.shape[1]
    ratio_z = _ratio("z", prior, target_z, reference_z, membership_z, ("Z", queries))
    runs, ranks = [], []
    for query in range(queries):
        order = np.argsort(ratio_z[:, query])
        runs.append(_outdone_run(ratio_x[:, query], ratio_z[order, query], gamma))
        ranks.append(np.argsort(order).astype(np.int32))

    population = len(ratio_z)
    scores = np.empty(len(ratio_x))
    rows = max(1, _PAIRS_AT_ONCE // population)
    for first in range(0, len(scores), rows):
        block = slice(first, first + rows)
        votes = np.zeros((len(scores[block]), population), dtype=np.int32)
        for (start, stop), rank in zip(runs, ranks, strict=True):
            votes += (rank >= start[block, None]) & (rank < stop[block, None])
        scores[block] = (2 * votes > queries).mean(axis=1)
    return scores


def _ratio(
    letter: str,
    prior: Prior,
    target: ArrayLike,
    reference: ArrayLike,
    membership: ArrayLike | None,
    axes: tuple[int | str, ...],
) -> Floats:
    """Return Pr(. | theta) / Pr(.), NaN where it is 0 / 0 or inf / inf."""
    signals = check_numbers(f"target_{letter}", target, axes)
    references = check_numbers(f"reference_{letter}", reference, ("R", *signals.shape))
    seen = None
    if membership is not None:
        seen = check_mask(f"membership_{letter}", membership, references.shape[:2])
    with np.errstate(divide="ignore", invalid="ignore"):
        marginal = prior.marginal(references, seen, unseen_allowed=letter == "z")
        # Adding zero makes -0.0 positive, whose quotients then have the sign of a probability's.
        return signals / (marginal + 0.0) + 0.0


def _outdone_run(ratio_x: Floats, ascending_z: Floats, gamma: float) -> tuple[Integers, Integers]:
    """Return where the run of z that each x outdoes starts and stops in ``ascending_z``, whose NaN are last."""
    check_between("gamma", gamma, np.nextafter(0.0, 1.0), np.inf)
    zero = int(np.searchsorted(ascending_z, 0.0))
    end = int(np.searchsorted(ascending_z, np.nan))
    start = np.full(len(ratio_x), zero, dtype=np.intp)
    stop = start.copy()
    positive, negative = ratio_x > 0, ratio_x < 0
    stop[positive] += _outdone(ratio_x[positive], ascending_z[zero:end], gamma)
    start[negative] -= _outdone(-ratio_x[negative], -ascending_z[:zero][::-1], gamma)
    return start, stop


def _outdone(positive_x: Floats, ascending_z: Floats, gamma: float) -> Integers:
    """Return how many z each x outdoes; these are the first ones, for x / z never grows with z.

    Bisection on the very quotient that the N x Z table holds; searching for x / gamma or gamma z instead would
    round differently and miss ties.
    """
    low = np.zeros(len(positive_x), dtype=np.intp)
    high = np.full(len(positive_x), len(ascending_z), dtype=np.intp)
    last = len(ascending_z) - 1
    with np.errstate(all="ignore"):
        for _ in range(len(ascending_z).bit_length()):
            # Once an answer is found, low equals high and this looks at the first z not outdone again, or at the last.
            middle = np.minimum((low + high) // 2, last)
            outdone = positive_x / ascending_z[middle] > gamma
            low = np.where(outdone, middle + 1, low)
            high = np.where(outdone, high, middle)
    return low


def _check_rows(own_z: ArrayLike, samples: int, population: int) -> Integers:
    rows = np.asarray(own_z)
    check_shape("own_z", rows.shape, (samples,))
    if not np.issubdtype(rows.dtype, np.integer) or rows.min() < -1 or rows.max() >= population:
        raise ValueError(f"own_z must hold integers from -1 to {population - 1}; got {rows.dtype} {rows}")
    if population == 1 and rows.max() == 0:
        raise ValueError("own_z leaves a sample no population: the only z is the sample itself")
    return rows.astype(np.intp)
