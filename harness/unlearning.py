"""Running the method of a stage: in this process, or in a child that sees its task and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.context import Context
from harness.fits import says_fit, unlearned_together
from harness.isolation import Assignment, run_isolated
from harness.isolation.levels import IN_PROCESS
from harness.models import ModelFactory
from harness.outputs import BadResult, run_unlearner, untouched
from harness.plugins import Registered, Registry
from harness.settings import configure
from harness.tasks import Fit, Unlearned, Unlearner, UnlearnTask

Spec = Mapping[str, Any]


def run_method(spec: Spec, context: Context, task: UnlearnTask) -> tuple[Unlearned, Mapping[str, Any]]:
    """Return what the method of a stage makes of ``task``, and what that cost: seconds, memory, how it was held.

    Raises:
        Exception: whatever the method raises, or what is wrong with its result.
    """
    registry, isolation, method = context.registry, context.place.isolation, spec["method"]
    if isolation is None:
        unlearned, costs = run_unlearner(_configured(spec, registry), task)
        return unlearned, {**costs, "isolation": IN_PROCESS}
    assignment = Assignment(
        method={"name": method["name"], "settings": method["settings"]}, model=spec["model"], recipe=spec["recipe"],
        plugins=tuple(dict.fromkeys(_files(spec, registry))), device=context.place.device,
        input_shape=task.forget.inputs.shape[1:])
    return run_isolated(assignment, task, isolation)


def run_method_on_all(spec: Spec, context: Context, factory: ModelFactory,
                      tasks: Sequence[UnlearnTask]) -> list[Unlearned]:
    """Return what the method of a stage makes of each of ``tasks``, at once where it says itself as a fit.

    The results are those of `run_method`, up to rounding. In a child, tasks run one by one.

    Raises:
        Exception: whatever the method raises, or what is wrong with its result.
    """
    if context.place.isolation is None:
        fits = _said(_configured(spec, context.registry), tasks)
        if fits:
            return unlearned_together(factory, tasks, fits)
    return [run_method(spec, context, task)[0] for task in tasks]


def _said(unlearner: Unlearner, tasks: Sequence[UnlearnTask]) -> list[Fit]:
    """Return what the method fits on each task, or nothing if fits cannot say all of them."""
    fits = []
    if says_fit(unlearner):
        for task in tasks:
            with untouched(task.original):
                fit = unlearner.training(task)
            if fit is None:
                return []
            if not isinstance(fit, Fit):
                raise BadResult(f"training returned {type(fit).__name__}, expected harness.Fit or None")
            fits.append(fit)
    return fits


def _configured(spec: Spec, registry: Registry) -> Unlearner:
    method = spec["method"]
    unlearner: Unlearner = configure(registry.unlearners[method["name"]], method["settings"], "method")
    return unlearner


def _files(spec: Spec, registry: Registry) -> Iterator[Path]:
    """Yield the files given with ``--plugin`` that method, model and recipe come from; no other is shown to a child."""
    model = spec["model"]
    parts: list[Registered[Any]] = [
        registry.unlearners.find(spec["method"]["name"]), registry.adapters.find(model["adapter"]),
        registry.models.find(model["architecture"]), *map(registry.aids.find, spec["recipe"]["aids"])]
    yield from (Path(part.owner.file) for part in parts if part.owner.file)
