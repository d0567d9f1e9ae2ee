"""Plain loops that train one model: as short as can be, and as public code has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from adapters.torch_model import TorchModel
from adapters.torch_vision import ensure_torchvision
from harness.models import FitOptions, TrainingSet


class Images(Dataset[tuple[Any, int]]):
    """Images as torchvision's own data sets hand them out: one at a time, through transforms."""

    def __init__(self, inputs: NDArray[np.float32], labels: NDArray[Any]) -> None:
        ensure_torchvision()
        from PIL import Image
        from torchvision import transforms

        # In [0, 1]: back to the bytes that they were read from.
        self._images = [Image.fromarray(np.round(255 * image[0]).astype(np.uint8)) for image in inputs]
        self._labels = [int(label) for label in labels]
        self._transform = transforms.ToTensor()

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self._transform(self._images[index]), self._labels[index]


def lean(model: TorchModel, members: TrainingSet, test: TrainingSet, recipe: FitOptions) -> nn.Module:
    """Train by the shortest of plain loops."""
    loader = DataLoader(TensorDataset(torch.tensor(members.inputs), torch.tensor(members.targets)),
                        batch_size=recipe.batch_size, shuffle=True)
    return _loop(model, loader, None, recipe)


def published(model: TorchModel, members: TrainingSet, test: TrainingSet, recipe: FitOptions,
              loaders: int = 0) -> nn.Module:
    """Train as public code does; ``loaders`` is its ``num_workers``, processes that read images ahead."""
    images, held_out = (Images(part.inputs, part.targets) for part in (members, test))
    loader = DataLoader(images, batch_size=recipe.batch_size, shuffle=True, num_workers=loaders)
    return _loop(model, loader, DataLoader(held_out, batch_size=128, num_workers=loaders), recipe)


def _loop(model: TorchModel, loader: DataLoader[Any], test: DataLoader[Any] | None, recipe: FitOptions) -> nn.Module:
    module = model.native.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(module.parameters(), lr=recipe.lr, momentum=recipe.momentum,
                                weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs * len(loader))
    for _ in range(recipe.epochs):
        module.train()
        seen = 0.0
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(module(inputs), labels)
            loss.backward()
            optimizer.step()
            schedule.step()
            seen += loss.item() if test else 0.0
        if test:
            module.eval()
            with torch.no_grad():
                sum((module(inputs).argmax(1) == labels).sum().item() for inputs, labels in test)
    return module.eval()
