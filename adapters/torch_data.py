"""Training sets as tensors on a device, and the order in which they are gone through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.models import TrainingSet


@frozen(kw_only=True, eq=False)
class TensorSet:
    """A training set whose batches are rows of tensors on one device.

    Attributes:
        inputs: (N, ...) float32.
        targets: (N, C) float32 or (N,) int64.
        weights: (N,) float32, or None when all are one.
        augment: (N,) bool.
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor | None
    augment: Tensor

    def __len__(self) -> int:
        return len(self.inputs)


def tensor_set(data: TrainingSet, num_classes: int, device: torch.device) -> TensorSet:
    """Return a copy of ``data`` on ``device``.

    Raises:
        ValueError: if labels lie outside [0, C) or soft targets do not have C columns.
    """
    targets: NDArray[Any] = np.asarray(data.targets)
    if np.issubdtype(targets.dtype, np.integer):
        wrong = targets[(targets < 0) | (targets >= num_classes)]
        if targets.ndim != 1 or wrong.size:
            raise ValueError(f"TrainingSet: labels must be (N,) and in [0, {num_classes}), got shape {targets.shape} "
                             f"with {wrong[:3].tolist() or 'none'} outside")
        dtype = torch.int64
    else:
        if targets.ndim != 2 or targets.shape[1] != num_classes:
            raise ValueError(f"TrainingSet: soft targets must be (N, {num_classes}), got {targets.shape}")
        dtype = torch.float32
    augment = np.ones(len(data), dtype=bool) if data.augment is None else data.augment
    return TensorSet(
        inputs=torch.tensor(data.inputs, dtype=torch.float32, device=device),
        targets=torch.tensor(targets, dtype=dtype, device=device),
        weights=None if data.weights is None else torch.tensor(data.weights, dtype=torch.float32, device=device),
        augment=torch.tensor(augment, dtype=torch.bool, device=device))


def joined(sets: Sequence[TensorSet]) -> tuple[TensorSet, list[Tensor]]:
    """Return several training sets as one, and the rows of each in it.

    Labels become one-hot rows beside soft targets, and missing weights ones beside given ones.
    """
    ends = np.cumsum([len(part) for part in sets]).tolist()
    rows = [torch.arange(end - len(part), end, device=part.inputs.device)
            for part, end in zip(sets, ends, strict=True)]
    if len(sets) == 1:
        return sets[0], rows
    soft = next((part.targets.shape[1] for part in sets if part.targets.ndim == 2), None)
    targets = [part.targets if soft is None or part.targets.ndim == 2 else
               nn.functional.one_hot(part.targets, soft).float() for part in sets]
    weights = None if all(part.weights is None for part in sets) else torch.cat([
        torch.ones(len(part), device=part.inputs.device) if part.weights is None else part.weights for part in sets])
    return TensorSet(inputs=torch.cat([part.inputs for part in sets]), targets=torch.cat(targets), weights=weights,
                     augment=torch.cat([part.augment for part in sets])), rows


def epoch_orders(size: int, epochs: int, seed: int) -> Iterator[Tensor]:
    """Yield one permutation of ``size`` rows per epoch; the seed decides all of them."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        yield torch.randperm(size, generator=generator)


def weighted_loss(logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean over the batch of ``w_i * CE(softmax(logits_i), t_i)``; the divisor is the batch size."""
    if weights is None:
        return nn.functional.cross_entropy(logits, targets)
    return (nn.functional.cross_entropy(logits, targets, reduction="none") * weights).mean()
