"""Which weights may move: by saliency, or by position in the network."""

from __future__ import annotations

import numpy as np

from harness import TrainingSet, UnlearnTask
from harness.models import Parameters
from reference_methods.unlearners.capabilities import differentiable


def saliency_mask(task: UnlearnTask, ratio: float) -> Parameters:
    """Return, by parameter name, which entries are among the ``ratio`` with the largest loss gradients on D_F.

    The quantile is one for all weights together. Exactly ``ratio`` of them are chosen: with a threshold, the many
    equal zeros of dead units would all pass or all fail. Buffers have no gradients and are not masked.

    Raises:
        TypeError: if the original has no parameter gradients.

    Source: SalUn, arXiv:2310.12508, section 4.
    """
    forget = TrainingSet(inputs=task.forget.inputs, targets=task.forget.labels)
    gradients = differentiable(task.original).loss_gradients(forget)
    magnitudes = np.concatenate([np.abs(gradient).ravel() for gradient in gradients.values()])
    chosen = np.zeros(len(magnitudes), dtype=bool)
    count = round(ratio * len(magnitudes))
    chosen[np.argpartition(-magnitudes, max(count - 1, 0))[:count]] = True
    ends = np.cumsum([gradient.size for gradient in gradients.values()])
    pieces = np.split(chosen, ends[:-1])
    return {name: piece.reshape(gradient.shape)
            for (name, gradient), piece in zip(gradients.items(), pieces, strict=True)}


def last_layers(parameters: Parameters, count: int) -> tuple[str, ...]:
    """Return the names of the layers from the ``count``-th last one on, in the order of ``parameters``.

    A layer is what its arrays' names begin with (``fc`` of ``fc.weight``). It counts when it has a matrix or kernel;
    batch norm among the last layers is listed, but not counted, as in the code of Goel et al.

    Raises:
        ValueError: if there are fewer layers.
    """
    sizes: dict[str, int] = {}
    for name, array in parameters.items():
        sizes[layer_of(name)] = max(sizes.get(layer_of(name), 0), array.ndim)
    layers = list(sizes)
    counted = [position for position, layer in enumerate(layers) if sizes[layer] >= 2]
    if count > len(counted):
        raise ValueError(f"the last {count} layers were asked for, but the model has {len(counted)}")
    return tuple(layers[counted[-count]:])


def layer_of(name: str) -> str:
    """Return what an array's name says of its layer: ``fc`` of ``fc.weight``; the whole name where it has no dot."""
    return name.rpartition(".")[0] or name
