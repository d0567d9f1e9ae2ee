"""Forget sets made from a suite's settings: random samples, whole classes, best or worst learnt, most memorised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.data import Booleans, Examples, Floats, Integers, Poison
from harness.digests import derive_seed
from harness.errors import BadSetting
from harness.subsets import permutation, sample_count
from harness.suite import RequestSpec, Suite
from harness.tasks import ForgetRequest

Ranked = NDArray[np.float64]


def needs_losses(spec: RequestSpec) -> bool:
    """Return whether `make_request` ranks by the losses of a trained original."""
    return spec.generator in ("lowest-loss", "highest-loss")


def needs_memorisation(spec: RequestSpec) -> bool:
    """Return whether `make_request` ranks by what references memorise."""
    return spec.generator == "most-memorised"


def request_seed(suite: Suite, index: int) -> int:
    """Return the seed of the ``index``-th forget set: derived from the suite's, or revealed.

    Raises:
        BadSetting: if it is sealed.
    """
    if suite.seal is None:
        return derive_seed(suite.seed, "forget", index)
    if not suite.seal.seeds:
        raise BadSetting(f"the forget sets of '{suite.name}' are sealed: who made it has committed to them and shows "
                         "them later; ask for the revealed file")
    return suite.seal.seeds[index]


def make_request(spec: RequestSpec, index: int, seed: int, train: Examples, num_classes: int,
                 ranked_by: Ranked | None, poison: Poison | None = None,
                 previous: ForgetRequest | None = None) -> ForgetRequest:
    """Return the ``index``-th forget set of ``spec``.

    ``random`` draws without replacement, each index with a ``seed`` of its own, so that two sets may overlap; a later
    step of a sequence draws from what the earlier ones have left.
    ``class`` takes every training example of ``spec.classes[index]``, or of class ``index`` when none are listed.
    The two loss generators and ``most-memorised`` cut one ranking into consecutive slices: index 0 gets the K lowest
    (highest) losses, index 1 the next K, so that their sets are disjoint and less extreme with every index.
    ``poisoned`` takes the ``index``-th group of the poisoned examples.

    Args:
        spec: which generator, and how many samples.
        index: which of the forget sets, counted from 0.
        seed: of the random draw; the other generators ignore it.
        train: the whole training set.
        num_classes: C.
        ranked_by: (N,) of every training example: its cross-entropy under one trained original when `needs_losses`,
            `memorisation` when `needs_memorisation`. Equal ones rank by index.
        poison: what was done to the training set; needed for ``poisoned``.
        previous: the step before in a sequence of requests.

    Raises:
        BadSetting: if the settings ask for nothing, everything, a part of a sample, a class that is not there, or more
            slices than the ranking has, or if what is ranked by is missing or not finite, or if a sequence asks for an
            example twice.
    """
    if spec.generator == "class":
        made = _whole_class(spec, index, seed, train.labels, num_classes)
    elif spec.generator == "poisoned":
        made = _poisoned_group(index, seed, poison)
    else:
        made = _samples(spec, index, seed, len(train), ranked_by, previous)
    if previous is None:
        return made
    try:
        return made.after(previous)
    except ValueError as error:
        raise BadSetting(f"requests: forget set {index}: {error}") from error


def _samples(spec: RequestSpec, index: int, seed: int, total: int, ranked_by: Ranked | None,
             previous: ForgetRequest | None) -> ForgetRequest:
    size = sample_count(spec.size, total, "requests")
    if spec.generator == "random":
        drawn = permutation(total, seed)
        left = drawn if previous is None else drawn[~np.isin(drawn, previous.so_far.forget)]
        if len(left) < size:
            raise BadSetting(f"requests: forget set {index} of a sequence asks for {size} examples, but its earlier "
                             f"steps leave {len(left)} of {total}; lower 'sequence' or 'size'")
        forget = left[:size]
    else:
        forget = _slice_of_ranking(spec.generator, index, size, _checked(ranked_by, spec.generator, total))
    return ForgetRequest(name=f"{spec.generator}-{size}-of-{total}-{index}", scope="sample", forget=forget,
                         generator=spec.generator, seed=seed)


def losses_from_logits(logits: Floats, labels: Integers) -> Ranked:
    """Return the (N,) cross-entropy of each example, in nats, from its (N, C) logits.

    Written in the gaps to the true class, ``log(1 + sum exp(z_j - z_y))``: the usual ``logsumexp(z) - z_y`` rounds
    every loss below 1e-16 to zero, and a ranking of well-learnt examples would be one of ties.

    Raises:
        ValueError: if the shapes do not match or a label is outside [0, C).
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"losses_from_logits: logits {logits.shape} and labels {labels.shape}, "
                         "expected (N, C) and (N,)")
    count, num_classes = logits.shape
    if count and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(f"losses_from_logits: labels are in [{labels.min()}, {labels.max()}], "
                         f"expected [0, {num_classes})")
    wide = logits.astype(np.float64)
    own = np.arange(count), labels
    gaps = wide - wide[own][:, None]
    gaps[own] = -np.inf
    losses: Ranked = np.logaddexp(0.0, np.logaddexp.reduce(gaps, axis=1))
    return losses


