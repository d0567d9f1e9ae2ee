"""What cheap audits cost, beside the published style of training references: a table, JSON and a plot.

    UNLEARN_DATA_ROOT=data OMP_NUM_THREADS=1 python -m tests.benchmarks.costs [--json FILE] [--plot FILE] [--commands]

Half-split references of three kinds are trained as a fleet and, in the same process, by two plain loops, one model
after another:

* *lean*: a DataLoader over tensors, autograd, ``torch.optim``: as short as such a loop can be.
* *published*: what the public code of RMIA (privacy_meter, ``trainers/default_trainer.py``) and AMUN
  (``train_vanilla.py``) does: torchvision's transforms image by image, the loss read after every step, the test
  accuracy after every epoch. AMUN's unused gradients of the inputs are left out.

The first table is in CPU seconds on one thread, so that a busy machine changes the ratios little. Plain loops train few
models, and so does the fleet of convolutional networks, which are trained in turn, too; the column ``trained`` says how
many, and the seconds are multiplied up to the size of the fleet. ``--wall`` adds what a machine's owner sees: wall
seconds on all cores, the fleet in one process a core, the published loop with PyTorch's threads on all cores, with a
loader process (``num_workers=1``) as AMUN has it and without one; for a quiet machine only. ``--commands`` adds
``unlearn plan`` and ``unlearn run digits-v1``.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from attrs import asdict, frozen
from tabulate import tabulate
from torch import nn

from adapters.architectures import ARCHITECTURES
from adapters.torch_adapter import TorchAdapter
from adapters.torch_fleet import TorchFactory
from adapters.torch_model import TorchModel
from harness.context import Place, load_dataset
from harness.data import Dataset as Data
from harness.membership import balanced_halves
from harness.models import FitOptions, TrainingSet
from harness.plugins import load_registry
from harness.suite import DataSpec
from tests.benchmarks.cost_plot import plot
from tests.benchmarks.loops import lean, published

_COMMAND = "import sys; from harness.cli import run_main; sys.exit(run_main(sys.argv[1:]))"


@frozen(kw_only=True)
class Case:
    """References to train.

    Attributes:
        name: in words.
        data: the data set; the pool is its training and test set together.
        factory: of the models.
        recipe: of their training.
        models: in the fleet.
        trained: models of it that are trained to know the cost of all.
        measured: models that the plain loops train.
        goals: least ratio against each loop that was set as a goal.
    """

    name: str
    data: Data
    factory: TorchFactory
    recipe: FitOptions
    models: int
    trained: int
    measured: int
    goals: dict[str, float]

    @property
    def pool(self) -> TrainingSet:
        """Training and test set together."""
        return TrainingSet(inputs=np.concatenate([self.data.train.inputs, self.data.test.inputs]),
                           targets=np.concatenate([self.data.train.labels, self.data.test.labels]))


@frozen(kw_only=True)
class Way:
    """What one way of training the references of a case has cost.

    Attributes:
        case, way: in words.
        models: that were trained.
        seconds: CPU seconds for as many models as the case has, extrapolated where fewer were trained.
        rate: models x samples per CPU second.
        accuracy: mean over the models, on the half of the pool that each has not seen.
        ratio: seconds of this way over those of the fleet.
        goal: least ratio that was to be reached, or None.
    """

    case: str
    way: str
    models: int
    seconds: float
    rate: float
    accuracy: float
    ratio: float
    goal: float | None


def compare(case: Case) -> Iterator[Way]:
    """Yield what the fleet and the plain loops cost, the fleet first."""
    pool = case.pool
    membership = balanced_halves(case.trained, len(pool), 0)
    fresh = [case.factory.build(seed) for seed in range(case.trained)]
    # The first training of a process sets up libraries.
    case.factory.fit_many(fresh[:2], pool, membership[:2], FitOptions(epochs=1, batch_size=case.recipe.batch_size),
                          [0, 1])
    trained, seconds = timed(lambda: case.factory.fit_many(fresh, pool, membership, case.recipe, range(case.trained)))
    rate, seconds = case.trained / seconds, seconds / case.trained * case.models
    work = case.recipe.epochs * len(pool) / 2
    correct = [_accuracy(model.logits(pool.inputs), pool, members)
               for model, members in zip(trained, membership, strict=True)]
    yield Way(case=case.name, way="fleet", models=case.trained, seconds=seconds, rate=rate * work,
              accuracy=float(np.mean(correct)), ratio=1.0, goal=None)
    test = TrainingSet(inputs=case.data.test.inputs, targets=case.data.test.labels)
    loops = (lean, published) if case.data.name != "digits" else (lean,)
    for loop in loops:
        yield _plain(case, loop, pool, membership, fresh, test, seconds)


def _plain(case: Case, loop: Callable[..., nn.Module], pool: TrainingSet, membership: np.ndarray,
           fresh: Sequence[TorchModel], test: TrainingSet, fleet: float) -> Way:
    halves = [TrainingSet(inputs=pool.inputs[members], targets=pool.targets[members])
              for members in membership[:case.measured]]
    few = TrainingSet(inputs=pool.inputs[:100], targets=pool.targets[:100])
    loop(fresh[0], few, few, FitOptions(epochs=1, batch_size=50))
    modules, seconds = timed(lambda: [loop(model, half, test, case.recipe)
                                      for model, half in zip(fresh, halves, strict=False)])
    with torch.no_grad():
        correct = [_accuracy(module(torch.tensor(pool.inputs)).numpy(), pool, members)
                   for module, members in zip(modules, membership, strict=False)]
    whole = seconds / case.measured * case.models
    return Way(case=case.name, way=loop.__name__, models=case.measured, seconds=whole,
               rate=case.measured * case.recipe.epochs * len(pool) / 2 / seconds, accuracy=float(np.mean(correct)),
               ratio=whole / fleet, goal=case.goals.get(loop.__name__))


def _accuracy(logits: np.ndarray, pool: TrainingSet, members: np.ndarray) -> float:
    return float((logits.argmax(1) == pool.targets)[~members].mean())


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what the work returns, and its CPU seconds."""
    start = time.process_time()
    made = work()
    return made, time.process_time() - start


