"""Prints how fast digit classifiers are trained three ways, in models x samples per second of one core (CPU time).

    OMP_NUM_THREADS=1 python -m tests.benchmarks.fleets [--models 64] [--epochs 40]

The baseline is the loop of a tutorial: ``DataLoader``, autograd, ``torch.optim``. The others are ``fit``, one model
after another, and ``fit_many``. All three train a 64-128-10 network on each model's half of 900 digits in batches of
50. The baseline trains few models, as it only needs a rate; every way is warmed up before it is timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import click
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from adapters.architectures import ARCHITECTURES
from adapters.torch_adapter import TorchAdapter
from adapters.torch_fleet import TorchFactory
from adapters.torch_model import TorchModel
from harness.models import FitOptions, TrainingSet

_BASELINE_MODELS = 2


def _digits() -> TrainingSet:
    digits = load_digits()
    return TrainingSet(inputs=(digits.data[:900] / 16).astype(np.float32), targets=digits.target[:900].astype(np.int64))


def _tutorial(model: TorchModel, data: TrainingSet, options: FitOptions) -> None:
    module = model.native.train()
    loader = DataLoader(TensorDataset(torch.tensor(data.inputs), torch.tensor(data.targets)),
                        batch_size=options.batch_size, shuffle=True)
    optimizer = torch.optim.SGD(module.parameters(), lr=options.lr, momentum=options.momentum)
    for _ in range(options.epochs):
        for inputs, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(inputs), labels).backward()
            optimizer.step()


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _ways(factory: TorchFactory, data: TrainingSet, options: FitOptions, count: int) -> list[tuple[str, int, float]]:
    """Return (name, models, seconds) of each way."""
    models = [factory.build(seed) for seed in range(count)]
    orders = [np.random.default_rng(seed).permutation(len(data)) for seed in range(count)]
    membership = np.stack([order < len(data) // 2 for order in orders])
    halves = [TrainingSet(inputs=data.inputs[member], targets=data.targets[member]) for member in membership]
    few, seeds = min(count, _BASELINE_MODELS), range(count)
    return [
        ("DataLoader loop", few, _seconds(
            lambda: [_tutorial(model, half, options) for model, half in zip(models[:few], halves[:few], strict=True)])),
        ("fit, one by one", count, _seconds(
            lambda: [models[seed].fit(halves[seed], options, seed) for seed in seeds])),
        ("fit_many", count, _seconds(lambda: factory.fit_many(models, data, membership, options, seeds))),
    ]


@click.command()
@click.option("--models", default=64, show_default=True)
@click.option("--epochs", default=40, show_default=True)
def main(models: int, epochs: int) -> None:
    """Time three ways of training half-split digit classifiers on one thread."""
    torch.set_num_threads(1)
    data = _digits()
    mlp = next(architecture for architecture in ARCHITECTURES if architecture.name == "mlp")
    factory = TorchAdapter().factory(mlp, (64,), 10, {}, "cpu")
    _ways(factory, data, FitOptions(epochs=1, batch_size=50), 2)
    slowest = 0.0
    for name, count, seconds in _ways(factory, data, FitOptions(epochs=epochs, batch_size=50), models):
        rate = count * epochs * (len(data) // 2) / seconds
        slowest = slowest or rate
        print(f"{name:16} {count:4} models {seconds:7.2f} s "
              f"{rate / 1e3:8.0f} k models x samples/s {rate / slowest:6.1f}x")


if __name__ == "__main__":
    main()
