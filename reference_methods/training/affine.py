"""The affine layers of a network: where they are, what they are applied to, and what their norms can be moved with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Literal

import torch
from attrs import frozen
from torch import Tensor, nn

Shape = tuple[int, ...]
BatchNormHandling = Literal["composition", "ignore"]

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@frozen(kw_only=True, eq=False)
class AffineLayer:
    """One affine map of a network: a linear layer or convolution, with the batch norm behind it or without.

    Attributes:
        name: dotted name of the layer in the network; ``conv1+bn1`` for a composition.
        module: computes the map when it is in evaluation mode.
        input_shape: of one input, without the batch.
        weight: the parameter that the map's linear part is moved with; the linear part is linear in it.
    """

    name: str
    module: nn.Module
    input_shape: Shape
    weight: nn.Parameter


@frozen(kw_only=True, eq=False)
class _Call:
    """What a forward pass did with one layer.

    ``read`` and ``written`` name a tensor at one time: its identity, and a count that operations in place raise. (The
    tensors are kept, for Python gives the identity of a dead object away again.)
    """

    name: str
    layer: nn.Module
    shape: Shape
    tensors: tuple[Tensor, Tensor]
    read: tuple[int, int]
    written: tuple[int, int]

    @classmethod
    def of(cls, name: str, layer: nn.Module, inputs: Tensor, output: Tensor) -> _Call:
        # A linear layer treats every position alike, so one position has the singular values of all.
        shape = inputs.shape[-1:] if isinstance(layer, nn.Linear) else inputs.shape[1:]
        return cls(name=name, layer=layer, shape=tuple(shape), tensors=(inputs, output),
                   read=(id(inputs), inputs._version), written=(id(output), output._version))


def affine_layers(network: nn.Module, inputs: Tensor,
                  batch_norm: BatchNormHandling = "composition") -> list[AffineLayer]:
    """Return the linear layers and convolutions that ``network`` applies to ``inputs``, in order of use.

    A layer that is applied to inputs of several shapes comes once for each.

    Args:
        network: stays as it is; its running statistics too.
        inputs: (B, ...), any batch; only its shape matters.
        batch_norm: ``composition`` takes a layer together with a batch norm that reads its output, in evaluation
            statistics, and moves it with the batch norm's weight. Moving the convolution's would achieve nothing:
            the running variance follows, and the composition is what it was. ``ignore`` takes the layer alone.

    Raises:
        ValueError: if a layer's weight is computed (as by ``torch.nn.utils.parametrizations``): it cannot be moved.
    """
    calls = _calls(network, inputs)
    norms = {call.read: call for call in calls if isinstance(call.layer, BATCH_NORMS)}
    found: dict[tuple[str, Shape], AffineLayer] = {}
    for call in calls:
        if isinstance(call.layer, BATCH_NORMS):
            continue
        norm = norms.get(call.written) if batch_norm == "composition" else None
        layer = _alone(call) if norm is None else _composition(call, norm)
        found.setdefault((layer.name, layer.input_shape), layer)
    return list(found.values())


def alike(layers: Iterable[AffineLayer]) -> list[list[AffineLayer]]:
    """Return ``layers`` in groups whose maps differ only in their parameters."""
    groups: dict[Any, list[AffineLayer]] = {}
    for layer in layers:
        # A layer's representation names all of its settings.
        key = (repr(layer.module), layer.input_shape, layer.weight.dtype, layer.weight.device)
        groups.setdefault(key, []).append(layer)
    return list(groups.values())


def _alone(call: _Call) -> AffineLayer:
    return AffineLayer(name=call.name, module=call.layer, input_shape=call.shape, weight=_weight(call))


def _composition(call: _Call, norm: _Call) -> AffineLayer:
    return AffineLayer(name=f"{call.name}+{norm.name}", module=nn.Sequential(call.layer, norm.layer),
                       input_shape=call.shape, weight=_weight(norm if norm.layer.affine else call))


def _weight(call: _Call) -> nn.Parameter:
    weight = call.layer.weight
    if not isinstance(weight, nn.Parameter):
        raise ValueError(f"layer '{call.name}' computes its weight from other parameters; remove the parametrization")
    return weight


def _calls(network: nn.Module, inputs: Tensor) -> list[_Call]:
    calls: list[_Call] = []

    def remember(layer: nn.Module, arguments: tuple[Any, ...], output: Tensor, *, name: str) -> None:
        calls.append(_Call.of(name, layer, arguments[0], output))

    with ExitStack() as stack:
        stack.enter_context(evaluating(network))
        stack.enter_context(torch.no_grad())
        for name, layer in network.named_modules():
            if isinstance(layer, (nn.Linear, *CONVOLUTIONS, *BATCH_NORMS)):
                stack.callback(layer.register_forward_hook(partial(remember, name=name)).remove)
        network(inputs)
    return calls


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put every part of ``module`` in evaluation mode, and each back in its own mode at the end."""
    before = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in before.items():
            part.training = training