def in_all_cores(case: Case) -> dict[str, Any]:
    """Return wall seconds of a fleet with one process a core, and of the published loop with all that it can use."""
    pool, cores = case.pool, len(os.sched_getaffinity(0))
    membership = balanced_halves(case.trained, len(pool), 0)
    # Forked children find libraries and data where they are.
    shares = [get_context("fork").Process(target=_train, args=(case, pool, membership, range(core, case.trained, cores)))
              for core in range(cores)]
    start = time.perf_counter()
    for share in shares:
        share.start()
    for share in shares:
        share.join()
    fleet = (time.perf_counter() - start) * case.models / case.trained
    test = TrainingSet(inputs=case.data.test.inputs, targets=case.data.test.labels)
    half = TrainingSet(inputs=pool.inputs[membership[0]], targets=pool.targets[membership[0]])
    row: dict[str, Any] = {"references": case.name, "cores": cores, "fleet s": round(fleet, 2)}
    torch.set_num_threads(cores)
    for name, loaders in (("published s", 1), ("without loader process s", 0)):
        start = time.perf_counter()
        published(case.factory.build(0), half, test, case.recipe, loaders=loaders)
        row[name] = round((time.perf_counter() - start) * case.models, 1)
    torch.set_num_threads(1)
    return {**row, "ratio": round(row["published s"] / fleet, 1),
            "ratio without": round(row["without loader process s"] / fleet, 1)}


def _train(case: Case, pool: TrainingSet, membership: np.ndarray, numbers: range) -> None:
    fresh = [case.factory.build(number) for number in numbers]
    case.factory.fit_many(fresh, pool, membership[list(numbers)], case.recipe, numbers)


def cases(root: Path | None, quick: bool) -> Iterator[Case]:
    """Yield the cases; those on MNIST only when it is there."""
    registry, place = load_registry(), Place(store=Path(), data_root=root)
    digits = load_dataset(registry, DataSpec(name="digits"), place)
    yield Case(name="64 digits, 64-128-10", data=digits, factory=_factory("mlp", digits), models=64, trained=64,
               measured=2 if quick else 4, goals={},
               recipe=FitOptions(epochs=30, batch_size=32, lr=0.1, weight_decay=5e-4, schedule="cosine"))
    if root is None:
        return
    mnist = load_dataset(registry, DataSpec(name="mnist", train=5000, test=5000), place)
    recipe = FitOptions(epochs=4 if quick else 20, batch_size=64, lr=0.05, weight_decay=5e-4, schedule="cosine")
    yield Case(name="64 MNIST, 784-128-10", data=mnist, factory=_factory("mlp", mnist), recipe=recipe, models=64,
               trained=64,
               measured=1 if quick else 2, goals={"published": 10.0})
    recipe = FitOptions(epochs=2 if quick else 10, batch_size=64, lr=0.05, weight_decay=5e-4, schedule="cosine")
    yield Case(name="128 MNIST, strided CNN", data=mnist, factory=_factory("small-cnn", mnist), recipe=recipe,
               models=128, trained=2 if quick else 4, measured=1 if quick else 2, goals={"published": 5.0})


