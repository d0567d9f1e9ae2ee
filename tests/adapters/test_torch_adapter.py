"""The adapter, its hooks, and what importing them loads."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from attrs import frozen
from torch import nn

from adapters.plugin import harness_adapters, harness_models
from adapters.torch_adapter import TorchAdapter
from harness.errors import BadSetting
from harness.models import CAPABILITIES, FLEETS, Adapter, Architecture, capabilities
from tests.adapters.conftest import NETWORKS, factory_of


def test_importing_the_plugin_loads_no_framework() -> None:
    program = ("import sys, adapters.plugin as plugin; plugin.harness_adapters(); plugin.harness_models(); "
               "print([name for name in ('torch', 'torchvision', 'sklearn') if name in sys.modules])")

    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert finished.stdout.strip() == "[]"


def test_hooks_return_what_the_contracts_ask_for() -> None:
    assert TorchAdapter in harness_adapters()
    assert isinstance(TorchAdapter(), Adapter)
    assert all(isinstance(architecture, Architecture) for architecture in harness_models())


def test_declared_capabilities_are_those_of_its_models() -> None:
    assert TorchAdapter.capabilities == capabilities(factory_of("mlp").build(0)) | set(FLEETS)
    assert TorchAdapter.capabilities == set(CAPABILITIES) | set(FLEETS)


@frozen
class _Strangers:
    """An architecture of another package."""

    network: nn.Module
    name: str = "theirs"
    adapter: str = "torch"
    description: str = "a test's"

    def build(self, input_shape: tuple[int, ...], num_classes: int, settings: Mapping[str, Any]) -> nn.Module:
        return self.network


def test_a_strangers_architecture_can_be_built() -> None:
    factory = TorchAdapter().factory(_Strangers(nn.Linear(3, 2)), (3,), 2, {}, "cpu")

    assert factory.build(0).logits(torch.zeros(4, 3).numpy()).shape == (4, 2)


@pytest.mark.parametrize(("network", "message"), [
    (nn.Linear(3, 5), r"model 'theirs' returns \(2, 5\) for 2 inputs, expected \(2, 2\)"),
    (nn.Linear(4, 2), r"model 'theirs' cannot take inputs of shape \(3,\): "),
])
def test_networks_that_do_not_fit_are_refused_before_anything_is_trained(network: nn.Module, message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        TorchAdapter().factory(_Strangers(network), (3,), 2, {}, "cpu")


def test_architectures_of_another_adapter_are_refused() -> None:
    with pytest.raises(BadSetting, match="architecture 'theirs' belongs to adapter 'jax'"):
        TorchAdapter().factory(_Strangers(nn.Linear(3, 2), adapter="jax"), (3,), 2, {}, "cpu")


def test_one_class_and_unknown_devices_are_refused() -> None:
    with pytest.raises(BadSetting, match="at least 2 classes, got 1"):
        TorchAdapter().factory(NETWORKS["mlp"], (3,), 1, {}, "cpu")
    with pytest.raises(BadSetting, match="device 'tpu' is not available"):
        TorchAdapter().factory(NETWORKS["mlp"], (3,), 2, {}, "tpu")
