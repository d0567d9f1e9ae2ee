"""Factories: one architecture on one device, from which models are built and trained, alone or many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from attrs import frozen
from torch import nn

from adapters.torch_adapter import TorchArchitecture
from adapters.torch_data import tensor_set
from adapters.torch_engines import train_all, train_each
from adapters.torch_model import TorchModel
from adapters.torch_training import reproducible
from harness.data import Booleans
from harness.errors import BadSetting
from harness.models import FitOptions, Parameters, TrainingSet


def device_named(name: str) -> torch.device:
    """Return the device called ``cpu``, ``cuda``, ``cuda:1`` or ``auto``.

    Raises:
        BadSetting: if there is no such device here.
    """
    count = torch.cuda.device_count()
    known = ["cpu", *(["cuda"] if count else []), *(f"cuda:{index}" for index in range(count))]
    if name == "auto":
        name = "cuda" if count else "cpu"
    if name not in known:
        raise BadSetting(f"device '{name}' is not available; available: {', '.join(known)}, auto")
    return torch.device(name)


@frozen(kw_only=True)
class TorchFactory:
    """One architecture with its settings on one device."""

    architecture: TorchArchitecture
    input_shape: tuple[int, ...]
    num_classes: int
    settings: Mapping[str, Any]
    device: torch.device

    def build(self, seed: int) -> TorchModel:
        """Return a freshly initialised model; the seed decides every parameter, on every device."""
        return TorchModel(self._network(seed), self.num_classes, self.device)

    def check(self) -> None:
        """Build a network and try it on zeros.

        Raises:
            BadSetting: if it cannot be built, cannot take the inputs or does not return logits.
        """
        if self.num_classes < 2:
            raise BadSetting(f"model '{self.architecture.name}' needs at least 2 classes, got {self.num_classes}")
        network = self._network(seed=0).eval()
        try:
            with torch.no_grad():
                shape = tuple(network(torch.zeros(2, *self.input_shape)).shape)
        except RuntimeError as error:
            raise BadSetting(f"model '{self.architecture.name}' cannot take inputs of shape {self.input_shape}: "
                             f"{str(error).splitlines()[0]}") from error
        if shape != (2, self.num_classes):
            raise BadSetting(f"model '{self.architecture.name}' returns {shape} for 2 inputs, "
                             f"expected (2, {self.num_classes})")

    def fit_many(self, models: Sequence[TorchModel], data: TrainingSet, membership: Booleans, options: FitOptions,
                 seeds: Sequence[int]) -> list[TorchModel]:
        """Return M new models, the m-th trained from ``models[m]`` on the rows of ``data`` in ``membership[m]``.

        Raises:
            ValueError: if the lengths do not agree, or a model would have no rows.
            BadSetting: if an option does not fit the network or the data.
        """
        membership = np.asarray(membership, dtype=bool)
        if membership.shape != (len(models), len(data)) or len(seeds) != len(models):
            raise ValueError(f"fit_many: {len(models)} models and {len(data)} rows, but membership is "
                             f"{membership.shape} and there are {len(seeds)} seeds")
        if not membership.any(axis=1).all():
            raise ValueError(f"fit_many: model {int(membership.any(axis=1).argmin())} has no rows")
        tensors = tensor_set(data, self.num_classes, self.device)
        trained = [model.native for model in models]
        rows = [torch.tensor(np.flatnonzero(member), device=self.device) for member in membership]
        train_all(trained, tensors, rows, options, seeds)
        return [TorchModel(module, self.num_classes, self.device) for module in trained]

    def fit_each(self, models: Sequence[TorchModel], data: Sequence[TrainingSet], options: FitOptions,
                 seeds: Sequence[int], masks: Sequence[Parameters | None]) -> list[TorchModel]:
        """Return M new models, the m-th trained from ``models[m]`` on all of ``data[m]``, as ``fit`` would.

        Raises:
            ValueError: if the lengths do not agree, or a training set is empty.
            BadSetting: if an option does not fit the network or the data.
        """
        if not len(models) == len(data) == len(seeds) == len(masks):
            raise ValueError(f"fit_each: {len(models)} models, but {len(data)} training sets, {len(seeds)} seeds and "
                             f"{len(masks)} masks")
        empty = [m for m, own in enumerate(data) if len(own) == 0]
        if empty:
            raise ValueError(f"fit_each: the training set of model {empty[0]} is empty")
        trained = [model.native for model in models]
        train_each(trained, [tensor_set(own, self.num_classes, self.device) for own in data], options, seeds,
                   [model.mask_tensors(mask or {}) for model, mask in zip(models, masks, strict=True)])
        return [TorchModel(module, self.num_classes, self.device) for module in trained]

    def _network(self, seed: int) -> nn.Module:
        with reproducible(seed, torch.device("cpu")):
            return self.architecture.build(self.input_shape, self.num_classes, self.settings)
