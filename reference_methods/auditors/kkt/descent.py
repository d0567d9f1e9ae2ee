"""Gradient descent on several restarts at once, each with learning rates of its own."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor


class Descent(Protocol):
    """One variable's optimiser."""

    def step(self, value: Tensor, gradient: Tensor, scale: float) -> None:
        """Change ``value`` in place, with ``scale`` times the learning rate."""
        ...


class Momentum:
    """Stochastic gradient descent's rule v <- 0.9 v + g, x <- x - rate v, as published."""

    def __init__(self, value: Tensor, rate: Tensor) -> None:
        self.rate = rate
        self.velocity = torch.zeros_like(value)

    def step(self, value: Tensor, gradient: Tensor, scale: float) -> None:
        """Change ``value`` in place."""
        self.velocity.mul_(0.9).add_(gradient)
        value.sub_(scale * self.rate * self.velocity)


class Adam:
    """Kingma and Ba 2015, arXiv:1412.6980, algorithm 1."""

    def __init__(self, value: Tensor, rate: Tensor) -> None:
        self.rate = rate
        self.mean, self.square = torch.zeros_like(value), torch.zeros_like(value)
        self.steps = 0

    def step(self, value: Tensor, gradient: Tensor, scale: float) -> None:
        """Change ``value`` in place."""
        self.steps += 1
        self.mean.mul_(0.9).add_(gradient, alpha=0.1)
        self.square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        root = (self.square / (1 - 0.999**self.steps)).sqrt_().add_(1e-12)
        value.sub_(scale / (1 - 0.9**self.steps) * self.rate * (self.mean / root))


DESCENTS: dict[str, type[Momentum] | type[Adam]] = {"sgd": Momentum, "adam": Adam}


def cosine(step: int, steps: int) -> float:
    """Return the factor of the learning rate at ``step`` (from 1) of ``steps``: from 1 down to 0."""
    return 0.5 * (1 + math.cos(math.pi * step / steps))
