"""SGD and Adam over one flat tensor, for training without autograd.

They make the updates of ``torch.optim``. Beside a network that trains in 50 microseconds a step, its bookkeeping
would cost a quarter of the time, and its first use imports a compiler for a second in every worker process.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from harness.models import FitOptions

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


class FlatOptimizer(Protocol):
    """Updates a tensor in place from its gradient."""

    def step(self, rate: float) -> None:
        """Make one step of learning rate ``rate``; the gradient's values are used up."""
        ...


class FlatSgd:
    """``torch.optim.SGD`` over one tensor."""

    def __init__(self, values: Tensor, gradient: Tensor, options: FitOptions) -> None:
        """Prepare to update ``values`` from ``gradient``, both of which are kept, not copied."""
        self._values, self._gradient, self._options = values, gradient, options
        self._velocity = torch.zeros_like(values) if options.momentum else None

    def step(self, rate: float) -> None:
        """Make one step of learning rate ``rate``."""
        options, direction = self._options, self._gradient
        if options.weight_decay:
            direction.add_(self._values, alpha=options.weight_decay)
        if self._velocity is not None:
            self._velocity.mul_(options.momentum).add_(direction)
            direction = direction.add_(self._velocity, alpha=options.momentum) if options.nesterov else self._velocity
        self._values.add_(direction, alpha=-rate)


class FlatAdam:
    """``torch.optim.Adam`` over one tensor."""

    def __init__(self, values: Tensor, gradient: Tensor, options: FitOptions) -> None:
        """Prepare to update ``values`` from ``gradient``, both of which are kept, not copied."""
        self._values, self._gradient, self._options = values, gradient, options
        self._mean, self._square = torch.zeros_like(values), torch.zeros_like(values)
        self._steps = 0

    def step(self, rate: float) -> None:
        """Make one step of learning rate ``rate``."""
        gradient = self._gradient
        if self._options.weight_decay:
            gradient.add_(self._values, alpha=self._options.weight_decay)
        self._steps += 1
        self._mean.lerp_(gradient, 1 - _BETA1)
        self._square.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
        unbiased = 1 - _BETA2 ** self._steps
        spread = (self._square / unbiased).sqrt_().add_(_EPSILON)
        self._values.addcdiv_(self._mean, spread, value=-rate / (1 - _BETA1 ** self._steps))


def flat_optimizer(values: Tensor, gradient: Tensor, options: FitOptions) -> FlatOptimizer:
    """Return the optimizer that ``options`` describe."""
    return (FlatAdam if options.optimizer == "adam" else FlatSgd)(values, gradient, options)
