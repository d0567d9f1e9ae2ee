"""Homogeneous ReLU networks as plain matrices: the only models whose weights the KKT conditions explain."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from attrs import field, frozen
from numpy.typing import NDArray
from torch import Tensor


class NotHomogeneous(ValueError):
    """The network is not homogeneous in its parameters, so its weights are no KKT point of any margin problem."""


@frozen(kw_only=True, eq=False)
class ReluNetwork:
    """A chain of linear maps with ReLU between them and a bias in the first layer at most.

    It is homogeneous in its parameters: scaling all L matrices and the bias by c scales the outputs by c^L.

    Attributes:
        weights: L matrices (outputs, inputs), each layer's inputs the outputs of the one before.
        bias: (H,) of the first layer, or None.
    """

    weights: tuple[Tensor, ...] = field()
    bias: Tensor | None = None

    def __attrs_post_init__(self) -> None:
        for number, (first, second) in enumerate(pairwise(self.weights), start=1):
            if second.shape[1] != first.shape[0]:
                raise NotHomogeneous(f"layer {number} has {first.shape[0]} outputs but layer {number + 1} takes "
                                     f"{second.shape[1]} inputs; expected one chain of fully connected layers")

    @property
    def inputs(self) -> int:
        """Number of input values."""
        return self.weights[0].shape[1]

    @property
    def outputs(self) -> int:
        """Number of outputs: one for a signed scalar of two classes, otherwise one per class."""
        return self.weights[-1].shape[0]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return max(2, self.outputs)

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Every parameter by name: ``W1``, ``b1``, ``W2``, ..."""
        named = {f"W{number}": weight for number, weight in enumerate(self.weights, start=1)}
        return named if self.bias is None else {"W1": named.pop("W1"), "b1": self.bias, **named}

    def outputs_of(self, inputs: Tensor) -> Tensor:
        """Return (..., ``outputs``) from (..., ``inputs``)."""
        hidden = inputs
        for number, weight in enumerate(self.weights):
            hidden = hidden if number == 0 else hidden.relu()
            hidden = hidden @ weight.T
            if number == 0 and self.bias is not None:
                hidden = hidden + self.bias
        return hidden

    def margins(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Return (N,) margins: the label's output less the largest other one; in binary, the signed output.

        Args:
            inputs: (N, ``inputs``).
            labels: (N,) int64 classes.
        """
        outputs = self.outputs_of(inputs)
        return (competing_directions(outputs, labels) * outputs).sum(dim=-1)


def competing_directions(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return c (..., C) such that the margin is the sum of c * outputs.

    With one output c is the label's sign, -1 for class 0 and +1 for class 1 (equation 11); with more, c is +1 at the
    label and -1 at the largest other output (equation 22).

    Args:
        outputs: (..., C).
        labels: int64, broadcastable to the leading axes.
    """
    if outputs.shape[-1] == 1:
        signs = (2 * labels - 1).to(outputs.dtype)[..., None]
        return signs.expand_as(outputs)
    own = torch.nn.functional.one_hot(labels, outputs.shape[-1]).expand(outputs.shape).bool()
    best = outputs.masked_fill(own, -torch.inf).argmax(dim=-1, keepdim=True)
    return own.to(outputs.dtype).scatter(-1, best, -1.0)


def read_network(parameters: Mapping[str, NDArray[Any]], inputs: int,
                 dtype: torch.dtype = torch.float32) -> ReluNetwork:
    """Return the network behind what ``HasParameters.parameters()`` gives.

    Args:
        parameters: arrays by name, in the order of the layers; a layer's weight and bias differ in the last part of
            their names only, as ``hidden1.weight`` and ``hidden1.bias`` do. Matrices are (outputs, inputs) as in
            PyTorch or (inputs, outputs) as in scikit-learn.
        inputs: D, number of values in one input, which tells the two apart.
        dtype: of the tensors.

    Raises:
        NotHomogeneous: if there is anything but fully connected layers with a bias in the first only, saying what.
    """
    weights = {name: value for name, value in parameters.items() if value.ndim == 2}
    if not weights:
        raise NotHomogeneous("the network has no weight matrix")
    first = next(iter(weights))
    biases: list[NDArray[Any]] = []
    for name, value in parameters.items():
        if value.ndim == 2:
            continue
        if value.ndim != 1 or not _is_bias(name, weights):
            raise NotHomogeneous(f"parameter '{name}' of shape {value.shape} belongs to no fully connected layer; "
                                 "expected weight matrices and a bias in the first layer only")
        if _layer(name) != _layer(first):
            raise NotHomogeneous(f"'{name}' is a bias after the first layer, which makes the network inhomogeneous; "
                                 'train with the setting bias = "first"')
        biases.append(value)
    if inputs not in weights[first].shape:
        raise NotHomogeneous(f"'{first}' of shape {weights[first].shape} does not take inputs of {inputs} values; "
                             "expected a network of fully connected layers")
    turned = weights[first].shape[1] != inputs
    return ReluNetwork(
        weights=tuple(torch.tensor(value.T if turned else value, dtype=dtype) for value in weights.values()),
        bias=torch.tensor(biases[0], dtype=dtype) if biases else None)


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _is_bias(name: str, weights: Mapping[str, NDArray[Any]]) -> bool:
    return name.rpartition(".")[2] == "bias" and any(_layer(name) == _layer(other) for other in weights)
