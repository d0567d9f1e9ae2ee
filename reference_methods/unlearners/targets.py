"""Soft targets made of a frozen teacher's logits: a teacher that is an array cannot be trained by mistake."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import ForgetRequest
from harness.data import Booleans, Floats, Integers
from harness.models import Parameters


def softmax(logits: NDArray[Any]) -> Floats:
    """Return the probabilities of each row; an entry of minus infinity gets none."""
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    probabilities: Floats = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities


def forgotten_classes(labels: Integers, request: ForgetRequest, num_classes: int) -> Booleans:
    """Return (K, C) bool: each sample's own class, and every class that a class request forgets.

    Raises:
        ValueError: if no class is left.
    """
    forgotten = np.zeros((len(labels), num_classes), dtype=bool)
    forgotten[np.arange(len(labels)), labels] = True
    forgotten[:, list(request.classes)] = True
    if forgotten.all(axis=1).any():
        raise ValueError(f"request '{request.name}' forgets all {num_classes} classes; none is left as a target")
    return forgotten


def targets_without(logits: Floats, forgotten: Booleans, tilt: NDArray[Any] | float = 0.0) -> Floats:
    """Return (K, C) the teacher's probabilities times exp(tilt), without the forgotten classes, renormalised.

    Computed from logits: with a saturated teacher p / (1 - p(forgotten)) would be 0 / 0.

    Args:
        logits: (K, C) of the teacher.
        forgotten: (K, C), True at the classes that get no probability.
        tilt: (K, C), added to the logits; 0 leaves the odds of the other classes as they are.
    """
    return softmax(np.where(forgotten, -np.inf, logits + tilt))


def class_similarity(head: Floats, components: int | None, temperature: float) -> NDArray[np.float64]:
    """Return (C, C): row y is a distribution over the other classes, by the likeness of their last-layer weights.

    Weight rows are projected on their principal components; cosines to row y go through a softmax over the others.

    Args:
        head: (C, D) rows of the last linear layer.
        components: principal components to keep; all when None.
        temperature: of the softmax; small is sharp.
    """
    centred = head.astype(np.float64) - head.mean(axis=0, dtype=np.float64)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    projected = centred @ directions[:components].T
    lengths = np.linalg.norm(projected, axis=1)
    cosines = projected @ projected.T / np.maximum(np.outer(lengths, lengths), np.finfo(np.float64).tiny)
    scaled = cosines / temperature
    np.fill_diagonal(scaled, -np.inf)
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    similarity: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return similarity


def head_weight(parameters: Parameters, num_classes: int) -> Floats:
    """Return the (C, D) weights of the last matrix among ``parameters``, which is taken for the linear head.

    Raises:
        ValueError: if there is no matrix, or the last one has no row per class.
    """
    matrices = [array for array in parameters.values() if array.ndim == 2]
    if not matrices or len(matrices[-1]) != num_classes:
        shape = matrices[-1].shape if matrices else "no matrix"
        raise ValueError(f"expected a linear head with a row for each of {num_classes} classes as the last matrix, "
                         f"got {shape}")
    return matrices[-1]
