"""Measuring what a plan's work costs here, by doing one piece of each kind on a small part of the data.

The plan's own suite is cut down to one original, one forget set, few models and some hundred examples, and executed
in this process, in a store of its own that is thrown away: whatever a plugin does is measured by letting it do it.
"""

from __future__ import annotations

import math
import shutil
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module

import attrs
from attrs import frozen

from harness.context import Context, Place
from harness.cost.estimate import lacking
from harness.cost.rates import ALONE, UNLEARN, WRITE, Loads, Measured, Rate, Rates, fitted
from harness.data import Dataset
from harness.engine.worker import PRELOAD, execute_stage
from harness.errors import HarnessError
from harness.plan import Plan, Stage, make_plan
from harness.plugins import Registry
from harness.store import Store
from harness.store.locks import in_use
from harness.subsets import subset
from harness.suite import Suite

SECONDS = 10.0
# The next trial is begun when this many times the last one's seconds are left.
GROWTH = 4.0
# Of a stage that is begun when the time is up: most are shorter, and all are worth knowing.
SHORTEST = 0.05
# Steps of training that a method's step on an example may cost: two models, both ways, and something beside.
DEAREST = 6.0


@frozen(kw_only=True)
class Cut:
    """How much of a suite is done.

    Attributes:
        train, test: examples.
        epochs: of training; the methods' own stay as they are.
        models: in a block of references, and of shadows.
    """

    train: int
    test: int
    epochs: int
    models: int


def calibrate(plan: Plan, todo: Sequence[Stage], data: Dataset, place: Place, registry: Registry, rates: Rates,
              seconds: float = SECONDS) -> None:
    """Measure the kinds of work in ``todo`` that ``rates`` lack, and save them.

    Args:
        plan: what will be run.
        todo: its stages that are not stored.
        data: its data set.
        place: where its store is; the calibration works below it, on the same disk.
        registry: the plugins.
        rates: what is known; completed as far as the time allows.
        seconds: to spend at most, but for the first training of a few examples.
    """
    names = set(lacking(todo, Loads(plan), rates))
    if not names:
        return
    import_module(PRELOAD)
    deadline = time.monotonic() + seconds
    measured: dict[str, list[Measured]] = {}
    # A suite that cannot be cut down stays unknown in the estimate, nothing worse.
    with in_use(Store(place.store).root), suppress(HarnessError):
        bench = _Bench(plan=plan, data=data, place=place, registry=registry)
        for cut in bench.cuts():
            began = time.monotonic()
            found, writing = _measure(bench.trial(cut), names, measured, deadline)
            for name, one in found.items():
                measured.setdefault(name, []).append(one)
            took, left = time.monotonic() - began, deadline - time.monotonic()
            if left < GROWTH * took:
                break
    most = _most_per_unit(todo, Loads(plan), {name: fitted(some) for name, some in measured.items()}, rates)
    for name, some in measured.items():
        rates.set(name, fitted(some, most.get(name, math.inf)))
    if measured:
        rates.set(WRITE, Rate(what="writing an object", fixed=writing))
    rates.save()


def _most_per_unit(todo: Sequence[Stage], loads: Loads, fresh: Mapping[str, Rate], rates: Rates) -> dict[str, float]:
    """Return for every method how many seconds a unit can cost, by the training of a model; empty if that is unknown.

    A method that makes noise, or goes through the layers, takes long on a hundred examples and hardly longer on all.
    """
    known = [rate for stage in todo if stage.kind in ALONE
             if (rate := fresh.get(name := loads.of(stage).name) or rates.get(name))]
    if not known:
        return {}
    return {loads.of(stage).name: DEAREST * known[0].per_unit * float(stage.spec["method"]["settings"].get("epochs", 1))
            for stage in todo if stage.kind in UNLEARN}


@frozen(kw_only=True, eq=False)
class _Trial:
    """The plan of a suite cut down, its data, and where it is executed."""

    plan: Plan
    data: Dataset
    loads: Loads
    place: Place
    registry: Registry

    def chosen(self, names: Collection[str]) -> list[Stage]:
        """Return one stage of each kind of work that is named, with all that it needs, in order."""
        by_key = {stage.key: stage for stage in self.plan.stages}
        waiting = list({self.loads.of(stage).name: stage.key for stage in reversed(self.plan.stages)
                        if self.loads.of(stage).name in names}.values())
        wanted: set[str] = set()
        while waiting:
            key = waiting.pop()
            if key not in wanted:
                wanted.add(key)
                waiting += by_key[key].inputs
        return [stage for stage in self.plan.stages if stage.key in wanted]