def memorisation(logits: Floats, membership: Booleans, labels: Integers) -> Ranked:
    """Return how much surer of each example's class are the models that saw it than those that did not, (N,) in [-1, 1].

    The mean probability of the true class over the one less that over the others. Feldman and Zhang (2020, arXiv
    2008.03703, section 3) count right answers instead, of 2,000 models; with as few as a suite has most counts tie.

    Args:
        logits: (R, P, C) of the references on the pool, training set first.
        membership: (R, P) which reference saw which example.
        labels: (N,) of the training set.

    Raises:
        ValueError: if the shapes do not match, or an example is in all references or in none.
    """
    total = len(labels)
    if logits.ndim != 3 or membership.shape != logits.shape[:2] or membership.shape[1] < total:
        raise ValueError(f"memorisation: logits {logits.shape} and membership {membership.shape} for {total} labels, "
                         "expected (R, P, C) and (R, P) with P at least the number of labels")
    inside = membership[:, :total]
    seen = inside.sum(axis=0)
    if not ((seen > 0) & (seen < len(inside))).all():
        raise ValueError("memorisation: every training example must be in some references and out of others")
    right = np.stack([np.exp(-losses_from_logits(one[:total], labels)) for one in logits])
    sure: Ranked = (right * inside).sum(axis=0) / seen - (right * ~inside).sum(axis=0) / (len(inside) - seen)
    return sure


def _whole_class(spec: RequestSpec, index: int, seed: int, labels: Integers, num_classes: int) -> ForgetRequest:
    if spec.classes and index >= len(spec.classes):
        raise BadSetting(f"requests: forget set {index} of generator 'class', but 'classes' lists only "
                         f"{len(spec.classes)}; lower 'count' or list more classes")
    label = spec.classes[index] if spec.classes else index
    if not 0 <= label < num_classes:
        raise BadSetting(f"requests: class {label} cannot be forgotten; the classes are 0 to {num_classes - 1}")
    forget = np.flatnonzero(labels == label)
    if len(forget) == 0:
        raise BadSetting(f"requests: class {label} cannot be forgotten; no training example belongs to it")
    if len(forget) == len(labels):
        raise BadSetting(f"requests: class {label} is the whole training set; nothing would be left to retain")
    return ForgetRequest(name=f"class-{label}", scope="class", forget=forget, classes=(label,), generator="class",
                         seed=seed)


def _checked(ranked_by: Ranked | None, generator: str, total: int) -> Ranked:
    what = "what references memorise" if generator == "most-memorised" else "the losses of a trained original"
    if ranked_by is None:
        raise BadSetting(f"requests: generator '{generator}' ranks by {what}; got none")
    if ranked_by.shape != (total,):
        raise BadSetting(f"requests: {total} training examples but losses of shape {ranked_by.shape}")
    if not np.isfinite(ranked_by).all():
        raise BadSetting(f"requests: generator '{generator}' cannot rank losses that are NaN or infinite; "
                         "has the training of the original diverged?")
    return ranked_by


def _poisoned_group(index: int, seed: int, poison: Poison | None) -> ForgetRequest:
    groups = () if poison is None else poison.groups
    if index >= len(groups):
        raise BadSetting(f"requests: forget set {index} of generator 'poisoned', but the training set has {len(groups)} "
                         "groups of poisoned examples; see [data.poison]")
    return ForgetRequest(name=f"poisoned-{len(groups[index])}-{index}", scope="sample", forget=groups[index],
                         generator="poisoned", seed=seed)


def _slice_of_ranking(generator: str, index: int, size: int, ranked_by: Ranked) -> Integers:
    if (index + 1) * size > len(ranked_by):
        raise BadSetting(f"requests: forget set {index} of generator '{generator}' needs ranks up to "
                         f"{(index + 1) * size} of {len(ranked_by)} training examples; lower 'count' or 'size'")
    keys = ranked_by if generator == "lowest-loss" else -ranked_by
    return np.argsort(keys, kind="stable")[index * size:(index + 1) * size]
