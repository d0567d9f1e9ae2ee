"""An adapter for a framework of its own: softmax regression on random Fourier features, in NumPy.

It offers what it can (logits, parameters, training) and says no, with `BadSetting`, to what it cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs
import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from harness import Architecture, BadSetting, FitOptions, ModelFactory, TrainingSet, one_hot
from harness.settings import structure

Arrays = Mapping[str, NDArray[Any]]
SERVED = ("epochs", "batch_size", "lr", "momentum", "weight_decay", "evaluation_mode")


@frozen(kw_only=True)
class FourierSettings:
    """Settings of the architecture.

    Attributes:
        features: number of cosines.
        width: of the Gaussian kernel that they stand for, in units of the inputs.
    """

    features: int = field(default=128, validator=validators.ge(1))
    width: float = field(default=2.0, validator=validators.gt(0))


@frozen
class FourierArchitecture:
    """The one architecture of the adapter."""

    name: str = "fourier"
    adapter: str = "fourier"
    description: str = "softmax regression on random Fourier features (Rahimi & Recht 2007); settings features, width"


FOURIER = FourierArchitecture()


class FourierAdapter:
    """Softmax regression on random Fourier features."""

    name: ClassVar[str] = "fourier"
    version: ClassVar[str] = "1"
    capabilities: ClassVar[frozenset[str]] = frozenset({"logits", "parameters", "fit"})

    def factory(self, architecture: Architecture, input_shape: tuple[int, ...], num_classes: int,
                settings: Mapping[str, Any], device: str) -> ModelFactory:
        """Return a factory; a setting that there is not, and a device other than the CPU, are a BadSetting."""
        if device not in ("cpu", "auto"):
            raise BadSetting(f"adapter 'fourier' computes on the cpu, not on '{device}'")
        chosen = structure(dict(settings), FourierSettings, "model 'fourier'")
        return FourierFactory(size=int(np.prod(input_shape)), num_classes=num_classes, settings=chosen)


@frozen(kw_only=True)
class FourierFactory:
    """Makes models for inputs of one size."""

    size: int
    num_classes: int
    settings: FourierSettings

    def build(self, seed: int) -> FourierModel:
        """Return a model whose cosines and weights are drawn from ``seed``."""
        random = np.random.default_rng(seed)
        count = self.settings.features
        return FourierModel({
            "frequencies": random.normal(0, 1 / self.settings.width, (self.size, count)).astype(np.float32),
            "phases": random.uniform(0, 2 * np.pi, count).astype(np.float32),
            "weight": random.normal(0, 0.01, (count, self.num_classes)).astype(np.float32)})


class FourierModel:
    """``logits = cos(x F + p) W``; only W is trained."""

    def __init__(self, arrays: Arrays) -> None:
        """Take over the three arrays."""
        self._arrays = dict(arrays)

    def logits(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (N, C) float32 logits."""
        logits: NDArray[np.float32] = self._cosines(inputs) @ self._arrays["weight"]
        return logits

    def parameters(self) -> Arrays:
        """Return copies."""
        return {name: array.copy() for name, array in self._arrays.items()}

    def with_parameters(self, parameters: Arrays) -> FourierModel:
        """Return a new model; other names or shapes are a ValueError."""
        expected = {name: array.shape for name, array in self._arrays.items()}
        given = {name: np.shape(array) for name, array in parameters.items()}
        if given != expected:
            raise ValueError(f"with_parameters: got {given}, expected {expected}")
        return FourierModel({name: np.array(array, dtype=np.float32) for name, array in parameters.items()})

    def fit(self, data: TrainingSet, options: FitOptions, seed: int, mask: Arrays | None = None) -> FourierModel:
        """Return a new model trained by plain SGD with momentum.

        Raises:
            BadSetting: for an option that this adapter does not serve.
        """
        _check_served(options)
        cosines = self._cosines(data.inputs)
        weight = self._arrays["weight"].copy()
        allowed = (mask or {}).get("weight", np.ones(weight.shape, dtype=bool))
        targets = data.targets if data.targets.ndim == 2 else one_hot(data.targets.astype(np.int64), weight.shape[1])
        factors = np.ones(len(data), dtype=np.float32) if data.weights is None else data.weights
        random, speed = np.random.default_rng(seed), np.zeros_like(weight)
        for _ in range(options.epochs):
            order = random.permutation(len(data))
            for start in range(0, len(data), options.batch_size):
                rows = order[start:start + options.batch_size]
                errors = (_softmax(cosines[rows] @ weight) - targets[rows]) * factors[rows, None]
                gradient = cosines[rows].T @ errors / len(rows) + options.weight_decay * weight
                speed = options.momentum * speed + gradient
                weight = np.where(allowed, weight - options.lr * speed, weight).astype(np.float32)
        return FourierModel({**self._arrays, "weight": weight})

    def _cosines(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        frequencies = self._arrays["frequencies"]
        flat = np.asarray(inputs, dtype=np.float32).reshape(len(inputs), len(frequencies))
        cosines: NDArray[np.float32] = np.cos(flat @ frequencies + self._arrays["phases"])
        return cosines


def _check_served(options: FitOptions) -> None:
    plain = FitOptions(epochs=0)
    refused = [one.name for one in attrs.fields(FitOptions)
               if one.name not in SERVED and getattr(options, one.name) != getattr(plain, one.name)]
    if refused:
        raise BadSetting(f"adapter 'fourier' trains by plain SGD and does not serve {', '.join(refused)}")


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return shares
