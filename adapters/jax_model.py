"""A JAX function of parameters and inputs as a model, with NumPy at every boundary.

    network = JaxNetwork(apply, num_classes=10)        # apply(parameters, inputs) -> (B, 10) logits
    model = JaxModel(network, parameters)              # parameters: arrays by name
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from adapters.array_training import Stack, StackTask, train_stack
from adapters.arrays import soft_targets
from harness.data import Floats, Integers
from harness.models import FitOptions, Parameters, TrainingSet, one_hot

_BATCH = 512
Apply = Callable[[Mapping[str, Any], Any], Any]


class JaxNetwork:
    """A network without its parameters; what is compiled for it serves all its models."""

    def __init__(self, apply: Apply, num_classes: int) -> None:
        """Take ``apply``, which returns (B, ``num_classes``) logits of parameters by name and (B, ...) inputs."""
        self.apply = apply
        self.num_classes = num_classes

    @cached_property
    def forward(self) -> Apply:
        """From parameters and inputs to logits."""
        compiled: Apply = jax.jit(self.apply)
        return compiled

    @cached_property
    def of_parameters(self) -> Callable[..., Mapping[str, Any]]:
        """From parameters, inputs, targets and weights to the gradient of the summed weighted loss."""
        compiled: Callable[..., Mapping[str, Any]] = jax.jit(jax.grad(self._summed_loss))
        return compiled

    @cached_property
    def of_inputs(self) -> Callable[..., tuple[Any, Any]]:
        """From inputs, parameters and targets to the gradient of the summed loss, and the logits."""
        def loss(inputs: Any, parameters: Any, targets: Any) -> tuple[Any, Any]:
            logits = self.apply(parameters, inputs)
            return -(targets * jax.nn.log_softmax(logits)).sum(), logits

        compiled: Callable[..., tuple[Any, Any]] = jax.jit(jax.grad(loss, has_aux=True))
        return compiled

    def _summed_loss(self, parameters: Any, inputs: Any, targets: Any, weights: Any) -> Any:
        losses = -(targets * jax.nn.log_softmax(self.apply(parameters, inputs))).sum(axis=1)
        return (losses * weights).sum()


class JaxModel:
    """A network with its parameters; it never changes."""

    def __init__(self, network: JaxNetwork, parameters: Parameters) -> None:
        """Copy ``parameters`` (float32)."""
        self._network = network
        self._parameters = {name: np.array(value, dtype=np.float32) for name, value in parameters.items()}

    def logits(self, inputs: Floats) -> Floats:
        """Return (N, C) float32 logits."""
        logits = np.zeros((len(inputs), self._network.num_classes), dtype=np.float32)
        for rows in _batches(len(inputs)):
            logits[rows] = self._network.forward(self._parameters, inputs[rows])
        return logits

    def loss_gradients(self, data: TrainingSet, batch_size: int = 256) -> Parameters:
        """Return the gradient of the mean weighted loss over ``data`` for every parameter."""
        targets = soft_targets(data, self._network.num_classes)
        weights = np.ones(len(data), dtype=np.float32) if data.weights is None else data.weights
        totals = {name: np.zeros_like(value) for name, value in self._parameters.items()}
        for rows in _batches(len(data), batch_size):
            found = self._network.of_parameters(self._parameters, data.inputs[rows], targets[rows], weights[rows])
            for name, total in totals.items():
                total += np.asarray(found[name]) / len(data)
        return totals

    def input_gradients(self, inputs: Floats, labels: Integers) -> tuple[Floats, Floats]:
        """Return the gradient (N, ...) of each example's own cross-entropy, and the (N, C) logits.

        Raises:
            ValueError: if there are not as many labels as inputs.
        """
        if len(inputs) != len(labels):
            raise ValueError(f"input_gradients: {len(inputs)} inputs but {len(labels)} labels")
        targets = one_hot(np.asarray(labels, dtype=np.int64), self._network.num_classes)
        gradients = np.zeros(np.shape(inputs), dtype=np.float32)
        logits = np.zeros((len(inputs), self._network.num_classes), dtype=np.float32)
        for rows in _batches(len(inputs)):
            gradients[rows], logits[rows] = self._network.of_inputs(inputs[rows], self._parameters, targets[rows])
        return gradients, logits

    def parameters(self) -> Parameters:
        """Return copies of all parameters by name."""
        return {name: value.copy() for name, value in self._parameters.items()}

    def with_parameters(self, parameters: Parameters) -> JaxModel:
        """Return a new model with ``parameters``.

        Raises:
            ValueError: if names or shapes are not those of ``parameters()``.
        """
        self._check("with_parameters", parameters, complete=True)
        return JaxModel(self._network, parameters)

    def fit(self, data: TrainingSet, options: FitOptions, seed: int, mask: Parameters | None = None) -> JaxModel:
        """Return a new model trained from this one's parameters.

        Args:
            data: what to minimise over.
            options: how; augmentation and training aids are for PyTorch.
            seed: decides data order.
            mask: boolean arrays by parameter name; entries that are False stay bit-identical.

        Raises:
            BadSetting: if an option does not fit.
            ValueError: if there is no data, or ``data`` or ``mask`` do not fit the network.
        """
        if len(data) == 0:
            raise ValueError("fit: the training set is empty")
        self._check("mask", mask or {}, complete=False)
        task = StackTask(adapter="jax", gradients=self._stack_gradients, num_classes=self._network.num_classes,
                         data=data, options=options)
        allowed = {name: np.asarray(values, dtype=bool) for name, values in (mask or {}).items()}
        stack = {name: value[None] for name, value in self._parameters.items()}
        trained = train_stack(task, stack, np.arange(len(data))[None], [seed], allowed)
        return JaxModel(self._network, {name: value[0] for name, value in trained.items()})

    def _stack_gradients(self, stack: Stack, inputs: Floats, targets: Floats, weights: Floats) -> Stack:
        parameters = {name: value[0] for name, value in stack.items()}
        found = self._network.of_parameters(parameters, inputs[0], targets[0], weights[0])
        size = np.float32(inputs.shape[1])
        return {name: np.asarray(found[name], dtype=np.float32)[None] / size for name in stack}

    def _check(self, where: str, given: Mapping[str, NDArray[Any]], *, complete: bool) -> None:
        missing = sorted(set(self._parameters) - set(given)) if complete else []
        unknown = sorted(set(given) - set(self._parameters))
        if missing or unknown:
            raise ValueError(f"{where}: missing {missing or 'none'}, unknown {unknown or 'none'}")
        for name, own in self._parameters.items():
            if name in given and np.shape(given[name]) != own.shape:
                raise ValueError(f"{where}: '{name}' has shape {np.shape(given[name])}, expected {own.shape}")


def _batches(size: int, batch: int = _BATCH) -> Iterator[slice]:
    for start in range(0, size, batch):
        yield slice(start, start + batch)


@frozen(kw_only=True)
class JaxMlpFactory:
    """Fully connected ReLU networks on inputs of one shape; parameters are named as those of the torch adapter's."""

    input_shape: tuple[int, ...]
    hidden: tuple[int, ...]
    network: JaxNetwork

    def build(self, seed: int) -> JaxModel:
        """Return a model drawn uniformly from +-1/sqrt(fan-in), as ``torch.nn.Linear`` draws; the seed decides it."""
        random, parameters = np.random.default_rng(seed), {}
        widths = [math.prod(self.input_shape), *self.hidden, self.network.num_classes]
        for name, (narrow, wide) in zip(layer_names(len(self.hidden)), pairwise(widths), strict=True):
            bound = 1 / math.sqrt(narrow)
            parameters[f"{name}.weight"] = random.uniform(-bound, bound, (wide, narrow))
            parameters[f"{name}.bias"] = random.uniform(-bound, bound, wide)
        return JaxModel(self.network, parameters)


def layer_names(hidden: int) -> list[str]:
    """Return the names of the layers: ``hidden1``, ``hidden2``, ... and ``output``."""
    return [*(f"hidden{number}" for number in range(1, hidden + 1)), "output"]


def mlp(hidden: int, num_classes: int) -> JaxNetwork:
    """Return the network of an MLP with ``hidden`` hidden layers."""
    names = layer_names(hidden)

    def apply(parameters: Mapping[str, Any], inputs: Any) -> Any:
        values = inputs.reshape(len(inputs), -1)
        for name in names:
            values = values @ parameters[f"{name}.weight"].T + parameters[f"{name}.bias"]
            values = values if name == "output" else jnp.maximum(values, 0)
        return values

    return JaxNetwork(apply, num_classes)
