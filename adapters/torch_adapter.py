"""The ``torch`` adapter; PyTorch is imported when a factory is asked for, not before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from adapters.weights import open_weights
from harness.errors import BadSetting
from harness.models import CAPABILITIES, Architecture, Model, ModelFactory
from harness.sources import Source

if TYPE_CHECKING:
    from torch import nn


@runtime_checkable
class TorchArchitecture(Architecture, Protocol):
    """An architecture that the ``torch`` adapter can build."""

    def build(self, input_shape: tuple[int, ...], num_classes: int, settings: Mapping[str, Any]) -> nn.Module:
        """Return a network initialised from torch's global generator, which the caller has seeded.

        Raises:
            BadSetting: if a setting is unknown or ``input_shape`` does not fit.
        """
        ...


class TorchAdapter:
    """PyTorch models on a CPU or a CUDA device."""

    name: ClassVar[str] = "torch"
    version: ClassVar[str] = "1"
    capabilities: ClassVar[frozenset[str]] = frozenset(CAPABILITIES) | {"fit-many", "fit-each"}

    def factory(self, architecture: Architecture, input_shape: tuple[int, ...], num_classes: int,
                settings: Mapping[str, Any], device: str) -> ModelFactory:
        """Return a factory of ``architecture``; one model is built and tried on zeros to see that all fits.

        Args:
            architecture: one with a ``build`` (`TorchArchitecture`).
            input_shape: of one input, e.g. ``(3, 32, 32)``.
            num_classes: C, at least 2.
            settings: of the architecture.
            device: ``cpu``, ``cuda``, ``cuda:1`` or ``auto`` (``cuda`` where there is one, else ``cpu``).

        Raises:
            BadSetting: if the settings, the shape or the device do not fit.
        """
        if architecture.adapter != self.name or not isinstance(architecture, TorchArchitecture):
            raise BadSetting(f"architecture '{architecture.name}' belongs to adapter '{architecture.adapter}'; "
                             f"adapter '{self.name}' cannot build it")
        from adapters.torch_fleet import TorchFactory, device_named

        factory = TorchFactory(architecture=architecture, input_shape=tuple(input_shape), num_classes=num_classes,
                               settings=dict(settings), device=device_named(device))
        factory.check()
        return factory

    def open(self, source: Source) -> Model:
        """Return the network ``source.architecture`` with the parameters and buffers in a safetensors file.

        Raises:
            BadSetting: if no network was named, or the file cannot be read or does not fit it.
        """
        return open_weights(self, source)
