"""Prints how adversarial examples transfer between smooth and other networks, and how near those of each attack are.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.adversaries transfer
    OMP_NUM_THREADS=1 python -m tests.benchmarks.adversaries distances --figure distances.png

``transfer``: three originals of digits-v1 a limit of the spectral norms, and what the examples of each are to the other
two; with a bound of the networks' Lipschitz constant (AMUN, arXiv:2503.00917, sections 4.1 and 6.2).
``distances``: delta of each training image by PGD-50, FGSM and FFGSM on one original (appendix E.5, figure 7).
"""

from __future__ import annotations

from pathlib import Path

import attrs
import click
import numpy as np
import torch

from adapters.torch_adapter import TorchAdapter
from adapters.torch_model import TorchModel
from harness import Dataset, Examples
from harness.context import Place, load_dataset
from harness.models import TrainingSet
from harness.plugins import load_registry
from harness.suite import Suite
from harness.training import with_aids
from reference_methods.auditors.kkt.sheet import scatter_plot
from reference_methods.training.lipschitz import lipschitz_bound
from reference_methods.unlearners.attacks import Attack, ProjectedGradient, SignWalk
from reference_methods.unlearners.searches import AdversarialSet

REGISTRY = load_registry()
ATTACKS: dict[str, Attack] = {"PGD-50": ProjectedGradient(), "FGSM": SignWalk(), "FFGSM": SignWalk(random_start=True)}
SIZE = 300


@click.group()
def benchmark() -> None:
    """Compare adversarial examples."""


@benchmark.command()
@click.option("--suite", "name", default="digits-v1")
@click.option("--limit", "limits", type=float, multiple=True, default=(4.0, 2.0, 1.0, 0.5))
@click.option("--data-root", type=click.Path(path_type=Path))
def transfer(name: str, limits: tuple[float, ...], data_root: Path | None) -> None:
    """Transfer rate against the limit of the spectral norms."""
    suite, data = _problem(name, data_root)
    clean = data.train.take(np.arange(SIZE))
    click.echo(f"{'limit':>6s} {'Lipschitz bound':>15s} {'accuracy':>9s} {'delta':>7s} {'other wrong':>12s} "
               f"{'as wrong':>9s}")
    for limit in (None, *limits):
        models = [_original(suite, data, seed, limit) for seed in range(3)]
        found = [ProjectedGradient().find(model, clean, 0) for model in models]
        wrong, alike = zip(*(_transferred(clean, examples, other)
                             for i, examples in enumerate(found) for j, other in enumerate(models) if i != j), strict=True)
        bound = np.mean([lipschitz_bound(model.native, torch.tensor(clean.inputs[:1])) for model in models])
        right = np.mean([model.logits(data.test.inputs).argmax(axis=1) == data.test.labels for model in models])
        delta = np.median(np.concatenate([one.distance[one.found] for one in found]))
        click.echo(f"{limit or 'free':>6} {bound:15.1f} {100 * right:8.1f}% {delta:7.3f} {100 * np.mean(wrong):11.1f}% "
                   f"{100 * np.mean(alike):8.1f}%")


@benchmark.command()
@click.option("--suite", "name", default="digits-v1")
@click.option("--data-root", type=click.Path(path_type=Path))
@click.option("--figure", type=click.Path(path_type=Path), help="PNG of each image's delta by PGD-50 and by the others.")
def distances(name: str, data_root: Path | None, figure: Path | None) -> None:
    """Delta of each training image by attack."""
    suite, data = _problem(name, data_root)
    model = _original(suite, data, 0, None)
    found = {title: attack.find(model, data.train, 0) for title, attack in ATTACKS.items()}
    both = np.all([one.found & ~one.already for one in found.values()], axis=0)
    nearest = found["PGD-50"].distance[both]
    click.echo(f"{'attack':8s} {'delta: 10 %':>12s} {'median':>8s} {'90 %':>8s} {'failed':>8s} {'nearer than PGD-50':>19s}")
    for title, one in found.items():
        low, middle, high = np.quantile(one.distance[both], (0.1, 0.5, 0.9))
        click.echo(f"{title:8s} {low:12.3f} {middle:8.3f} {high:8.3f} {100 * (1 - one.found.mean()):7.1f}% "
                   f"{100 * np.mean(one.distance[both] < nearest):18.1f}%")
    if figure:
        wide = nearest.astype(np.float64)
        groups = [("x = y", "gray", wide, wide)]
        groups += [(title, colour, wide, found[title].distance[both].astype(np.float64))
                   for title, colour in (("FGSM", "steelblue"), ("FFGSM", "crimson"))]
        figure.write_bytes(scatter_plot(groups, "delta by PGD-50", "delta"))


def _problem(name: str, data_root: Path | None) -> tuple[Suite, Dataset]:
    suite = REGISTRY.suites[name]
    return suite, load_dataset(REGISTRY, suite.data, Place(store=Path(), data_root=data_root))


def _original(suite: Suite, data: Dataset, seed: int, limit: float | None) -> TorchModel:
    factory = TorchAdapter().factory(REGISTRY.models[suite.model.name], data.input_shape, data.num_classes,
                                     suite.model.settings, "cpu")
    recipe = with_aids(attrs.evolve(suite.recipe, lipschitz=limit), REGISTRY.aids)
    training = TrainingSet(inputs=data.train.inputs, targets=data.train.labels)
    return factory.build(seed).fit(training, recipe, seed)


def _transferred(clean: Examples, found: AdversarialSet, other: TorchModel) -> tuple[float, float]:
    """Return the share of examples that another model gets wrong, and the share to which it gives the same label."""
    said = other.logits(found.inputs[found.found]).argmax(axis=1)
    return (float(np.mean(said != clean.labels[found.found])), float(np.mean(said == found.labels[found.found])))


if __name__ == "__main__":
    benchmark()
