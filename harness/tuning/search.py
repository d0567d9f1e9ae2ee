"""One search: every setting of every method in one plan, run by the ordinary engine and so cached like any run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import attrs
from attrs import field, frozen, validators

from harness.choice import choose
from harness.context import Context, Place, load_dataset
from harness.data import Dataset
from harness.digests import derive_seed
from harness.errors import BadSetting
from harness.plan import Plan, make_plan
from harness.plugins import Registry
from harness.record import CellRecord
from harness.run import run
from harness.settings import Settings
from harness.suite import MethodSpec, ReferenceSpec, RequestSpec, Suite, Tuning
from harness.tasks import Access
from harness.tuning.objective import (
    CRITERION,
    HELD_OUT,
    Track,
    average_gap,
    check_stand_in,
    means,
    saw,
    stand_in_gap,
)
from harness.tuning.space import Space, at_edge, default_space, points, read_space

Measure = Callable[[CellRecord], Mapping[str, float]]


@frozen(kw_only=True)
class Trial:
    """One setting that was tried.

    Attributes:
        point: the hyper-parameters that were searched.
        parts: means over models by name, the objective first; empty where a model or an audit failed.
        error: why it failed.
    """

    point: Settings
    parts: Mapping[str, float]
    error: str = ""

    @property
    def value(self) -> float:
        """The objective; infinite for a trial that failed."""
        return next(iter(self.parts.values()), math.inf)


@frozen(kw_only=True)
class Tried:
    """All trials of one method in one access mode.

    Attributes:
        spec: the method as in the suite.
        access: the access mode.
        trials: in the order in which they were laid out.
        tuning: what a row will say of the search.
        edge: hyper-parameters whose best value is the lowest or highest that was tried; a wider space may hold a
            better one.
    """

    spec: MethodSpec
    access: Access
    trials: tuple[Trial, ...]
    tuning: Tuning
    edge: tuple[str, ...]

    @property
    def best(self) -> Trial | None:
        """The trial with the smallest objective, the first among equals; None where all failed."""
        best = min(self.trials, key=lambda trial: trial.value)
        return best if best.parts else None


@frozen(kw_only=True)
class Search:
    """What is searched and how.

    Attributes:
        suite: whose methods are tuned.
        track: what the search may see.
        trials: settings to try, per method and access mode.
        spaces: text of each hyper-parameter's values, for all methods; each method's own where empty.
        originals, forget_sets: to try each setting on.
    """

    suite: Suite
    track: Track
    trials: int
    spaces: Mapping[str, str] = field(factory=dict)
    originals: int = field(default=2, validator=validators.ge(1))
    forget_sets: int = field(default=2, validator=validators.ge(1))

    @property
    def seed(self) -> int:
        """Root seed of the search, which gives it originals and forget sets that the suite never uses."""
        return derive_seed(self.suite.seed, "tune")


def search(wanted: Search, place: Place, registry: Registry, jobs: int | None = None) -> list[Tried]:
    """Return the trials of every method of the suite that has anything to tune, in its order.

    Raises:
        BadSetting: if a space, a track or the suite do not fit each other.
        HarnessError: as `harness.run.run`.
    """
    methods = _methods(wanted, registry)
    data = load_dataset(registry, wanted.suite.data, place)
    suite = search_suite(wanted, [spec for method in methods for spec in method.candidates], registry, data)
    plan = make_plan(suite, load_dataset(registry, suite.data, place), registry, place.device)
    record = run(plan, place, registry, jobs=jobs)
    measure = average_gap if wanted.track == "oracle-tuned" else _stand_in(plan, place, registry)
    return [_tried(wanted, method, access, cells, measure) for method in methods for access in suite.access
            if (cells := [cell for cell in record.cells if cell.access == access and cell.method in method.labels])]


def search_suite(wanted: Search, candidates: Sequence[MethodSpec], registry: Registry, data: Dataset) -> Suite:
    """Return the suite that a search runs: other originals and forget sets, one run each.

    The deployable track has no oracle, no reference and no test set: a part of the training set stands in for it.

    Raises:
        BadSetting: if no class is left that the suite does not forget, or its audits lack the objective.
    """
    suite = wanted.suite
    other = attrs.evolve(
        suite, seed=wanted.seed, seal=None, originals=wanted.originals, runs=1, unlearners=tuple(candidates),
        requests=_other_requests(suite.requests, wanted.forget_sets, data.num_classes), columns=())
    if wanted.track == "deployable":
        check_stand_in(suite.requests)
        return attrs.evolve(other, oracles=0, references=ReferenceSpec(count=0), auditors=(),
                            data=attrs.evolve(suite.data, held_out=HELD_OUT))
    titles = [spec.title for spec in suite.auditors if spec.name == CRITERION]
    if not titles:
        raise BadSetting(f"--track oracle-tuned minimises the suite's Avg Gap, and '{suite.name}' has no auditor "
                         f"'{CRITERION}'")
    return attrs.evolve(other, auditors=choose(other, registry, auditors=titles[:1]).auditors)


def _other_requests(spec: RequestSpec, count: int, num_classes: int) -> RequestSpec:
    # A method is tuned for one request; AMUN (section 6.3) takes these settings through a sequence unchanged.
    spec = attrs.evolve(spec, sequence=1)
    if spec.generator != "class":
        return attrs.evolve(spec, count=count)
    used = (spec.classes or tuple(range(num_classes)))[:spec.count]
    unused = tuple(label for label in range(num_classes) if label not in used)
    if not unused:
        raise BadSetting("the suite forgets every class; none is left to search on")
    return attrs.evolve(spec, count=min(count, len(unused)), classes=unused[:count])


@frozen(kw_only=True)
class _Method:
    """A method with the settings that are tried."""

    spec: MethodSpec
    texts: Mapping[str, str]
    space: Space
    points: Sequence[Settings]

    @property
    def labels(self) -> list[str]:
        """What the search's suite calls each setting."""
        return [f"{self.spec.title} #{number}" for number in range(1, len(self.points) + 1)]

    @property
    def candidates(self) -> list[MethodSpec]:
        """Each setting as a method of the search's suite."""
        return [attrs.evolve(
            self.spec, label=label, settings={**self.spec.settings, **point}, tuning=None,
            forget_only={name: value for name, value in self.spec.forget_only.items() if name not in point})
            for label, point in zip(self.labels, self.points, strict=True)]


