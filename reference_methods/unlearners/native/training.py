"""Training loops on PyTorch networks, with a loss of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness import FitOptions

Loss = Callable[[Tensor], Tensor]
"""Returns the loss of a mini-batch from its (B,) row numbers."""

Hook = Callable[[], None]


def network_device(network: nn.Module) -> torch.device:
    """Return where the network computes."""
    return next(network.parameters()).device


def tensor(array: NDArray[np.generic], network: nn.Module) -> Tensor:
    """Return a copy of ``array`` where the network computes."""
    return torch.tensor(array, device=network_device(network))


def make_optimizer(network: nn.Module, options: FitOptions) -> torch.optim.Optimizer:
    """Return the optimizer that ``options`` describe; its rate stays until someone changes it."""
    if options.optimizer == "adam":
        return torch.optim.Adam(network.parameters(), lr=options.lr, weight_decay=options.weight_decay)
    return torch.optim.SGD(network.parameters(), lr=options.lr, momentum=options.momentum,
                           weight_decay=options.weight_decay)


def run_epoch(optimizer: torch.optim.Optimizer, loss: Loss, order: Tensor, batch_size: int,
              before_step: Hook | None = None, after_step: Hook | None = None) -> None:
    """Take one optimizer step for each batch of ``order``, the row numbers in the order of the epoch.

    Args:
        optimizer: of the parameters that the loss depends on.
        loss: of one batch.
        order: (N,) row numbers.
        batch_size: rows a step; the last batch may be smaller.
        before_step: called when gradients are there, and may change them.
        after_step: called when the parameters have moved.
    """
    for rows in torch.split(order, batch_size):
        optimizer.zero_grad()
        torch.autograd.backward(loss(rows))
        if before_step is not None:
            before_step()
        optimizer.step()
        if after_step is not None:
            after_step()


@contextmanager
def shuffled_training(network: nn.Module, seed: int) -> Iterator[Callable[[int], Tensor]]:
    """Put the network in training mode and give a function that returns a random order of N rows.

    Dropout draws from torch's global generator, which is seeded inside and restored afterwards. The network is left in
    evaluation mode.
    """
    device = network_device(network)
    orders = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        network.train()
        try:
            yield lambda count: torch.randperm(count, generator=orders).to(device)
        finally:
            network.eval()


def step_rate(options: FitOptions, epoch: int) -> float:
    """Return the learning rate in an epoch of a constant or stepped schedule."""
    return options.lr * (options.gamma ** (epoch // options.step_size) if options.schedule == "step" else 1.0)


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every group of parameters."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def temperature_kl(teacher: Tensor, student: Tensor, temperature: float = 1.0) -> Tensor:
    """Return T^2 KL(softmax(teacher / T) || softmax(student / T)), summed over classes, averaged over the batch.

    Args:
        teacher, student: (B, C) logits.
        temperature: T; the factor T^2 keeps gradients at the scale of T = 1 (Hinton et al. 2015).
    """
    said = nn.functional.log_softmax(student / temperature, dim=1)
    wanted = nn.functional.log_softmax(teacher / temperature, dim=1)
    # The reduction 'mean' would also divide by the number of classes.
    return nn.functional.kl_div(said, wanted, reduction="batchmean", log_target=True) * temperature**2
