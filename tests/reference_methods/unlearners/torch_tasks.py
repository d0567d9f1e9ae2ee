"""Tasks on small PyTorch networks."""

from __future__ import annotations

from collections import OrderedDict
from functools import cache

import attrs
import numpy as np
import torch
from torch import nn

from adapters.torch_model import TorchModel
from harness import Examples, FitOptions, ForgetRequest, Scope, TrainingSet, UnlearnTask

RECIPE = FitOptions(epochs=30, batch_size=16, lr=0.05, weight_decay=5e-4)


def images(count: int, seed: int) -> Examples:
    """Return 6 x 6 images of bright rows, bright columns and a bright centre, with noise, labels in turn."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    clean = np.zeros((3, 1, 6, 6))
    clean[0, :, 1::3], clean[1, :, :, 1::3], clean[2, :, 2:4, 2:4] = 1, 1, 1
    inputs = np.clip(0.7 * clean[labels] + random.normal(0.15, 0.15, (count, 1, 6, 6)), 0, 1)
    return Examples(inputs=inputs, labels=labels)


def convolutional(seed: int, batch_norm: bool = False) -> TorchModel:
    """Return two convolutions and a linear head, with batch norm after each convolution or without."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for number, (narrow, wide) in enumerate(((1, 4), (4, 6)), start=1):
            layers[f"conv{number}"] = nn.Conv2d(narrow, wide, 3, padding=1, stride=number)
            if batch_norm:
                layers[f"bn{number}"] = nn.BatchNorm2d(wide)
            layers[f"relu{number}"] = nn.ReLU()
        layers["flatten"] = nn.Flatten()
        layers["head"] = nn.Linear(6 * 9, 3)
        return TorchModel(nn.Sequential(layers), 3, torch.device("cpu"))


def normalised(seed: int) -> TorchModel:
    """Return the convolutional network with batch norm."""
    return convolutional(seed, batch_norm=True)


def perceptron(seed: int) -> TorchModel:
    """Return a network without a convolution."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = OrderedDict(flatten=nn.Flatten(), hidden=nn.Linear(36, 12), relu=nn.ReLU(), head=nn.Linear(12, 3))
        return TorchModel(nn.Sequential(layers), 3, torch.device("cpu"))


NETWORKS = {"convolutional": convolutional, "normalised": normalised, "perceptron": perceptron}


def on_device(task: UnlearnTask, device: str) -> UnlearnTask:
    """Return the same task with models that compute elsewhere."""
    def moved(model: TorchModel) -> TorchModel:
        return TorchModel(model.native, model.num_classes, torch.device(device))

    return attrs.evolve(task, original=moved(task.original), build=lambda seed: moved(task.build(seed)))


@cache
def torch_task(network: str, scope: Scope) -> UnlearnTask:
    """Return a task on a trained network: forget six random samples, or class 1."""
    train, build = images(48, seed=1), NETWORKS[network]
    original = build(0).fit(TrainingSet(inputs=train.inputs, targets=train.labels), RECIPE, seed=0)
    if scope == "class":
        forget, classes = np.flatnonzero(train.labels == 1), (1,)
    else:
        forget, classes = np.random.default_rng(3).choice(len(train), 6, replace=False), ()
    request = ForgetRequest(name="test", scope=scope, forget=forget, classes=classes, generator="test", seed=0)
    retain = np.flatnonzero(request.retain_mask(len(train)))
    return UnlearnTask(original=original, forget=train.take(request.forget), retain=train.take(retain),
                       request=request, num_classes=3, recipe=RECIPE, build=build, seed=7)
