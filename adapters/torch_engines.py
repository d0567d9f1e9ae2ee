"""Which way networks are trained: stacked, with closed-form gradients, or by autograd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from adapters.torch_convolutional import convolutions, train_convolutional
from adapters.torch_data import TensorSet, joined
from adapters.torch_stacked import linear_layers, train_stacked
from adapters.torch_training import train
from harness.errors import BadSetting
from harness.models import FitOptions

# Parameters of the networks that are stacked together. On a CPU, values, gradients and momentum of a stack then fit
# an L2 cache of 2 MB or so; measured, throughput is flat within a factor of two of this and falls beyond.
_STACK_ON_CPU = 400_000
_STACK_ON_CUDA = 100_000_000

Way = Literal["stacked", "convolutional", "loop"]
Masks = Sequence[Mapping[str, Tensor]]


def how_to_train(modules: Sequence[nn.Module], options: FitOptions, masks: Masks = ()) -> Way:
    """Return the way that is fastest for ``modules`` among those that can do what ``options`` ask.

    Plain ReLU networks of one shape are stacked, even a single one. Everything else is trained one after another:
    on a CPU, stacked convolutions (grouped or vmapped) are slower than channels-last ones in turn. Of these, plain
    convolutional networks on a CPU do without autograd.
    """
    if options.trainable or options.aids or options.lipschitz is not None:
        return "loop"
    if all(convolutions(module) and _is_on_cpu(module) for module in modules):
        return "loop" if any(masks) else "convolutional"
    if options.augmentation:
        return "loop"
    shapes = {tuple((layer.weight.shape, layer.bias is None) for layer in linear_layers(module)) for module in modules}
    return "stacked" if len(shapes) == 1 and shapes != {()} else "loop"


def train_all(modules: Sequence[nn.Module], data: TensorSet, rows: Sequence[Tensor], options: FitOptions,
              seeds: Sequence[int], masks: Masks = ()) -> None:
    """Train ``modules`` in place, the m-th on the rows ``rows[m]`` of ``data`` with ``seeds[m]``.

    Args:
        modules: M networks.
        data, rows, options, seeds: what each is trained on, and how.
        masks: by name of parameter or buffer, M times; entries that are False stay bit-identical. Nothing for none.

    Raises:
        BadSetting: if an option does not fit the networks or the data.
    """
    if options.optimizer == "sgd" and options.nesterov and options.momentum == 0:
        raise BadSetting("nesterov needs a momentum above 0, got momentum 0")
    if options.epochs == 0:
        return
    way, masks = how_to_train(modules, options, masks), masks or [{}] * len(modules)
    if way == "convolutional":
        train_convolutional(modules, data, rows, options, seeds)
        return
    if way == "loop":
        for module, own, seed, mask in zip(modules, rows, seeds, masks, strict=True):
            train(module, data, own, options, seed, mask)
        return
    for stack in _stacks(modules, rows):
        train_stacked([modules[index] for index in stack], data, torch.stack([rows[index] for index in stack]),
                      options, [seeds[index] for index in stack], [masks[index] for index in stack])


def train_each(modules: Sequence[nn.Module], sets: Sequence[TensorSet], options: FitOptions, seeds: Sequence[int],
               masks: Masks) -> None:
    """Train ``modules`` in place, the m-th on ``sets[m]`` with ``seeds[m]`` and ``masks[m]``.

    Raises:
        BadSetting: if an option does not fit the networks or the data.
    """
    if how_to_train(modules, options, masks) == "stacked":
        data, rows = joined(sets)
        train_all(modules, data, rows, options, seeds, masks)
        return
    for module, own, seed, mask in zip(modules, sets, seeds, masks, strict=True):
        train_all([module], own, [torch.arange(len(own), device=own.inputs.device)], options, [seed], [mask])


def _is_on_cpu(module: nn.Module) -> bool:
    return all(parameter.device.type == "cpu" for parameter in module.parameters())


def _stacks(modules: Sequence[nn.Module], rows: Sequence[Tensor]) -> list[list[int]]:
    """Return the indices that are trained together: equally many rows, because they share every step's batch size."""
    size = sum(parameter.numel() for parameter in modules[0].parameters())
    limit = _STACK_ON_CUDA if rows[0].device.type == "cuda" else _STACK_ON_CPU
    together = max(1, limit // size)
    groups: dict[int, list[int]] = {}
    for index, own in enumerate(rows):
        groups.setdefault(len(own), []).append(index)
    return [group[start:start + together] for group in groups.values() for start in range(0, len(group), together)]
