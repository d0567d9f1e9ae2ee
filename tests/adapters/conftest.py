"""What the tests of the torch adapter share: small data and small models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from adapters.architectures import ARCHITECTURES
from adapters.torch_adapter import TorchAdapter
from adapters.torch_fleet import TorchFactory
from harness.models import Architecture, TrainingSet

NETWORKS: Mapping[str, Any] = {architecture.name: architecture for architecture in ARCHITECTURES}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Keep runs of one test comparable bit by bit."""
    torch.set_num_threads(1)


def factory_of(name: str, shape: tuple[int, ...] = (1, 8, 8), classes: int = 4, **settings: Any) -> TorchFactory:
    """Return a factory of a network of this package on the CPU."""
    architecture: Architecture = NETWORKS[name]
    factory = TorchAdapter().factory(architecture, shape, classes, settings, "cpu")
    assert isinstance(factory, TorchFactory)
    return factory


def random_set(size: int = 40, shape: tuple[int, ...] = (1, 8, 8), classes: int = 4, seed: int = 0,
               **rest: Any) -> TrainingSet:
    """Return inputs in [0, 1] whose labels can be learnt: the brightest of the first pixels."""
    inputs = np.random.default_rng(seed).random((size, *shape), dtype=np.float32)
    labels = inputs.reshape(size, -1)[:, :classes].argmax(1).astype(np.int64)
    return TrainingSet(inputs=inputs, **{"targets": labels, **rest})
