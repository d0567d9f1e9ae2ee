"""KLoM: the divergence between a sample's margins over many unlearned models and over many oracles."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from reference_methods.auditors.inputs import Floats, check_numbers

# Margins are cut here, infinite ones with them, so that one of them cannot stretch the bins over everything else.
MARGIN_LIMIT: Final = 100.0
# What an empty bin of q counts as where p has samples; it bounds the divergence by about log 1e5 = 11.5.
EMPTY_BIN: Final = 1e-5

_SAMPLES_AT_ONCE: Final = 4096


def binned_kl(p: ArrayLike, q: ArrayLike, *, bins: int = 20, as_published: bool = False) -> float:
    """Return KL(p || q) in nats between two sets of values, from histograms over their joint range.

    Args:
        p: (M,) values cut to +-100; q: (L,) likewise.
        bins: equal bins between the smallest and the largest value of both.
        as_published: the value of the authors' code, in which the largest value falls out of the top bin. Where
            all of q is that value, q becomes whatever p is and the divergence 0; where all of p is, it is NaN.

    Returns:
        0 for equal histograms, at most about 11.5. Two finite sets of the same distribution are above 0: some 0.33
        at M = L = 100, so a value is read beside that of two sets of oracles of the same sizes.

    Raises:
        ValueError: for NaN, an empty array, or fewer than one bin.

    Source: Georgiev et al. 2024, arXiv:2410.23232; code data-unlearning-bench.
    """
    left = check_numbers("p", p, ("M",))
    right = check_numbers("q", q, ("L",))
    return float(_divergence(left[:, None], right[:, None], bins, as_published)[0])


def klom(unlearned: ArrayLike, oracle: ArrayLike, *, bins: int = 20, as_published: bool = False) -> Floats:
    """Return `binned_kl` of each sample, KL(unlearned || oracle), the direction of the authors' code.

    The text of the paper has KL(oracle || unlearned): exchange the arguments for that.

    Args:
        unlearned: (M, N) margins, the ``logit-scaling`` signal, under M unlearned models.
        oracle: (L, N) under L oracles.
        bins, as_published: as in `binned_kl`.

    Returns:
        (N,); the tables show its 95th percentile.

    Raises:
        ValueError: for NaN, wrong shapes or empty arrays.
    """
    left = check_numbers("unlearned", unlearned, ("M", "N"))
    right = check_numbers("oracle", oracle, ("L", left.shape[1]))
    values = np.empty(left.shape[1])
    for first in range(0, len(values), _SAMPLES_AT_ONCE):
        block = slice(first, first + _SAMPLES_AT_ONCE)
        values[block] = _divergence(left[:, block], right[:, block], bins, as_published)
    return values


def _divergence(left: Floats, right: Floats, bins: int, as_published: bool) -> Floats:
    if bins < 1:
        raise ValueError(f"bins is {bins}; expected at least 1")
    left, right = (np.clip(values, -MARGIN_LIMIT, MARGIN_LIMIT) for values in (left, right))
    low = np.minimum(left.min(axis=0), right.min(axis=0))
    high = np.maximum(left.max(axis=0), right.max(axis=0))
    high = np.where(low < high, high, low + 1.0)
    # The edges of numpy.linspace to the last bit, or values on an edge would change bins.
    edges = np.arange(bins + 1)[:, None] * ((high - low) / bins) + low
    edges[-1] = high

    p, q = (_histogram(values, edges, drop_largest=as_published) for values in (left, right))
    q = np.where(p > 0, np.maximum(q, EMPTY_BIN), q)
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = p / p.sum(axis=0), q / q.sum(axis=0)
        terms = np.where(p == 0, 0.0, p * np.log(p / q))
    divergence: Floats = terms.sum(axis=0)
    return divergence


def _histogram(values: Floats, edges: Floats, *, drop_largest: bool) -> Floats:
    """Return the share of the values in each bin, (bins, N); the top bin has its upper edge, unless that is dropped."""
    reached = np.stack([(values >= edge).sum(axis=0) for edge in edges])
    if not drop_largest:
        reached[-1] = 0
    counts = reached[:-1] - reached[1:]
    shares: Floats = counts / np.maximum(counts.sum(axis=0), 1)
    return shares
