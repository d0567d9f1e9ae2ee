"""Stacked training: which networks it takes, and its closed-form gradients against autograd."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from adapters.torch_stacked import _Stack, linear_layers, set_gradients
from tests.adapters.conftest import factory_of


def _network(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), *layers)


@pytest.mark.parametrize(("settings", "count"), [
    ({"hidden": []}, 1), ({"hidden": [5]}, 2), ({"hidden": [5, 6], "bias": "first"}, 3), ({"bias": False}, 2)])
def test_networks_named_mlp_are_plain(settings: dict[str, object], count: int) -> None:
    assert len(linear_layers(factory_of("mlp", **settings).build(0).native)) == count


def _hooked() -> nn.Module:
    network = _network(nn.Linear(3, 2))
    network[1].register_forward_hook(lambda module, inputs, output: 2 * output)
    return network


def _shared() -> nn.Module:
    layer = nn.Linear(3, 3)
    return _network(layer, nn.ReLU(), layer)


@pytest.mark.parametrize("module", [
    nn.Linear(3, 2), _network(), _network(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2)),
    _network(nn.Linear(3, 3), nn.Linear(3, 2)), _network(nn.Linear(3, 2), nn.ReLU()),
    _network(nn.Dropout(), nn.Linear(3, 2)), _network(nn.Linear(3, 2)).double(),
    _network(nn.Linear(3, 2)).requires_grad_(False), _network(nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))),
    _hooked(), _shared()])
def test_networks_that_may_compute_anything_else_are_not_plain(module: nn.Module) -> None:
    assert linear_layers(module) == []


@pytest.mark.parametrize("settings", [
    {"hidden": []}, {"hidden": [7]}, {"hidden": [7, 5], "bias": False}, {"hidden": [6, 5, 7], "bias": "first"}])
def test_gradients_are_those_of_autograd(settings: dict[str, object]) -> None:
    factory = factory_of("mlp", (6,), 4, **settings)
    modules = [factory.build(seed).native for seed in range(3)]
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(3, 10, 6, generator=generator)
    targets = torch.softmax(torch.randn(3, 4, 10, generator=generator), dim=1)
    weights = torch.randn(3, 10, generator=generator)
    stack = _Stack(modules)

    set_gradients(stack.layers(), inputs, targets, weights)

    for index, module in enumerate(modules):
        losses = nn.functional.cross_entropy(module(inputs[index]), targets[index].t(), reduction="none")
        (losses * weights[index]).mean().backward()
        for mine, parameter in zip(stack.gradients, module.parameters(), strict=True):
            torch.testing.assert_close(mine[index], parameter.grad)  # torch's tolerance for float32
