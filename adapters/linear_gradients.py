"""Gradients of softmax regression, for M models at once."""

from __future__ import annotations

import numpy as np

from adapters.array_training import Stack
from adapters.arrays import softmax
from harness.data import Floats

WEIGHT, BIAS = "output.weight", "output.bias"
"""Names of the (M, C, D) weights and (M, C) biases: those of the torch adapter's ``mlp`` without hidden layers."""


def stack_gradients(stack: Stack, inputs: Floats, targets: Floats, weights: Floats) -> Stack:
    """Return the gradients of each model's mean of ``w_i * CE(softmax(logits(x_i)), t_i)``.

    Args:
        stack: M models.
        inputs: (M, B, ...).
        targets: (M, B, C).
        weights: (M, B).
    """
    flat = inputs.reshape(*inputs.shape[:2], -1)
    slope = softmax(flat @ stack[WEIGHT].transpose(0, 2, 1) + stack[BIAS][:, None]) - targets
    slope *= weights[..., None] / np.float32(inputs.shape[1])
    return {WEIGHT: slope.transpose(0, 2, 1) @ flat, BIAS: slope.sum(axis=1)}
