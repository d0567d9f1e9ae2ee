"""The hooks of this package; importing it loads no framework."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import cast

import click

from adapters.architectures import ARCHITECTURES
from adapters.export_command import export
from adapters.given import CallableAdapter, SignalsAdapter
from adapters.http_adapter import HttpAdapter
from adapters.jax_adapter import JAX_MLP, JaxAdapter
from adapters.linear_adapter import LINEAR, LinearAdapter
from adapters.onnx_adapter import OnnxAdapter
from adapters.sklearn_adapter import ESTIMATORS, SklearnAdapter
from adapters.torch_adapter import TorchAdapter
from harness import Adapter, Architecture, hookimpl


@hookimpl
def harness_adapters() -> Sequence[type[Adapter]]:
    """Return the adapters of this package."""
    adapters: list[type[Adapter]] = [TorchAdapter, LinearAdapter, SklearnAdapter, OnnxAdapter, HttpAdapter,
                                     CallableAdapter, SignalsAdapter]
    return [*adapters, JaxAdapter] if _has_jax() else adapters


@hookimpl
def harness_models() -> Sequence[Architecture]:
    """Return the architectures of this package."""
    return cast(Sequence[Architecture], [*ARCHITECTURES, LINEAR, *ESTIMATORS, *([JAX_MLP] if _has_jax() else [])])


@hookimpl
def harness_commands() -> Sequence[click.Command]:
    """Return the commands about single models."""
    return [export]


def _has_jax() -> bool:
    """Return whether JAX is installed, the only framework here that is an extra; without it nothing of it is listed."""
    return find_spec("jax") is not None
