"""Prints what unlearning many models costs, one after another and at once, in CPU seconds of one thread.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.fleet_unlearning [--models 16] [--method ft ...] [--json FILE]

The models are those that digits-audits-v1 unlearns as shadows: originals of the whole training set of digits, from
each of which the same 10 % are forgotten. Settings are that suite's; methods that are not in it have the learning rate
of its fine-tuning. ``largest difference`` is over the logits of all models on the whole data set, ``moved`` how far
the method has moved them, for comparison.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from attrs import asdict, frozen
from tabulate import tabulate

from harness.context import Context, Place, load_dataset
from harness.fits import says_fit, unlearned_by, unlearned_together
from harness.forget_sets import make_request
from harness.models import FitOptions, Model, ModelFactory, TrainingSet
from harness.plugins import Registry, load_registry
from harness.settings import configure
from harness.suite import DataSpec, RequestSpec
from harness.tasks import Fit, UnlearnTask

RECIPE = FitOptions(epochs=30, batch_size=32, lr=0.1, weight_decay=5e-4, schedule="cosine")
METHODS: Mapping[str, Mapping[str, Any]] = {
    "retrain": {}, "ft": {"lr": 0.13}, "ga": {"lr": 0.013}, "rl": {"lr": 0.13}, "neggrad+": {"lr": 0.13},
    "l1-sparse": {"lr": 0.13}, "salun": {"lr": 0.13}, "delete": {"lr": 0.13},
    "amun": {"eps": 0.32, "attack_steps": 20, "lr": 0.13, "lr_step": 1},
}


@frozen(kw_only=True)
class Way:
    """What one method cost.

    Attributes:
        method, models: what was run.
        composing: CPU seconds of what comes before training, attacks and masks; the same both ways.
        singly, together: CPU seconds of training, one after another and at once.
        difference: the largest, of any logit.
        moved: the largest difference of any logit from the original's.
    """

    method: str
    models: int
    composing: float
    singly: float
    together: float
    difference: float
    moved: float

    @property
    def ratio(self) -> float:
        """The whole, before over after."""
        return (self.composing + self.singly) / (self.composing + self.together)


def tasks_on_digits(registry: Registry, count: int) -> tuple[ModelFactory, list[UnlearnTask]]:
    """Return a factory and tasks on ``count`` of its models, trained on digits."""
    place = Place(store=Path())
    data = load_dataset(registry, DataSpec(name="digits"), place)
    factory = Context(place, registry).factory(
        {"adapter": "torch", "architecture": "mlp", "settings": {"hidden": [128]}}, data)
    request = make_request(RequestSpec(generator="random", size=0.1), 0, 0, data.train, data.num_classes, None, None)
    retain = data.train.take(np.flatnonzero(request.retain_mask(len(data.train))))
    training = TrainingSet(inputs=data.train.inputs, targets=data.train.labels)
    everything = np.ones((count, len(training)), dtype=bool)
    fresh = [factory.build(seed) for seed in range(count)]
    originals = factory.fit_many(fresh, training, everything, RECIPE, range(count))  # type: ignore[attr-defined]
    return factory, [UnlearnTask(original=original, forget=data.train.take(request.forget), retain=retain,
                                 request=request, num_classes=data.num_classes, recipe=RECIPE, build=factory.build,
                                 seed=seed) for seed, original in enumerate(originals)]


def compare(name: str, registry: Registry, factory: ModelFactory, tasks: Sequence[UnlearnTask]) -> Way:
    """Return what ``name`` costs on ``tasks`` both ways, and how far the results are apart."""
    unlearner = configure(registry.unlearners[name], METHODS[name], "method")
    if not says_fit(unlearner):
        raise TypeError(f"{name} does not say itself as a fit")
    fits, composing = timed(lambda: [_fit(unlearner.training(task)) for task in tasks])
    alone, singly = timed(lambda: [unlearned_by(task, fit).model for task, fit in zip(tasks, fits, strict=True)])
    fleet, together = timed(lambda: [one.model for one in unlearned_together(factory, tasks, fits)])
    before, apart, at_once = (np.stack([_logits(model, tasks[0]) for model in models])
                              for models in ([task.original for task in tasks], alone, fleet))
    return Way(method=name, models=len(tasks), composing=composing, singly=singly, together=together,
               difference=float(np.abs(apart - at_once).max()), moved=float(np.abs(apart - before).max()))


def _fit(fit: Fit | None) -> Fit:
    if fit is None:
        raise TypeError("one fit cannot say this method with these settings")
    return fit


def _logits(model: Model, task: UnlearnTask) -> np.ndarray:
    return np.concatenate([model.logits(part.inputs) for part in (task.forget, task.retain) if part is not None])


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what the work returns, and its CPU seconds."""
    start = time.process_time()
    made = work()
    return made, time.process_time() - start


@click.command()
@click.option("--models", default=16, show_default=True)
@click.option("--method", "names", multiple=True, type=click.Choice(list(METHODS)), default=tuple(METHODS))
@click.option("--json", "file", type=click.Path(path_type=Path, dir_okay=False))
def main(models: int, names: Sequence[str], file: Path | None) -> None:
    """Time unlearning of many models at once against one after another."""
    torch.set_num_threads(1)
    registry = load_registry(installed=False)
    factory, tasks = tasks_on_digits(registry, models)
    compare("ga", registry, factory, tasks[:2])  # The first of a process sets up libraries.
    ways = [compare(name, registry, factory, tasks) for name in names]
    print(tabulate([(way.method, way.models, way.composing, way.singly, way.together, way.ratio, way.difference,
                     way.moved) for way in ways],
                   headers=["method", "models", "composing s", "singly s", "together s", "whole, ratio",
                            "largest difference", "moved"], floatfmt=("", "", ".3f", ".3f", ".3f", ".1f", ".1e", ".1f")))
    if file:
        file.write_text(json.dumps([{**asdict(way), "ratio": way.ratio} for way in ways], indent=1) + "\n",
                        encoding="utf-8")


if __name__ == "__main__":
    main()