def _methods(wanted: Search, registry: Registry) -> list[_Method]:
    methods = []
    for spec in wanted.suite.unlearners:
        kind = registry.unlearners[spec.name]
        texts = wanted.spaces if wanted.spaces and attrs.fields(kind) else default_space(kind)  # type: ignore[arg-type]
        if texts:
            space = read_space(kind, texts)
            methods.append(_Method(spec=spec, texts=texts, space=space,
                                   points=points(space, wanted.trials, wanted.seed)))
    if not methods:
        raise BadSetting(f"nothing to tune in {', '.join(spec.title for spec in wanted.suite.unlearners)}: no learning "
                         "rate and no space of their own; name one with --space")
    return methods


def _stand_in(plan: Plan, place: Place, registry: Registry) -> Measure:
    context = Context(place, registry)
    data = load_dataset(registry, plan.suite.data, place)

    def measure(cell: CellRecord) -> dict[str, float]:
        original = context.signals(plan.originals[cell.original or 0])
        return stand_in_gap(context.signals(cell.key), original, data, context.request(plan.requests[cell.request]))
    return measure


def _tried(wanted: Search, method: _Method, access: Access, cells: Sequence[CellRecord], measure: Measure) -> Tried:
    trials = []
    for label, point in zip(method.labels, method.points, strict=True):
        own = [cell for cell in cells if cell.method == label]
        errors = [error for cell in own for error in (cell.error, *cell.audit_errors.values()) if error]
        trials.append(Trial(point=point, parts={} if errors else means([measure(cell) for cell in own]),
                            error=errors[0] if errors else ""))
    best = min(trials, key=lambda trial: trial.value)
    return Tried(
        spec=method.spec, access=access, trials=tuple(trials),
        edge=tuple(at_edge(method.space, best.point, method.points)),
        tuning=Tuning(track=wanted.track, trials=len(trials), space=method.texts, seed=wanted.seed,
                      saw=saw(wanted.track, wanted.originals, 1 + max(cell.request for cell in cells))))
