"""Boundary expanding on a PyTorch network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness import FitOptions, Model, UnlearnTask
from harness.digests import derive_seed
from reference_methods.unlearners.capabilities import native_torch
from reference_methods.unlearners.native.layers import last_linear
from reference_methods.unlearners.native.training import (
    make_optimizer,
    run_epoch,
    set_rate,
    shuffled_training,
    step_rate,
    tensor,
)


def expand_and_prune(task: UnlearnTask, options: FitOptions) -> Model:
    """Return the original after D_F was trained into an extra class that was then removed."""
    original = native_torch(task.original)
    network: nn.Module = original.native
    extra = last_linear(network)[1].out_features
    _replace_head(network, extra + 1, derive_seed(task.seed, "extra class"))
    inputs = tensor(task.forget.inputs, network)

    def loss(rows: Tensor) -> Tensor:
        return nn.functional.cross_entropy(network(inputs[rows]), torch.full_like(rows, extra))

    # Made after the head was replaced, so that its new row is trained as well.
    optimizer = make_optimizer(network, options)
    with shuffled_training(network, task.seed) as order:
        for epoch in range(options.epochs):
            set_rate(optimizer, step_rate(options, epoch))
            run_epoch(optimizer, loss, order(len(inputs)), options.batch_size)
    _replace_head(network, extra, task.seed)
    return original.with_native(network)


def _replace_head(network: nn.Module, outputs: int, seed: int) -> None:
    """Give the last linear layer ``outputs`` outputs: the first keep their weights, a new one has fresh weights."""
    name, old = last_linear(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Linear(old.in_features, outputs, bias=old.bias is not None)
    kept = min(outputs, old.out_features)
    with torch.no_grad():
        head.weight[:kept] = old.weight[:kept]
        if old.bias is not None:
            head.bias[:kept] = old.bias[:kept]
    owner, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(owner), attribute, head.to(old.weight.device).train(old.training))
