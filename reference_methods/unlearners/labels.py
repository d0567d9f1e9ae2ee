"""Policies for wrong labels. Published methods differ in all of them, so each is an explicit argument."""

from __future__ import annotations

import numpy as np

from harness.data import Integers


def random_labels(labels: Integers, num_classes: int, random: np.random.Generator, exclude_true: bool) -> Integers:
    """Return (N,) random labels: uniform over the other C - 1 classes, or over all C.

    AMUN's baseline draws from C - 1 classes; SalUn, MUNBa and Deep Unlearning draw from C, so that about one sample
    in C keeps its label.

    Raises:
        ValueError: if there is no other class.
    """
    if not exclude_true:
        return random.integers(num_classes, size=len(labels))
    return other_labels(labels[:, None], num_classes, random)


def other_labels(taken: Integers, num_classes: int, random: np.random.Generator) -> Integers:
    """Return (N,) labels, each uniform over the classes that are not in its row of ``taken`` (N, J).

    Raises:
        ValueError: if a row leaves no class.
    """
    allowed = np.ones((len(taken), num_classes), dtype=bool)
    np.put_along_axis(allowed, taken, False, axis=1)
    left = allowed.sum(axis=1)
    if len(taken) and left.min() == 0:
        raise ValueError(f"no label is left to draw: {taken.shape[1]} of {num_classes} classes are taken")
    rank = random.integers(left)
    drawn: Integers = np.argmax(np.cumsum(allowed, axis=1) > rank[:, None], axis=1)
    return drawn
