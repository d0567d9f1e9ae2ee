"""`unlearn run`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harness.cli.options import Request, suite_options
from harness.progress import BarProgress, make_progress
from harness.record import RunRecord, write_record
from harness.rows import Row, write_rows
from harness.settings import as_json


@click.command("run")
@suite_options
@click.option("--rows", type=click.Path(path_type=Path), metavar="FILE",
              help="Where to write the rows [default: in the store, beside the record].")
@click.option("--jobs", type=click.IntRange(0), metavar="N",
              help="Worker processes; 0 runs everything in this one [default: one per core].")
@click.option("--engine", default="local", show_default=True, metavar="E",
              help="Where stages are executed: local, dask (on this machine) or dask:ADDRESS (of a scheduler).")
@click.option("--json", "as_rows", is_flag=True, help="Print the rows instead of the table.")
def run_command(request: Request, rows: Path | None, jobs: int | None, engine: str, as_rows: bool) -> None:
    """Train, unlearn and audit a SUITE; print a table and write leaderboard rows.

    What the store holds already is not computed again: an interrupted run continues by the same command.

    \b
    unlearn run digits-v1
    unlearn run digits-v1 --method amun --method ft --set amun.lr=0.02
    unlearn run digits-v1 --plugin mine.py
    unlearn run mnist-random-v1-lite --data-root data
    """
    from harness.run import run
    from harness.summary import make_rows
    from harness.table import notes, results_table

    progress = make_progress()
    request.registry.manager.register(progress)
    try:
        record = run(request.plan, request.place, request.registry, jobs=jobs, engine=engine)
    finally:
        if isinstance(progress, BarProgress):
            progress.stop()
    made = make_rows(record)
    place = _save(request, record, made, rows)
    if as_rows:
        click.echo(json.dumps([as_json(row) for row in made], indent=1))
        return
    click.echo(results_table(made, request.plan.suite.columns))
    for line in notes(record, made):
        click.echo(line)
    click.echo(f"rows: {place}", err=True)


def _save(request: Request, record: RunRecord, made: list[Row], rows: Path | None) -> Path:
    from harness.run import run_name

    folder = request.place.store / "runs" / run_name(request.plan.suite)
    write_record(record, folder / "record.json")
    place = rows or folder / "rows.jsonl"
    write_rows(made, place)
    return place
