"""An upper bound of a network's Lipschitz constant, from the largest singular values of its affine parts."""

from __future__ import annotations

import math
import operator
from functools import cached_property
from typing import Any

import torch
from attrs import define
from torch import Tensor, fx, nn

from reference_methods.training.affine import BATCH_NORMS, CONVOLUTIONS, Shape, evaluating
from reference_methods.training.spectrum import singular_values

_AFFINE = (nn.Linear, nn.Flatten, *CONVOLUTIONS, *BATCH_NORMS, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
           nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
_MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)

# Lipschitz constants of layers, functions and methods, by their names in lower case without underscores.
_CONSTANTS = {
    "identity": 1.0, "dropout": 1.0, "dropout1d": 1.0, "dropout2d": 1.0, "dropout3d": 1.0,
    "flatten": 1.0, "view": 1.0, "reshape": 1.0, "contiguous": 1.0, "permute": 1.0, "transpose": 1.0,
    "relu": 1.0, "relu6": 1.0, "hardtanh": 1.0, "elu": 1.0, "softplus": 1.0, "tanh": 1.0, "sigmoid": 0.25,
    "silu": 1.1, "gelu": 1.13, "hardswish": 1.5,
}
_SUMS = (operator.add, operator.iadd, operator.sub, torch.add, torch.sub)
_PRODUCTS = (operator.mul, operator.imul, torch.mul)


def lipschitz_bound(network: nn.Module, inputs: Tensor, *, tolerance: float = 1e-3) -> float:
    """Return an upper bound of the Lipschitz constant of ``network``, in evaluation mode, for the Euclidean norm.

    Constants multiply along layers, add where values are added and add in squares where they are concatenated. Affine
    layers in a row count as one. The truth is smaller, usually by far: no input is stretched most by every layer. It
    is a bound as far as PowerQR has found the largest singular values; each counts ``tolerance`` more than was found.

    Args:
        network: what ``torch.fx`` can trace.
        inputs: (B, ...), any batch; only its shape matters.
        tolerance: relative, of every singular value.

    Raises:
        ValueError: if the network cannot be traced, or does something whose Lipschitz constant is not known here.
    """
    with evaluating(network), torch.no_grad():
        try:
            # Inside another module a layer of torch is taken as one, even when it is all of the network.
            traced = fx.symbolic_trace(nn.Sequential(network))
        except fx.proxy.TraceError as error:
            raise ValueError(f"no Lipschitz bound: the network cannot be traced ({error})") from error
        walk = _Walk(traced, tolerance)
        walk.run(inputs)
    return walk.result


@define(slots=False, eq=False)
class _Bound:
    """A bound of one value of the network as a function of the input: ``factor`` times the norm of ``chain``.

    Attributes:
        factor: bound of what ``chain`` is applied to.
        chain: affine layers.
        shape: of the input of ``chain``.
        tolerance: of its largest singular value.
    """

    factor: float
    chain: tuple[nn.Module, ...]
    shape: Shape
    tolerance: float

    @cached_property
    def value(self) -> float:
        if all(isinstance(layer, nn.Flatten) for layer in self.chain):
            return self.factor
        found = singular_values(nn.Sequential(*self.chain), self.shape, tolerance=self.tolerance / 5)
        return self.factor * float(found.values[0]) * (1 + self.tolerance)


class _Walk(fx.Interpreter):
    """Runs a network and bounds every value on the way."""

    def __init__(self, traced: fx.GraphModule, tolerance: float) -> None:
        super().__init__(traced)
        self.result = math.nan
        self._tolerance = tolerance
        self._bounds: dict[fx.Node, _Bound] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Return the value of ``n``, and bound it."""
        value = super().run_node(n)
        if n.op == "output":
            self.result = self._bounds[n.all_input_nodes[0]].value
        elif n.op == "placeholder":
            self._bounds[n] = self._begin(1.0, value)
        elif isinstance(value, Tensor) and any(node in self._bounds for node in n.all_input_nodes):
            self._bounds[n] = self._bounded(n, value)
        return value

    def _begin(self, factor: float, value: Tensor) -> _Bound:
        return _Bound(factor, (), tuple(value.shape[1:]), self._tolerance)

    def _bounded(self, node: fx.Node, value: Tensor) -> _Bound:
        layer = self.fetch_attr(str(node.target)) if node.op == "call_module" else None
        parents = [self._bounds[parent] for parent in node.all_input_nodes if parent in self._bounds]
        if isinstance(layer, _AFFINE) and len(parents) == 1:
            first = parents[0]
            return _Bound(first.factor, (*first.chain, layer), first.shape, self._tolerance)
        return self._begin(_constant(node, layer, [parent.value for parent in parents]), value)


def _constant(node: fx.Node, layer: nn.Module | None, parents: list[float]) -> float:
    """Return the bound of a value from those of the values it is made of.

    Raises:
        ValueError: if it is not known.
    """
    if node.target in _SUMS and not node.kwargs:
        # A value added to itself is one input, named twice.
        twice = len(parents) == 1 and list(node.args).count(node.all_input_nodes[0]) == 2
        return 2 * parents[0] if twice else sum(parents)
    if node.target in (torch.cat, torch.concat):
        return math.sqrt(sum(parent ** 2 for parent in parents))
    factor = _factor(node, layer) if len(parents) == 1 else None
    if factor is None:
        raise ValueError(f"no Lipschitz bound: the constant of {_kind(node, layer)} (at '{node.name}') is not known")
    return factor * parents[0]


def _factor(node: fx.Node, layer: nn.Module | None) -> float | None:
    """Return the Lipschitz constant of a function of one value, or None where it is not known."""
    numbers = [abs(argument) for argument in node.args if isinstance(argument, int | float)]
    if node.target in _PRODUCTS and numbers:
        return float(numbers[0])
    if node.target is operator.truediv and isinstance(node.args[0], fx.Node) and numbers:
        return 1 / numbers[0]
    if isinstance(layer, _MAX_POOLS):
        return _max_pool(layer)
    if isinstance(layer, nn.LeakyReLU):
        return max(1.0, abs(layer.negative_slope))
    return _CONSTANTS.get(_kind(node, layer).replace("_", "").lower())


def _kind(node: fx.Node, layer: nn.Module | None) -> str:
    return type(layer).__name__ if layer is not None else str(getattr(node.target, "__name__", node.target))


def _max_pool(layer: nn.Module) -> float:
    """Return the root of how many windows one entry can be in."""
    dimensions = int(type(layer).__name__[-2])
    sizes = [value if isinstance(value, tuple) else (value,) * dimensions
             for value in (layer.kernel_size, layer.stride, layer.dilation)]
    windows = [kernel if dilation > 1 else -(-kernel // stride)
               for kernel, stride, dilation in zip(*sizes, strict=True)]
    return math.sqrt(math.prod(windows))
