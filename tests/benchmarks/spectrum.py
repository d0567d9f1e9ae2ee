"""Prints what PowerQR and FastClip cost and how precise they are, beside what was published; CPU time, one run.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.spectrum values
    OMP_NUM_THREADS=1 python -m tests.benchmarks.spectrum clips
    OMP_NUM_THREADS=1 python -m tests.benchmarks.spectrum training --data-root DIR [--data mnist] [--train N]
        [--epochs 5] [--batch-norm]

``values``: the largest singular value by the published iteration and by PowerQR, and by the FFT formula.
``clips``: one layer clipped by a tenth, by one published clip, by many, and by FastClip.
``training``: a small network on MNIST or CIFAR-10, free, clipped as published, and clipped.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import torch
from torch import Tensor, nn

from harness.context import Place, load_dataset
from harness.plugins import load_registry
from harness.suite import DataSpec
from reference_methods.training.affine import affine_layers
from reference_methods.training.clipping import FastClip
from reference_methods.training.published import PublishedFastClip, power_iteration
from reference_methods.training.spectrum import fourier_singular_values, singular_values

T = TypeVar("T")
Clip = FastClip | PublishedFastClip

LAYERS = (
    ("conv 16-16 3x3, 12x12", lambda: nn.Conv2d(16, 16, 3, padding=1), (16, 12, 12)),
    ("conv 16-32 3x3/2, 14x14", lambda: nn.Conv2d(16, 32, 3, stride=2, padding=1), (16, 14, 14)),
    ("conv 64-64 3x3, 32x32", lambda: nn.Conv2d(64, 64, 3, padding=1), (64, 32, 32)),
    ("conv 256-256 3x3, 8x8", lambda: nn.Conv2d(256, 256, 3, padding=1), (256, 8, 8)),
    ("linear 1568-64", lambda: nn.Linear(1568, 64), (1568,)),
)


@click.group()
def benchmark() -> None:
    """Measure PowerQR and FastClip."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


@benchmark.command()
def values() -> None:
    """Time and error of the largest singular value."""
    click.echo(f"{'layer':25s} {'published, 100 iterations':>28s} {'PowerQR, one value':>28s} {'FFT':>10s}")
    for name, make, shape in LAYERS:
        layer = make()
        exact = float(singular_values(layer, shape, 3, tolerance=1e-6, limit=2000, dtype=torch.float64).values[0])
        start = torch.randn(1, *shape)
        published, old = timed(lambda layer=layer, start=start: power_iteration(layer, start, 100)[1])
        ours, new = timed(lambda layer=layer, shape=shape: float(singular_values(layer, shape).values[0]))
        fourier = ""
        if isinstance(layer, nn.Conv2d):
            fourier = f"{float(fourier_singular_values(layer.weight, shape[1:])[0]) / exact - 1:+.1e}"
        click.echo(f"{name:25s} {error(published, exact):>15s} {old * 1e3:9.1f} ms {error(ours, exact):>15s} "
                   f"{new * 1e3:9.1f} ms {fourier:>10s}")


@benchmark.command()
def clips() -> None:
    """Time, excess over the limit and distance moved, of clipping one layer by a tenth of its norm."""
    one_step(nn.Linear(2, 2), (2,), 1e-3)  # What is imported on first use is not to be timed.
    click.echo(f"{'layer':25s} {'method':20s} {'excess':>9s} {'moved':>8s} {'CPU':>11s}")
    for name, make, shape in LAYERS:
        layer = make()
        limit = 0.9 * float(singular_values(layer, shape, tolerance=1e-5).values[0])
        for method, work in (("published, 1 clip", lambda *a: published_clips(*a, count=1)),
                             ("published, 20 clips", lambda *a: published_clips(*a, count=20)),
                             ("FastClip.step", one_step),
                             ("FastClip.clip", lambda *a: FastClip(a[0], torch.zeros(1, *a[1]), limit=a[2]).clip())):
            clipped = copy.deepcopy(layer)
            _, seconds = timed(lambda work=work, c=clipped, s=shape, m=limit: work(c, s, m))
            norm = float(singular_values(clipped, shape, 2, tolerance=1e-5, dtype=torch.float64).values[0])
            moved = float((clipped.weight - layer.weight).detach().norm() / layer.weight.detach().norm())
            click.echo(f"{name:25s} {method:20s} {norm / limit - 1:+9.1e} {moved:8.4f} {seconds * 1e3:8.1f} ms")


