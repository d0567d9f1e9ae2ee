"""The marginal Pr(.) of RMIA: the signal to be expected of a model that may or may not know a sample."""

from typing import Final, TypeVar

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from reference_methods.auditors.inputs import Floats, Mask, check_between, check_choice, check_enough

MODES: Final = ("online", "offline")

_SAMPLES_AT_ONCE: Final = 4096

Scalar = TypeVar("Scalar", bound=np.generic)


@frozen(kw_only=True)
class Prior:
    """How Pr(.) is estimated from the references.

    Attributes:
        mode: "online": half the mean over the references that saw the sample plus half that over the others.
            "offline": ((1 + a) mean + 1 - a) / 2 with the mean over the others alone, which takes a reference that
            saw the sample to give it a mean + 1 - a.
        a: offline only, in [0, 1]; 1 takes references to be no surer of what they saw.
        trim: share of the references cut from each end of each mean, in [0, 0.5), rounded down to whole ones.

    Source: Zarifzadeh et al. 2024, arXiv:2312.03262.
    """

    mode: str = field(default="online")
    a: float = field(default=0.3)
    trim: float = field(default=0.0)

    @mode.validator
    def _mode_is_known(self, _: object, value: str) -> None:
        check_choice("mode", value, MODES)

    @a.validator
    def _a_is_a_share(self, _: object, value: float) -> None:
        check_between("a", value, 0.0, np.nextafter(1.0, 2.0))

    @trim.validator
    def _trim_leaves_a_reference(self, _: object, value: float) -> None:
        check_between("trim", value, 0.0, 0.5)

    def marginal(self, references: Floats, seen: Mask | None, *, unseen_allowed: bool) -> Floats:
        """Return Pr(.) per sample, (N, ...), from references (R, N, ...).

        Args:
            references: signals of each reference model.
            seen: (R, N), true where the reference was trained on the sample; None where nobody saw any: then
                online is the plain mean.
            unseen_allowed: do the same for a single sample that nobody saw, instead of raising an error.

        Raises:
            ValueError: if a sample lacks a group of references that the mode needs.
        """
        if seen is None:
            return self._unseen(_mean(references, np.ones(references.shape[:2], dtype=np.bool_), self.trim))
        knowing = seen.sum(axis=0)
        check_enough(f"{self.mode} RMIA", "not trained on", len(seen) - knowing)
        outside = _mean(references, ~seen, self.trim)
        if self.mode == "offline":
            return self._unseen(outside)
        if not unseen_allowed:
            check_enough("online RMIA", "trained on", knowing)
        inside = _mean(references, seen, self.trim)
        return np.where(_like(knowing == 0, outside), outside, 0.5 * inside + 0.5 * outside)

    def _unseen(self, outside: Floats) -> Floats:
        return outside if self.mode == "online" else ((1.0 + self.a) * outside + 1.0 - self.a) / 2.0


def _like(per_sample: NDArray[Scalar], values: Floats) -> NDArray[Scalar]:
    """Return (N,) with axes added so that it goes with (N, ...)."""
    return per_sample.reshape(per_sample.shape + (1,) * (values.ndim - per_sample.ndim))


def _mean(references: Floats, chosen: Mask, trim: float) -> Floats:
    """Return the mean over the chosen references, 0 / 0 where there is none."""
    if trim:
        return _trimmed_mean(references, chosen, trim)
    if chosen.all():
        mean: Floats = references.mean(axis=0)
        return mean
    # Multiplying by the mask is several times faster than selecting, but makes NaN of an infinity not chosen.
    finite = np.isfinite(references.min()) and np.isfinite(references.max())
    total = np.zeros(references.shape[1:])
    # One model at a time stays in the cache.
    for values, picked in zip(references, chosen, strict=True):
        weight = _like(picked, values)
        total += values * weight if finite else np.where(weight, values, 0.0)
    counts: NDArray[np.intp] = chosen.sum(axis=0)
    return total / _like(counts, total)


def _trimmed_mean(references: Floats, chosen: Mask, trim: float) -> Floats:
    """Return the mean of what is left of the chosen references without ``trim`` of them at each end."""
    means = np.empty(references.shape[1:])
    for first in range(0, len(means), _SAMPLES_AT_ONCE):
        block = slice(first, first + _SAMPLES_AT_ONCE)
        picked = chosen[:, block].reshape(chosen[:, block].shape + (1,) * (references.ndim - 2))
        counts = picked.sum(axis=0)
        cut = (trim * counts).astype(np.intp)
        # Those not chosen sort behind all others, where no rank below ``counts`` reaches them.
        ascending = np.sort(np.where(picked, references[:, block], np.inf), axis=0)
        ranks = np.arange(len(references)).reshape(-1, *(1,) * counts.ndim)
        kept = (ranks >= cut) & (ranks < counts - cut)
        means[block] = np.where(kept, ascending, 0.0).sum(axis=0) / (counts - 2 * cut)
    return means
