"""`unlearn plan`."""

from __future__ import annotations

import json

import click
from tabulate import tabulate

from harness.cli.options import Request, suite_options
from harness.plan import KINDS, Plan
from harness.store import Store


@click.command("plan")
@suite_options
@click.option("--json", "as_rows", is_flag=True, help="Print JSON.")
def plan_command(request: Request, as_rows: bool) -> None:
    """Say what `run` would do for a SUITE, without doing it: stages, what is stored already, model-samples to train.

    \b
    unlearn plan digits-v1
    unlearn plan mnist-random-v1-lite --data-root data
    """
    store = Store(request.place.store, create=False)
    lines = [_line(request.plan, store, kind) for kind in KINDS]
    if as_rows:
        click.echo(json.dumps(lines, indent=1))
    else:
        headers = {"kind": "stage", "planned": "planned", "stored": "stored", "to_compute": "to compute",
                   "model_samples": "model-samples to train"}
        click.echo(tabulate(lines, headers=headers, intfmt=","))
        for skip in request.plan.skipped:
            click.echo(f"skipped {skip.kind} {skip.title}{f' ({skip.access})' if skip.access else ''}: {skip.reason}")


def _line(plan: Plan, store: Store, kind: str) -> dict[str, str | int]:
    stages = [stage for stage in plan.stages if stage.kind == kind]
    todo = [stage for stage in stages if not store.has(stage.key)]
    return {"kind": kind, "planned": len(stages), "stored": len(stages) - len(todo), "to_compute": len(todo),
            "model_samples": int(sum(stage.work for stage in todo))}
