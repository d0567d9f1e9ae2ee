"""Running the method of a stage: in this process, or in a child that sees its task and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.context import Context
from harness.isolation import Assignment, run_isolated
from harness.isolation.levels import IN_PROCESS
from harness.outputs import run_unlearner
from harness.plugins import Registered, Registry
from harness.settings import configure
from harness.tasks import Unlearned, UnlearnTask

Spec = Mapping[str, Any]


def run_method(spec: Spec, context: Context, task: UnlearnTask) -> tuple[Unlearned, Mapping[str, Any]]:
    """Return what the method of a stage makes of ``task``, and what that cost: seconds, memory, how it was held.

    Raises:
        Exception: whatever the method raises, or what is wrong with its result.
    """
    registry, isolation, method = context.registry, context.place.isolation, spec["method"]
    if isolation is None:
        unlearner = configure(registry.unlearners[method["name"]], method["settings"], "method")
        unlearned, costs = run_unlearner(unlearner, task)
        return unlearned, {**costs, "isolation": IN_PROCESS}
    assignment = Assignment(
        method={"name": method["name"], "settings": method["settings"]}, model=spec["model"], recipe=spec["recipe"],
        plugins=tuple(dict.fromkeys(_files(spec, registry))), device=context.place.device,
        input_shape=task.forget.inputs.shape[1:])
    return run_isolated(assignment, task, isolation)


def _files(spec: Spec, registry: Registry) -> Iterator[Path]:
    """Yield the files given with ``--plugin`` that method, model and recipe come from; no other is shown to a child."""
    model = spec["model"]
    parts: list[Registered[Any]] = [
        registry.unlearners.find(spec["method"]["name"]), registry.adapters.find(model["adapter"]),
        registry.models.find(model["architecture"]), *map(registry.aids.find, spec["recipe"]["aids"])]
    yield from (Path(part.owner.file) for part in parts if part.owner.file)
