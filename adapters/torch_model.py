"""A PyTorch network with NumPy at every boundary."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from adapters.torch_data import TensorSet, tensor_set, weighted_loss
from adapters.torch_engines import train_each
from adapters.torch_training import state
from harness.data import Floats, Integers
from harness.models import FitOptions, Parameters, TrainingSet

_BATCH = 512
# A ResNet-18 keeps about 5 MB of activations an image for its backward pass.
_GRADIENT_BATCH = 128


class TorchModel:
    """A network in evaluation mode that never changes: training and replacing parameters make new models.

    It has every capability of ``harness.models``. Convolutional networks are kept in the ``channels_last`` memory
    format, in which they train 1.5 times faster on a CPU; so a network should flatten, not ``view``, activations.
    """

    def __init__(self, module: nn.Module, num_classes: int, device: torch.device) -> None:
        """Take over ``module``, which nobody else may change from now on, and move it to ``device``.

        Args:
            module: returns (B, ``num_classes``) logits from a batch of inputs.
            num_classes: C.
            device: where it computes.
        """
        has_images = any(isinstance(layer, nn.Conv2d) for layer in module.modules())
        if has_images:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._module = module.to(device).eval()
        self.num_classes = num_classes
        self.device = device

    def logits(self, inputs: Floats) -> Floats:
        """Return (N, C) float32 logits; NaN where training has diverged."""
        with torch.no_grad():
            parts = [self._module(batch) for batch in self._batches(inputs)]
        return self._rows(parts)

    def features(self, inputs: Floats) -> Floats:
        """Return (N, D) float32: the input of the last linear layer, in the order of ``module.modules()``.

        Raises:
            ValueError: if the network has no linear layer.
        """
        module = self.native
        linear = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
        if not linear:
            raise ValueError("features are the input of the last linear layer, but this network has none")
        parts: list[Tensor] = []
        linear[-1].register_forward_pre_hook(lambda layer, arguments: parts.append(arguments[0].flatten(1)))
        with torch.no_grad():
            for batch in self._batches(inputs):
                module(batch)
        return self._rows(parts)

    def loss_gradients(self, data: TrainingSet, batch_size: int = 256) -> Parameters:
        """Return the gradient of the mean weighted loss over ``data`` for every trainable parameter.

        The network runs in evaluation mode; ``data.augment`` plays no part.
        """
        parameters = {name: value for name, value in self._module.named_parameters() if value.requires_grad}
        tensors = tensor_set(data, self.num_classes, self.device)
        totals = {name: torch.zeros_like(value) for name, value in parameters.items()}
        for batch in torch.arange(len(data), device=self.device).split(batch_size):
            gradients = torch.autograd.grad(
                self._summed_loss(tensors, batch), list(parameters.values()), materialize_grads=True)
            for total, gradient in zip(totals.values(), gradients, strict=True):
                total.add_(gradient, alpha=1 / len(data))
        return {name: _to_numpy(total) for name, total in totals.items()}

    def input_gradients(self, inputs: Floats, labels: Integers) -> tuple[Floats, Floats]:
        """Return the gradient (N, ...) of each example's own cross-entropy, and the (N, C) logits.

        Raises:
            ValueError: if there are not as many labels as inputs.
        """
        if len(inputs) != len(labels):
            raise ValueError(f"input_gradients: {len(inputs)} inputs but {len(labels)} labels")
        gradients, logits = [], []
        targets = torch.tensor(labels, dtype=torch.int64, device=self.device).split(_GRADIENT_BATCH)
        for batch, target in zip(self._batches(inputs, _GRADIENT_BATCH), targets, strict=False):
            batch.requires_grad_(True)
            output = self._module(batch)
            # Summed, not averaged: in evaluation mode each example's gradient is its own.
            loss = nn.functional.cross_entropy(output, target, reduction="sum")
            gradients.append(torch.autograd.grad(loss, batch)[0])
            logits.append(output.detach())
        return self._rows(gradients, np.shape(inputs)), self._rows(logits)

    def parameters(self) -> Parameters:
        """Return copies of all parameters and buffers by name."""
        return {name: _to_numpy(value) for name, value in state(self._module).items()}

    def with_parameters(self, parameters: Parameters) -> TorchModel:
        """Return a new model with ``parameters``.

        Raises:
            ValueError: if names or shapes are not those of ``parameters()``.
        """
        module = self.native
        own = state(module)
        _check_names("with_parameters", own, parameters, complete=True)
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(torch.tensor(parameters[name]))
        return self._like(module)

    def fit(self, data: TrainingSet, options: FitOptions, seed: int, mask: Parameters | None = None) -> TorchModel:
        """Return a new model trained from this one's parameters.

        Args:
            data: what to minimise over.
            options: how.
            seed: decides data order, augmentation and dropout.
            mask: boolean arrays by name of parameter or buffer; entries that are False stay bit-identical, and what
                it does not name may change.

        Raises:
            BadSetting: if an option does not fit the network or the data.
            ValueError: if there is no data, or ``data`` or ``mask`` do not fit the network.
        """
        module = self.native
        if len(data) == 0:
            raise ValueError("fit: the training set is empty")
        tensors = tensor_set(data, self.num_classes, self.device)
        train_each([module], [tensors], options, [seed], [self.mask_tensors(mask or {})])
        return self._like(module)

    @property
    def native(self) -> nn.Module:
        """A copy of the network, in evaluation mode, that the caller may change; ``with_native`` wraps it again."""
        return copy.deepcopy(self._module)

    def with_native(self, module: nn.Module) -> TorchModel:
        """Return a new model around a copy of ``module``."""
        return self._like(copy.deepcopy(module))

    def mask_tensors(self, mask: Parameters) -> dict[str, Tensor]:
        """Return a mask for ``fit`` as tensors beside the network.

        Raises:
            ValueError: if it names what the network does not have, or has another shape.
        """
        _check_names("mask", state(self._module), mask, complete=False)
        return {name: torch.tensor(value, dtype=torch.bool, device=self.device) for name, value in mask.items()}

    def _like(self, module: nn.Module) -> TorchModel:
        return TorchModel(module, self.num_classes, self.device)

    def _batches(self, inputs: Floats, size: int = _BATCH) -> Iterator[Tensor]:
        for start in range(0, len(inputs), size):
            yield torch.tensor(inputs[start:start + size], dtype=torch.float32, device=self.device)

    def _rows(self, parts: list[Tensor], shape: tuple[int, ...] | None = None) -> Floats:
        if not parts:
            return np.zeros(shape or (0, self.num_classes), dtype=np.float32)
        return np.concatenate([_to_numpy(part.float()) for part in parts])

    def _summed_loss(self, tensors: TensorSet, batch: Tensor) -> Tensor:
        weights = None if tensors.weights is None else tensors.weights[batch]
        return weighted_loss(self._module(tensors.inputs[batch]), tensors.targets[batch], weights) * len(batch)


def _to_numpy(tensor: Tensor) -> Any:
    return np.array(tensor.detach().cpu().numpy(), order="C")


def _check_names(where: str, own: Mapping[str, Tensor], given: Parameters, *, complete: bool) -> None:
    missing = sorted(set(own) - set(given)) if complete else []
    unknown = sorted(set(given) - set(own))
    if missing or unknown:
        raise ValueError(f"{where}: missing {missing or 'none'}, unknown {unknown or 'none'}")
    # In the network's order: a file's own is another each time that it is read.
    for name, expected in own.items():
        if name in given and np.shape(given[name]) != tuple(expected.shape):
            raise ValueError(f"{where}: '{name}' has shape {np.shape(given[name])}, expected {tuple(expected.shape)}")
