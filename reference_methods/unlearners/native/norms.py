"""Gradients of the size of the logits."""

from __future__ import annotations

import torch
from torch import nn

from harness.data import Floats
from harness.models import Parameters
from reference_methods.unlearners.native.training import tensor


def logit_norm_gradients(network: nn.Module, inputs: Floats) -> Parameters:
    """Return the gradient of the mean squared L2 norm of the logits, by parameter name, in evaluation mode."""
    network.eval()
    parameters = {name: value for name, value in network.named_parameters() if value.requires_grad}
    logits = network(tensor(inputs, network))
    gradients = torch.autograd.grad(logits.square().sum(dim=1).mean(), list(parameters.values()))
    return {name: gradient.cpu().numpy() for name, gradient in zip(parameters, gradients, strict=True)}
