"""The leaking mask of early saliency code."""

from __future__ import annotations

import torch
from torch import nn

from harness import FitOptions, Model, TrainingSet
from harness.models import Parameters
from reference_methods.unlearners.capabilities import native_torch
from reference_methods.unlearners.native.training import (
    make_optimizer,
    run_epoch,
    set_rate,
    shuffled_training,
    step_rate,
    tensor,
)


def fit_with_leaking_mask(model: Model, data: TrainingSet, options: FitOptions, mask: Parameters, seed: int) -> Model:
    """Return ``model`` trained on labels with gradients multiplied by ``mask``, and nothing else.

    Weight decay, and the momentum that it builds up, move masked weights, as in SalUn before February 2026.
    """
    original = native_torch(model)
    network: nn.Module = original.native
    inputs, labels = tensor(data.inputs, network), tensor(data.targets, network)
    parameters = dict(network.named_parameters())
    allowed = [(parameters[name], tensor(entries, network)) for name, entries in mask.items()]

    def hide_gradients() -> None:
        for parameter, entries in allowed:
            if parameter.grad is not None:
                parameter.grad.mul_(entries)

    def loss(rows: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(network(inputs[rows]), labels[rows])

    optimizer = make_optimizer(network, options)
    with shuffled_training(network, seed) as order:
        for epoch in range(options.epochs):
            set_rate(optimizer, step_rate(options, epoch))
            run_epoch(optimizer, loss, order(len(inputs)), options.batch_size, before_step=hide_gradients)
    return original.with_native(network)