def _factory(name: str, data: Data) -> TorchFactory:
    architecture = next(one for one in ARCHITECTURES if one.name == name)
    factory = TorchAdapter().factory(architecture, data.input_shape, data.num_classes, {}, "cpu")
    assert isinstance(factory, TorchFactory)
    return factory


def growth(case: Case) -> dict[str, list[tuple[int, float]]]:
    """Return CPU seconds of a fleet by its number of models, and by the size of the pool."""
    pool = case.pool

    def cost(models: int, size: int) -> float:
        data = TrainingSet(inputs=pool.inputs[:size], targets=pool.targets[:size])
        fresh = [case.factory.build(seed) for seed in range(models)]
        members = balanced_halves(models, size, 0)
        return timed(lambda: case.factory.fit_many(fresh, data, members, case.recipe, range(models)))[1]

    return {"references": [(models, cost(models, len(pool))) for models in (8, 16, 32, 64, 128)],
            "samples": [(size, cost(64, size)) for size in range(300, len(pool) + 1, 300)]}


def commands() -> Iterator[dict[str, Any]]:
    """Yield wall and CPU seconds of commands, everything included: plan with calibration, cold and warm run, plan."""
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in (("plan, calibrating", ["plan"]), ("run, cold", ["run"]), ("run, warm", ["run"]),
                                ("plan, all stored", ["plan"])):
            line = [sys.executable, "-c", _COMMAND, arguments[0], "digits-v1", "--store", folder]
            wall, before = time.perf_counter(), _children()
            subprocess.run(line, check=True, capture_output=True)
            yield {"command": f"digits-v1 {name}", "wall": round(time.perf_counter() - wall, 2),
                   "cpu": round(_children() - before, 2)}


def _children() -> float:
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path), envvar="UNLEARN_DATA_ROOT",
              help="Where MNIST is; without it only digits are trained.")
@click.option("--quick", is_flag=True, help="Fewer epochs and models: rates are rougher and accuracies lower.")
@click.option("--wall", is_flag=True, help="Compare wall seconds on all cores, too; only on a quiet machine.")
@click.option("--commands", "with_commands", is_flag=True, help="Time unlearn plan and unlearn run, too.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write the figures to this file.")
@click.option("--plot", "picture", type=click.Path(path_type=Path), help="Write a plot of costs to this SVG file.")
def main(data_root: Path | None, quick: bool, wall: bool, with_commands: bool, file: Path | None,
         picture: Path | None) -> None:
    """Compare fleets with plain loops, in CPU seconds."""
    torch.set_num_threads(1)
    found = list(cases(data_root, quick))
    ways = [way for case in found for way in compare(case)]
    table = [[way.case, way.way, way.models, f"{way.rate / 1e3:,.1f}", f"{way.seconds:,.1f}", f"{way.accuracy:.2%}",
              f"{way.ratio:.1f}", "" if way.goal is None else f">= {way.goal:g}"] for way in ways]
    print(tabulate(table, headers=["references", "way", "trained", "k model-samples/s", "CPU s", "accuracy", "ratio",
                                   "goal"], disable_numparse=True, colalign=("left", "left", *["right"] * 6)))
    walls = [in_all_cores(case) for case in found if case.data.name != "digits"] if wall else []
    if walls:
        print("\n" + tabulate(walls, headers="keys"))
    timings = list(commands()) if with_commands else []
    if timings:
        print("\n" + tabulate(timings, headers="keys"))
    curves = growth(found[0]) if picture or file else {}
    if picture:
        picture.write_text(plot(curves), encoding="utf-8")
    if file:
        facts = {"machine": platform.machine(), "torch": torch.__version__, "ways": [asdict(way) for way in ways],
                 "wall": walls, "commands": timings, "growth": curves}
        file.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
