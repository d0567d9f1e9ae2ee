"""The ``linear`` adapter: softmax regression in NumPy, for tests, tutorials and convex baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import evolve, field, frozen, validators

from adapters.architectures import read_settings
from adapters.weights import open_weights
from harness.errors import BadSetting
from harness.models import CAPABILITIES, Architecture, Model, ModelFactory
from harness.sources import Source


@frozen(kw_only=True)
class LinearSettings:
    """Settings of ``linear``.

    Attributes:
        scale: factor on the initial parameters; 0 starts at zero.
    """

    scale: float = field(default=1.0, validator=[validators.instance_of((int, float)), validators.ge(0)])


@frozen
class LinearArchitecture:
    """The one architecture of the adapter."""

    name: str = "linear"
    adapter: str = "linear"
    description: str = "softmax regression in NumPy, differentiable, trained in milliseconds; setting scale"


class LinearAdapter:
    """Softmax regression in NumPy on a CPU: every capability but native-torch, and no framework to import."""

    name: ClassVar[str] = "linear"
    version: ClassVar[str] = "1"
    capabilities: ClassVar[frozenset[str]] = frozenset(CAPABILITIES) - {"native-torch"} | {"fit-many"}

    def factory(self, architecture: Architecture, input_shape: tuple[int, ...], num_classes: int,
                settings: Mapping[str, Any], device: str) -> ModelFactory:
        """Return a factory of softmax regressions.

        Args:
            architecture: ``linear``.
            input_shape: of one input; it is flattened.
            num_classes: C, at least 2.
            settings: of `LinearSettings`.
            device: ``cpu`` or ``auto``.

        Raises:
            BadSetting: if the settings or the device do not fit.
        """
        from adapters.linear_model import LinearFactory

        if architecture.adapter != self.name:
            raise BadSetting(f"architecture '{architecture.name}' belongs to adapter '{architecture.adapter}'; "
                             f"adapter '{self.name}' cannot build it")
        if num_classes < 2:
            raise BadSetting(f"model '{architecture.name}' needs at least 2 classes, got {num_classes}")
        if device not in ("cpu", "auto"):
            raise BadSetting(f"adapter '{self.name}' computes on the cpu, not on '{device}'")
        chosen = read_settings(architecture.name, LinearSettings, settings)
        return LinearFactory(input_shape=tuple(input_shape), num_classes=num_classes, scale=float(chosen.scale))

    def open(self, source: Source) -> Model:
        """Return the model with the ``output.weight`` and ``output.bias`` in a safetensors file.

        Raises:
            BadSetting: if the file cannot be read or does not fit.
        """
        return open_weights(self, evolve(source, architecture=source.architecture or LINEAR))


LINEAR = LinearArchitecture()
