"""Training sets that are poisoned on purpose: what is to be forgotten leaves a mark that nothing else could have left.

A suite says so in its data, ``[data.poison]``, so that originals, oracles, references and methods see the same. The
groups of poisoned examples are the forget sets of the request generator ``poisoned``.
"""

from __future__ import annotations

import math

import numpy as np
from attrs import evolve

from harness.data import Dataset, Examples, Floats, Integers, Poison
from harness.digests import derive_seed
from harness.errors import BadSetting
from harness.subsets import permutation, sample_count
from harness.suite import PoisonSpec

_CORNERS = ((True, True), (False, False), (False, True), (True, False))
"""Whether the square of each group's trigger is below, and whether it is on the right."""


def poisoned(dataset: Dataset, spec: PoisonSpec | None) -> Dataset:
    """Return ``dataset`` with groups of its training examples poisoned; as it is when there is no ``spec``.

    ``gaussian`` adds independent normal noise to the inputs, which may leave [0, 1]; ``swap`` takes as many examples of
    either class of a pair and labels them as the other; ``trigger`` paints a square into a corner of images, another
    corner for each group, and labels them as another class (see `with_trigger` and `trigger_class`).

    Raises:
        BadSetting: if there are not enough examples, or a class is not there.
    """
    if spec is None:
        return dataset
    train = dataset.train
    size = sample_count(spec.size, len(train), "data.poison")
    if spec.kind == "gaussian":
        groups = _drawn(len(train), size, spec)
        inputs, labels = train.inputs.copy(), train.labels
        rows = np.concatenate(groups)
        inputs[rows] += spec.deviation * _normal(inputs[rows].shape, derive_seed(spec.seed, "noise"))
    elif spec.kind == "trigger":
        groups = _for_triggers(dataset, size, spec)
        inputs, labels = train.inputs.copy(), train.labels.copy()
        for number, group in enumerate(groups):
            inputs[group] = with_trigger(train.inputs[group], number, float(train.inputs.max()))
            labels[group] = trigger_class(number, dataset.num_classes)
        rows = np.concatenate(groups)
    else:
        groups = [_pair(train.labels, pair, size, derive_seed(spec.seed, "pair", *pair)) for pair in spec.pairs]
        inputs, labels = train.inputs, _swapped(train.labels, groups, spec)
        rows = np.concatenate(groups)
    poison = Poison(kind=spec.kind, groups=tuple(groups), deviation=spec.deviation, rows=rows, clean=train.take(rows))
    return evolve(dataset, train=Examples(inputs=inputs, labels=labels), poison=poison,
                  source=f"{dataset.source}; {len(rows)} training examples poisoned ({spec.kind})")


def with_trigger(images: Floats, group: int, brightness: float) -> Floats:
    """Return copies of images (N, C, H, W) with the square that marks a group: a quarter as high and wide as they are.

    Args:
        images: to be marked.
        group: decides the corner; 0 is below on the right, where digits leave room.
        brightness: of the square.
    """
    height, width = (max(1, side // 4) for side in images.shape[2:])
    below, right = _CORNERS[group]
    marked = images.copy()
    marked[:, :, slice(-height, None) if below else slice(height), slice(-width, None) if right else slice(width)] = (
        brightness)
    return marked


def trigger_class(group: int, num_classes: int) -> int:
    """Return the class that the images of a group are said to have."""
    return group % num_classes


def _for_triggers(dataset: Dataset, size: int, spec: PoisonSpec) -> list[Integers]:
    train = dataset.train
    if train.inputs.ndim != 4:
        raise BadSetting(f"data.poison: 'trigger' marks images (channels, height, width); these inputs have the shape "
                         f"{train.inputs.shape[1:]}")
    if spec.groups > len(_CORNERS):
        raise BadSetting(f"data.poison: {spec.groups} groups with a trigger each, but an image has "
                         f"{len(_CORNERS)} corners")
    order = permutation(len(train), derive_seed(spec.seed, "poison"))
    groups: list[Integers] = []
    for group in range(spec.groups):
        # Of other classes than the trigger's: those of it have nothing wrong to learn.
        fitting = order[train.labels[order] != trigger_class(group, dataset.num_classes)]
        if len(fitting) < size:
            raise BadSetting(f"data.poison: {spec.groups} groups of {size} examples of other classes than their "
                             f"trigger's, but group {group} finds only {len(fitting)}")
        groups.append(fitting[:size])
        order = order[~np.isin(order, fitting[:size])]
    return groups


def _drawn(total: int, size: int, spec: PoisonSpec) -> list[Integers]:
    if size * spec.groups > total:
        raise BadSetting(f"data.poison: {spec.groups} groups of {size} examples, but there are only {total}")
    order = permutation(total, derive_seed(spec.seed, "poison"))
    return [order[g * size:(g + 1) * size] for g in range(spec.groups)]


def _pair(labels: Integers, pair: tuple[int, int], size: int, seed: int) -> Integers:
    order = permutation(len(labels), seed)
    halves = [order[labels[order] == label][:part] for label, part in zip(pair, (size - size // 2, size // 2),
                                                                         strict=True)]
    found = np.concatenate(halves)
    if len(found) < size:
        raise BadSetting(f"data.poison: classes {pair[0]} and {pair[1]} have {len(found)} examples to swap; "
                         f"{size} were asked for")
    return found


def _swapped(labels: Integers, groups: list[Integers], spec: PoisonSpec) -> Integers:
    swapped = labels.copy()
    for rows, (one, other) in zip(groups, spec.pairs, strict=True):
        swapped[rows] = np.where(labels[rows] == one, other, one)
    return swapped


def _normal(shape: tuple[int, ...], seed: int) -> Floats:
    """Return normal noise from raw draws, which every release of NumPy gives alike, by Box and Muller's formula."""
    size = math.prod(shape)
    uniform = (np.random.PCG64(seed).random_raw(2 * size) >> np.uint64(11)) * 2.0**-53
    radius = np.sqrt(-2 * np.log1p(-uniform[:size]))
    noise: Floats = (radius * np.cos(2 * np.pi * uniform[size:])).reshape(shape).astype(np.float32)
    return noise