@frozen(kw_only=True, eq=False)
class _Bench:
    """What trials are cut from."""

    plan: Plan
    data: Dataset
    place: Place
    registry: Registry

    def cuts(self) -> Iterator[Cut]:
        """Yield cuts, each several times larger than the one before: two batches for one epoch, then up to all data."""
        suite, train, test = self.plan.suite, len(self.data.train), len(self.data.test)
        wanted = max((auditor.needs.references for auditor in self.plan.auditors.values()), default=0)
        fewest = max(2, wanted + wanted % 2)
        least = Cut(train=min(train, max(2 * suite.recipe.batch_size, 8 * self.data.num_classes)),
                    test=min(test, 8 * self.data.num_classes), epochs=1, models=fewest)
        yield least
        for quarters in range(8, -1, -1):
            share = 0.25 ** quarters
            if share * train > 1.5 * least.train:
                yield Cut(train=math.ceil(share * train), test=math.ceil(share * test), epochs=suite.recipe.epochs,
                          models=max(fewest, 2 * math.ceil(share * suite.references.block / 2)))

    def trial(self, cut: Cut) -> _Trial:
        """Return the trial of a cut.

        Raises:
            HarnessError: if the suite cannot be cut down that far.
        """
        suite = _cut_suite(self.plan.suite, cut, len(self.data.train))
        data = subset(self.data, suite.data)
        plan = make_plan(suite, data, self.registry, self.place.device)
        return _Trial(plan=plan, data=data, loads=Loads(plan), place=self.place,
                      registry=self.registry)


def _measure(trial: _Trial, names: Collection[str], known: Mapping[str, object],
             deadline: float) -> tuple[dict[str, Measured], float]:
    """Execute stages until all is measured or the time is up; a kind that fails stays unknown.

    Returns:
        The shortest stage of each kind by name, since whatever is done first takes longer; and the seconds that a
        stage costs beside what it reports, mostly those of writing its object.
    """
    measured: dict[str, Measured] = {}
    folder = trial.place.store / "tmp" / f"calibration-{uuid.uuid4().hex}"
    failed: set[str] = set()
    beside: list[float] = []
    try:
        context = Context(attrs.evolve(trial.place, store=folder), trial.registry)
        context.keep(trial.data)
        for stage in trial.chosen(names):
            began = time.perf_counter()
            # The first is never cut off: without it nothing at all would be known.
            limit = max(deadline - time.monotonic(), SHORTEST) if measured or known else None
            if failed.isdisjoint(stage.inputs):
                outcome = execute_stage(attrs.evolve(stage, limit=limit), context)
                if outcome.status == "ok":
                    one = Measured(load=trial.loads.of(stage), seconds=outcome.seconds, peak_mb=outcome.peak_mb)
                    measured[one.load.name] = min(one, measured.get(one.load.name, one), key=lambda one: one.seconds)
                    beside.append(time.perf_counter() - began - outcome.seconds)
                    continue
            failed.add(stage.key)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return measured, sum(beside) / max(1, len(beside))


def _cut_suite(suite: Suite, cut: Cut, train: int) -> Suite:
    requests = suite.requests
    if requests.size >= 1:
        requests = attrs.evolve(requests, size=max(1.0, round(requests.size * cut.train / train)))
    shadows = min(cut.models, suite.shadows.count)
    return attrs.evolve(
        suite, data=attrs.evolve(suite.data, train=cut.train, test=cut.test),
        originals=1, runs=1, oracles=min(suite.oracles, 3), requests=attrs.evolve(requests, count=1, sequence=1),
        recipe=attrs.evolve(suite.recipe, epochs=cut.epochs),
        references=attrs.evolve(suite.references, count=cut.models, block=cut.models,
                                epochs=suite.references.epochs and min(cut.epochs, suite.references.epochs)),
        shadows=attrs.evolve(suite.shadows, count=shadows, block=max(1, shadows)))
