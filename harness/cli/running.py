"""`unlearn run`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click
from attrs import evolve

from harness.cli.isolating import isolated
from harness.cli.options import Request, suite_options
from harness.errors import BadSetting
from harness.progress import BarProgress, make_progress
from harness.record import RunRecord, write_record
from harness.rows import Row, write_rows
from harness.settings import as_json
from harness.suite import Suite


@click.command("run")
@suite_options
@click.option("--rows", type=click.Path(path_type=Path), metavar="FILE",
              help="Where to write the rows [default: in the store, beside the record].")
@click.option("--jobs", type=click.IntRange(0), metavar="N",
              help="Worker processes; 0 runs everything in this one [default: one per core].")
@click.option("--engine", default="local", show_default=True, metavar="E",
              help="Where stages are executed: local, dask (on this machine) or dask:ADDRESS (of a scheduler).")
@click.option("--budget-seconds", type=click.FloatRange(min=0, min_open=True), metavar="S",
              help="Use fewer references, runs, originals ... until the run is expected to take at most S here.")
@click.option("--isolate", is_flag=True,
              help="Run every method in a child process that sees its task and nothing else.")
@click.option("--memory-limit", type=click.IntRange(256), default=8192, show_default=True, metavar="MB",
              help="Memory of such a child.")
@click.option("--json", "as_rows", is_flag=True, help="Print the rows instead of the table.")
def run_command(request: Request, rows: Path | None, jobs: int | None, engine: str, budget_seconds: float | None,
                isolate: bool, memory_limit: int, as_rows: bool) -> None:
    """Train, unlearn and audit a SUITE; print a table and write leaderboard rows.

    What the store holds already is not computed again: an interrupted run continues by the same command.

    \b
    unlearn run digits-v1
    unlearn run digits-v1 --method amun --method ft --set amun.lr=0.02
    unlearn run digits-v1 --plugin mine.py
    unlearn run digits-v1 --references auto
    unlearn run mnist-random-v1-lite --data-root data --budget-seconds 300
    unlearn run digits-v1 --plugin stranger.py --isolate
    """
    from harness.run import default_jobs
    from harness.summary import make_rows
    from harness.table import notes, results_table

    workers = default_jobs(request.place.device) if jobs is None else jobs
    if budget_seconds is not None and request.settle:
        raise BadSetting("--budget-seconds and --references auto contradict each other; choose one")
    if isolate:
        held = isolated(request.place, memory_limit, request.plan.suite.unlearn_seconds)
        request = evolve(request, place=held)
    record, remark = _spend(request, workers, engine, budget_seconds)
    made = make_rows(record)
    place = _save(request, record, made, rows)
    if as_rows:
        click.echo(json.dumps([as_json(row) for row in made], indent=1))
        return
    click.echo(results_table(made, request.plan.suite.columns, calibration=record.calibration))
    for line in [*notes(record, made), *remark]:
        click.echo(line)
    click.echo(_bill(record), err=True)
    click.echo(f"rows: {place}", err=True)


def _spend(request: Request, jobs: int, engine: str, budget: float | None) -> tuple[RunRecord, list[str]]:
    """Return the record of a run made as precise as was asked for, and what a reader must know of that."""
    from harness.effort import settle_references, within_budget

    def execute(suite: Suite) -> RunRecord:
        return _execute(request.of(suite), jobs, engine)

    if request.settle:
        settled = settle_references(request.plan.suite, execute)
        moves = [round(move, 3) if math.isfinite(move) else None for move in settled.moves]
        effort: dict[str, Any] = {"references": "auto", "tried": list(settled.tried), "moves": moves,
                                  "settled": settled.settled}
        verdict = "the scores stayed within their intervals" if settled.settled else "the scores still moved"
        return _with_effort(settled.record, effort), [
            f"--references auto: tried {', '.join(map(str, settled.tried))}; {verdict}"]
    if budget is not None:
        chosen = within_budget(request.plan, budget, request.data, request.place, request.registry, jobs)
        changed = ", ".join(f"{name.replace('_', ' ')} {before} -> {after}"
                            for name, (before, after) in chosen.changed.items())
        effort = {"budget_seconds": budget, "changed": {name: list(pair) for name, pair in chosen.changed.items()}}
        return _with_effort(execute(chosen.suite), effort), [
            f"--budget-seconds {budget:g}: {changed or 'the whole suite fits'}"]
    return _execute(request, jobs, engine), []


def _execute(request: Request, jobs: int, engine: str) -> RunRecord:
    from harness.run import run

    progress = make_progress()
    request.registry.manager.register(progress)
    try:
        return run(request.plan, request.place, request.registry, jobs=jobs, engine=engine)
    finally:
        request.registry.manager.unregister(progress)
        if isinstance(progress, BarProgress):
            progress.stop()


def _with_effort(record: RunRecord, effort: dict[str, Any]) -> RunRecord:
    return evolve(record, measured={**record.measured, "effort": effort})


def _bill(record: RunRecord) -> str:
    """Return what was planned beside what it came to."""
    measured = record.measured
    took = f"{measured['seconds']:.1f} s, {measured['worker_mb']} MB in the largest worker"
    planned = measured["planned"]
    if not record.stages["computed"]:
        return f"took {measured['seconds']:.1f} s; everything was stored"
    if planned is None:
        return f"took {took}; not planned, since this machine had not been measured: see unlearn plan"
    return f"planned {planned['seconds']:.1f} s, {planned['worker_mb']} MB; took {took}"


def _save(request: Request, record: RunRecord, made: list[Row], rows: Path | None) -> Path:
    from harness.run import run_folder

    folder = run_folder(request.place.store, record.name, record.suite_digest)
    write_record(record, folder / "record.json")
    place = rows or folder / "rows.jsonl"
    write_rows(made, place)
    return place
