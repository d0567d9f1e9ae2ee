"""Random subsets that are the same on every machine and with every release of NumPy."""

from __future__ import annotations

import numpy as np
from attrs import evolve

from harness.data import Dataset, Examples, Integers
from harness.digests import derive_seed
from harness.errors import BadSetting
from harness.suite import DataSpec


def permutation(size: int, seed: int) -> Integers:
    """Return the integers below ``size`` in an order decided by ``seed`` (at least 0) alone.

    The order is that of raw PCG64 draws: NumPy promises to keep those (NEP 19), while the stream behind
    ``Generator.permutation`` may change with a release and would take every published forget set with it.
    """
    return np.argsort(np.random.PCG64(seed).random_raw(size), kind="stable")


def stratified_indices(labels: Integers, size: int, seed: int) -> Integers:
    """Return ``size`` indices into ``labels``, sorted, with every class in its share.

    A class with n of N labels gets ``size * n / N`` places rounded down or up; places left over by rounding down go to
    the largest remainders (Hamilton's method), the lower class first among equals.

    Args:
        labels: (N,) int64.
        size: between 0 and N.
        seed: decides which members of a class are taken.

    Raises:
        ValueError: if ``size`` is not between 0 and N.
    """
    if not 0 <= size <= len(labels):
        raise ValueError(f"stratified_indices: size {size} is outside [0, {len(labels)}]")
    if size == 0:
        return np.empty(0, dtype=np.int64)
    classes, counts = np.unique(labels, return_counts=True)
    places, remainders = np.divmod(size * counts, len(labels))
    left_over = size - places.sum()
    places[np.argsort(-remainders, kind="stable")[:left_over]] += 1
    order = permutation(len(labels), seed)
    taken = [order[labels[order] == label][:count] for label, count in zip(classes, places, strict=True)]
    return np.sort(np.concatenate(taken))


def subset(dataset: Dataset, spec: DataSpec) -> Dataset:
    """Return ``dataset`` cut down to the sizes in ``spec``: stratified, decided by its seed, in the original order.

    Raises:
        BadSetting: if a size is larger than what there is, or nothing is held out although it should be.
    """
    train = _part(dataset.train, spec.train, spec, "train")
    if spec.held_out:
        train, test = _split(train, spec)
    else:
        test = _part(dataset.test, spec.test, spec, "test")
    return evolve(dataset, train=train, test=test)


def _split(train: Examples, spec: DataSpec) -> tuple[Examples, Examples]:
    size = round(spec.held_out * len(train))
    if not 0 < size < len(train):
        raise BadSetting(f"data '{spec.name}': held_out = {spec.held_out} sets {size} of {len(train)} training "
                         "examples aside; expected 1 to all but one")
    held_out = np.zeros(len(train), dtype=bool)
    held_out[stratified_indices(train.labels, size, derive_seed(spec.seed, "held out"))] = True
    return train.take(np.flatnonzero(~held_out)), train.take(np.flatnonzero(held_out))


def _part(examples: Examples, size: int | None, spec: DataSpec, part: str) -> Examples:
    if size is None or size == len(examples):
        return examples
    if size > len(examples):
        raise BadSetting(f"data '{spec.name}': {part} = {size}, but it has only {len(examples)} {part} examples; "
                         f"ask for at most that many, or leave '{part}' out to take all")
    return examples.take(stratified_indices(examples.labels, size, derive_seed(spec.seed, "subset", part)))


def sample_count(size: float, total: int, what: str) -> int:
    """Return the number of samples that ``size`` means: itself, or a share of ``total`` when below 1.

    Raises:
        BadSetting: naming ``what``, if it is nothing, everything or a part of a sample.
    """
    if size >= 1 and size != int(size):
        raise BadSetting(f"{what}: size = {size} is neither a number of samples nor a share of the training set below "
                         "1")
    count = round(size * total) if size < 1 else int(size)
    if not 0 < count < total:
        raise BadSetting(f"{what}: size = {size} takes {count} of {total} training examples; expected 1 to {total - 1}")
    return count