@benchmark.command()
@click.option("--data-root", type=click.Path(path_type=Path), required=True)
@click.option("--data", "name", default="mnist", help="A data set of the harness.")
@click.option("--train", "size", type=int, help="Number of training examples, drawn by class; all without.")
@click.option("--epochs", default=5)
@click.option("--limit", default=1.0)
@click.option("--batch-norm", is_flag=True)
def training(data_root: Path, name: str, size: int | None, epochs: int, limit: float, batch_norm: bool) -> None:
    """Accuracy, time and norms of training with and without clipping."""
    data = load_dataset(load_registry(), DataSpec(name=name, train=size), Place(store=Path(), data_root=data_root))
    parts = [torch.tensor(array) for examples in (data.train, data.test)
             for array in (examples.inputs, examples.labels)]
    click.echo(f"{'method':32s} {'test accuracy':>13s} {'epoch':>8s} {'clipping':>9s}  largest norm as epochs end")
    ways: list[tuple[str, Callable[[nn.Module, Tensor], Clip] | None]] = [
        ("free", None), ("published", lambda network, x: PublishedFastClip(network, x, limit=limit)),
        ("FastClip", lambda network, x: FastClip(network, x, limit=limit))]
    if batch_norm:
        ways.append(("FastClip, batch norm ignored",
                     lambda network, x: FastClip(network, x, limit=limit, batch_norm="ignore")))
    for way, attach in ways:
        torch.manual_seed(0)
        report(way, *train(small_network(data.input_shape, batch_norm), parts, epochs, attach))


def train(network: nn.Module, parts: list[Tensor], epochs: int,
          attach: Callable[[nn.Module, Tensor], Clip] | None) -> tuple[float, float, float, list[float]]:
    """Return test accuracy, CPU seconds per epoch, those of clipping, and the largest norm at the end of each epoch."""
    inputs, labels, test, truth = parts
    clip = attach(network, inputs[:1]) if attach else None
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, epochs)
    total, spent, norms = 0.0, 0.0, []
    for _ in range(epochs):
        begin = time.process_time()
        for rows in torch.randperm(len(inputs)).split(128):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network.train()(inputs[rows]), labels[rows]).backward()
            optimizer.step()
            spent += timed(clip.step)[1] if clip else 0
        spent += timed(clip.clip)[1] if clip else 0
        total += time.process_time() - begin
        schedule.step()
        norms.append(max(float(singular_values(layer.module, layer.input_shape, tolerance=1e-5).values[0])
                         for layer in affine_layers(network, inputs[:1])))
    with torch.no_grad():
        accuracy = float((network.eval()(test).argmax(1) == truth).float().mean())
    return accuracy, total / epochs, spent / epochs, norms


def report(name: str, accuracy: float, seconds: float, spent: float, norms: list[float]) -> None:
    """Print one line of ``training``."""
    click.echo(f"{name:32s} {accuracy:13.4f} {seconds:6.2f} s {spent:7.3f} s  {' '.join(f'{n:.4f}' for n in norms)}")


def small_network(shape: tuple[int, ...], batch_norm: bool) -> nn.Module:
    """Return two strided convolutions and two linear layers, for images whose sides are multiples of four."""
    def convolution(channels: int, wider: int) -> list[nn.Module]:
        norm = [nn.BatchNorm2d(wider)] if batch_norm else []
        return [nn.Conv2d(channels, wider, 3, stride=2, padding=1), *norm, nn.ReLU()]

    channels, height, width = shape
    return nn.Sequential(*convolution(channels, 16), *convolution(16, 32), nn.Flatten(),
                         nn.Linear(2 * height * width, 64), nn.ReLU(), nn.Linear(64, 10))


def published_clips(layer: nn.Module, shape: tuple[int, ...], limit: float, *, count: int) -> None:
    """Clip ``count`` times as published, with one power iteration before each."""
    clip = PublishedFastClip(layer, torch.zeros(1, *shape), limit=limit, every=1)
    for _ in range(count):
        clip.step()


def one_step(layer: nn.Module, shape: tuple[int, ...], limit: float) -> None:
    """Correct once, roughly."""
    FastClip(layer, torch.zeros(1, *shape), limit=limit, every=1).step()


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what ``work`` returns and its CPU seconds."""
    begin = time.process_time()
    value = work()
    return value, time.process_time() - begin


def error(value: float, exact: float) -> str:
    """Return the relative error in words."""
    return f"error {value / exact - 1:+.0e}"


if __name__ == "__main__":
    benchmark()
