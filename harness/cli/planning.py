"""`unlearn plan`."""

from __future__ import annotations

import json
from typing import Any

import click
from tabulate import tabulate

from harness.cli.options import Request, suite_options
from harness.cost import Estimate, Rates, calibrate, estimate
from harness.cost.calibration import SECONDS
from harness.cost.estimate import lacking
from harness.cost.rates import Loads
from harness.plan import KINDS, Plan, Stage
from harness.run import default_jobs, pending
from harness.store import Store

# What each kind of stage is shared by: the reason why a plan is so much smaller than its table.
_SHARED = {
    "train": "by all methods, forget sets and audits", "retrain": "by all methods and audits of a forget set",
    "reference": "by all methods, forget sets and audits", "shadow": "by all methods and forget sets",
    "shadow-retrain": "by all methods of a forget set", "unlearn": "by all audits",
    "shadow-unlearn": "by all audits of a method on a forget set", "forget": "by all", "audit": "",
}


@click.command("plan")
@suite_options
@click.option("--jobs", type=click.IntRange(0), metavar="N", help="Worker processes [default: one per core].")
@click.option("--calibration/--no-calibration", default=True,
              help=f"Measure what is not known of this machine, in at most {SECONDS:.0f} s.")
@click.option("--json", "as_rows", is_flag=True, help="Print JSON.")
def plan_command(request: Request, jobs: int | None, calibration: bool, as_rows: bool) -> None:
    """Say what `run` would do for a SUITE, and what it would cost here, without doing it.

    \b
    unlearn plan digits-v1
    unlearn plan mnist-random-v1-lite --data-root data --no-calibration
    """
    plan, store = request.plan, Store(request.place.store, create=False)
    todo = pending(plan, store)
    rates, loads = Rates(request.place.store), Loads(plan)
    if calibration and lacking(todo, loads, rates):
        click.echo(f"measuring this machine, for {SECONDS:.0f} s at most", err=True)
        calibrate(plan, todo, request.data, request.place, request.registry, rates)
    cost = estimate(todo, loads, rates, default_jobs(request.place.device) if jobs is None else jobs)
    known = not lacking(todo, loads, rates) or any(cost.work_seconds.values())
    lines = [line for kind in KINDS if (line := _line(plan, todo, kind, cost if known else None))]
    if as_rows:
        click.echo(json.dumps({"stages": lines, "cost": _facts(cost) if known else None}, indent=1))
        return
    headers = {"kind": "stage", "planned": "planned", "stored": "stored", "to_compute": "to compute",
               "models": "models", "model_samples": "model-samples to train", "seconds": "seconds", "shared": "shared"}
    click.echo(tabulate(lines, headers=headers, intfmt=",", floatfmt=",.1f"))
    click.echo(_cost(cost, todo, known))
    for skip in plan.skipped:
        click.echo(f"skipped {skip.kind} {skip.title}{f' ({skip.access})' if skip.access else ''}: {skip.reason}")


def _line(plan: Plan, todo: list[Stage], kind: str, cost: Estimate | None) -> dict[str, Any] | None:
    planned = [stage for stage in plan.stages if stage.kind == kind]
    missing = [stage for stage in todo if stage.kind == kind]
    if not planned:
        return None
    models = 0 if kind in ("forget", "audit") else sum(int(stage.spec.get("models", 1)) for stage in missing)
    return {"kind": kind, "planned": len(planned), "stored": len(planned) - len(missing), "to_compute": len(missing),
            "models": models, "model_samples": int(sum(stage.work for stage in missing)),
            "seconds": None if cost is None else round(cost.work_seconds.get(kind, 0.0), 3), "shared": _SHARED[kind]}


def _facts(cost: Estimate) -> dict[str, Any]:
    return {"seconds": round(cost.seconds, 3), "work_seconds": round(sum(cost.work_seconds.values()), 3),
            "worker_mb": round(cost.worker_mb), "memory_mb": round(cost.memory_mb), "jobs": cost.jobs,
            "unknown": list(cost.unknown)}


def _cost(cost: Estimate, todo: list[Stage], known: bool) -> str:
    if not todo:
        return "everything is stored: run computes nothing"
    if not known:
        return "no seconds: this machine has not been measured (drop --no-calibration)"
    missing = f"; not measured: {', '.join(cost.unknown)}" if cost.unknown else ""
    return f"{cost}, {cost.memory_mb:,.0f} MB together{missing}"
