"""Inputs and targets as the flat arrays that models without a framework compute on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data import Floats
from harness.models import TrainingSet, one_hot


def softmax(logits: Floats) -> Floats:
    """Return probabilities over the last axis."""
    powers: Floats = np.exp(logits - logits.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def flat(inputs: Floats) -> Floats:
    """Return (N, D) float32 from (N, ...)."""
    array = np.asarray(inputs, dtype=np.float32)
    return array.reshape(len(array), -1) if len(array) else array.reshape(0, int(np.prod(array.shape[1:])))


def soft_targets(data: TrainingSet, num_classes: int) -> Floats:
    """Return (N, C) targets.

    Raises:
        ValueError: if labels lie outside [0, C) or soft targets do not have C columns.
    """
    targets: NDArray[Any] = np.asarray(data.targets)
    if not np.issubdtype(targets.dtype, np.integer):
        if targets.ndim != 2 or targets.shape[1] != num_classes:
            raise ValueError(f"TrainingSet: soft targets must be (N, {num_classes}), got {targets.shape}")
        return targets.astype(np.float32)
    wrong = targets[(targets < 0) | (targets >= num_classes)]
    if targets.ndim != 1 or wrong.size:
        raise ValueError(f"TrainingSet: labels must be (N,) and in [0, {num_classes}), got shape {targets.shape} "
                         f"with {wrong[:3].tolist() or 'none'} outside")
    return one_hot(targets, num_classes)
