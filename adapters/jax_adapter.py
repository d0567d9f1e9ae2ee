"""The ``jax`` adapter; JAX is imported when a factory is asked for, not before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import field, frozen

from adapters.architectures import read_settings, whole_numbers
from adapters.weights import open_weights
from harness.errors import BadSetting
from harness.models import Architecture, Model, ModelFactory
from harness.sources import Source


@frozen(kw_only=True)
class JaxMlpSettings:
    """Settings of ``jax-mlp``.

    Attributes:
        hidden: widths of the hidden layers.
    """

    hidden: tuple[int, ...] = field(default=(128,), converter=whole_numbers)


@frozen
class JaxArchitecture:
    """The one architecture of the adapter; `adapters.jax_model` takes any JAX function from Python."""

    name: str = "jax-mlp"
    adapter: str = "jax"
    description: str = "fully connected ReLU network in JAX; setting hidden"


class JaxAdapter:
    """JAX models on JAX's default device: parameters, gradients of both kinds, training. Install the extra ``jax``."""

    name: ClassVar[str] = "jax"
    version: ClassVar[str] = "1"
    capabilities: ClassVar[frozenset[str]] = frozenset({
        "logits", "loss-gradients", "input-gradients", "parameters", "fit"})

    def factory(self, architecture: Architecture, input_shape: tuple[int, ...], num_classes: int,
                settings: Mapping[str, Any], device: str) -> ModelFactory:
        """Return a factory of networks.

        Args:
            architecture: ``jax-mlp``.
            input_shape: of one input; it is flattened.
            num_classes: C, at least 2.
            settings: of `JaxMlpSettings`.
            device: ``cpu`` or ``auto``; JAX itself decides where it computes.

        Raises:
            BadSetting: if the settings do not fit, or JAX is not installed.
        """
        if architecture.adapter != self.name:
            raise BadSetting(f"architecture '{architecture.name}' belongs to adapter '{architecture.adapter}'; "
                             f"adapter '{self.name}' cannot build it")
        if num_classes < 2:
            raise BadSetting(f"model '{architecture.name}' needs at least 2 classes, got {num_classes}")
        if device not in ("cpu", "auto"):
            raise BadSetting(f"adapter '{self.name}' leaves the device to JAX (JAX_PLATFORMS); use cpu, not '{device}'")
        chosen = read_settings(architecture.name, JaxMlpSettings, settings)
        try:
            from adapters.jax_model import JaxMlpFactory, mlp
        except ImportError as error:
            raise BadSetting(f"adapter '{self.name}' needs the package {error.name}; "
                             "`pip install 'unlearning-harness[jax]'`") from error
        return JaxMlpFactory(input_shape=tuple(input_shape), hidden=chosen.hidden,
                             network=mlp(len(chosen.hidden), num_classes))

    def open(self, source: Source) -> Model:
        """Return the network ``source.architecture`` with the parameters in a safetensors file.

        Raises:
            BadSetting: if no network was named, or the file cannot be read or does not fit it.
        """
        return open_weights(self, source)


JAX_MLP = JaxArchitecture()
