"""One run: compute what the store lacks, then collect the record."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve

from harness.collect import collect
from harness.context import Place
from harness.cost import Bill
from harness.engine import Outcome, run_dask, run_inline, run_pool
from harness.errors import BadSetting, HarnessError
from harness.isolation.levels import how_held
from harness.plan import Plan, Stage
from harness.plugins import Registry
from harness.record import RunRecord
from harness.store import Store
from harness.store.locks import in_use
from harness.store.upkeep import clear_leftovers, list_objects

ESSENTIAL = ("forget", "train", "retrain", "reference", "shadow", "shadow-retrain")


def pending(plan: Plan, store: Store) -> list[Stage]:
    """Return the stages of ``plan`` that ``store`` does not hold."""
    return [stage for stage in plan.stages if not store.has(stage.key)]


def run_folder(store: Path, suite: str, digest: str) -> Path:
    """Return where a store keeps the record of a suite, named by the digest of what was run of it."""
    return store / "runs" / f"{suite}-{digest[:12]}"


def default_jobs(device: str) -> int:
    """Return how many stages to run side by side: one per core, or one on an accelerator."""
    return len(os.sched_getaffinity(0)) if device == "cpu" and hasattr(os, "sched_getaffinity") else 1


def run(plan: Plan, place: Place, registry: Registry, *, jobs: int | None = None, engine: str = "local") -> RunRecord:
    """Execute ``plan`` and return its record; what was computed before is not computed again.

    Args:
        plan: what to do.
        place: store, data root, device.
        registry: the plugins; its observers are told of every stage.
        jobs: worker processes on this machine; 0 executes everything in this one; one per core when None.
        engine: ``local``, ``dask`` or ``dask:ADDRESS``.

    Raises:
        HarnessError: if the store or the data fail, or nothing can be audited because an original, an oracle or the
            references cannot be trained. A method's own failure is recorded as its result.
    """
    store = Store(place.store)
    clear_leftovers(store)
    with in_use(store.root):
        record = _run(plan, place, registry, store, default_jobs(place.device) if jobs is None else jobs, engine)
    # What a killed worker has left half-written would otherwise lie there until the next run.
    clear_leftovers(store)
    return record


def _run(plan: Plan, place: Place, registry: Registry, store: Store, jobs: int, engine: str) -> RunRecord:
    started = time.perf_counter()
    folder = run_folder(store.root, plan.suite.name, plan.suite.digest)
    list_objects(folder, (stage.key for stage in plan.stages))
    todo = pending(plan, store)
    registry.hook.harness_run_started(plan=plan, store=store)
    bill = Bill(plan, todo, store, jobs)
    labels = {stage.key: stage for stage in plan.stages}
    failed: dict[str, Outcome] = {}
    for outcome in _execute(todo, place, registry, jobs, engine):
        stage = labels[outcome.key]
        if outcome.status != "ok":
            if stage.kind in ESSENTIAL:
                raise HarnessError(f"{stage.label} failed: {outcome.error}")
            failed[outcome.key] = outcome
        bill.add(outcome)
        registry.hook.harness_stage_finished(stage=stage.label, key=stage.key, seconds=outcome.seconds, cached=False)
    stages: dict[str, Any] = {"planned": len(plan.stages), "computed": len(todo) - len(failed),
                              "stored": len(plan.stages) - len(todo), "failed": len(failed)}
    record = collect(plan, store, registry, failed, stages, time.perf_counter() - started, place.device)
    record = evolve(record, measured={**record.measured, **bill.settle(here=engine == "local"), "engine": engine,
                                      **how_held(place.isolation)})
    registry.hook.harness_run_finished(record=record)
    return record


def _execute(stages: Sequence[Stage], place: Place, registry: Registry, jobs: int,
             engine: str) -> Iterator[Outcome]:
    kind, _, address = engine.partition(":")
    if kind not in ("local", "dask") or (kind == "local" and address):
        raise BadSetting(f"--engine {engine}: expected local, dask or dask:ADDRESS")
    if not stages:
        return iter(())
    if kind == "dask":
        return run_dask(stages, place, max(1, jobs), address)
    return run_pool(stages, place, jobs) if jobs else run_inline(stages, place, registry)
