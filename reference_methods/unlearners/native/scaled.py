"""Fine-tuning in which some weights learn more slowly."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from harness import Examples, FitOptions, Model
from harness.data import Booleans
from reference_methods.unlearners.capabilities import native_torch
from reference_methods.unlearners.native.training import make_optimizer, run_epoch, shuffled_training, tensor


def fine_tune_with_scaled_gradients(model: Model, examples: Examples, full: Mapping[str, Booleans], scale: float,
                                    options: FitOptions, seed: int) -> Model:
    """Return ``model`` trained on ``examples`` with all gradients multiplied by ``scale`` but those of ``full``.

    The rate rises linearly over the first epoch and falls linearly to 0 afterwards.
    """
    native = native_torch(model)
    network: nn.Module = native.native
    inputs, labels = tensor(examples.inputs, network), tensor(examples.labels, network)
    factors = [(parameter, torch.where(tensor(full[name], network), 1.0, scale) if name in full else scale)
               for name, parameter in network.named_parameters()]
    optimizer = make_optimizer(network, options)
    steps = -(-len(examples) // options.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rise_and_fall(step, steps, options.epochs))

    def scale_gradients() -> None:
        for parameter, factor in factors:
            if parameter.grad is not None:
                parameter.grad.mul_(factor)

    def loss(rows: Tensor) -> Tensor:
        return nn.functional.cross_entropy(network(inputs[rows]), labels[rows])

    with shuffled_training(network, seed) as order:
        for _ in range(options.epochs):
            run_epoch(optimizer, loss, order(len(examples)), options.batch_size, scale_gradients, schedule.step)
    return native.with_native(network)


def rise_and_fall(step: int, steps_per_epoch: int, epochs: int) -> float:
    """Return the share of the full rate at ``step``, counted from 0."""
    total = steps_per_epoch * epochs
    if step < steps_per_epoch:
        return (step + 1) / steps_per_epoch
    return max(total - step, 0) / max(total - steps_per_epoch, 1)
