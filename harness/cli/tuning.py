"""`unlearn tune`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import Request, suite_options
from harness.errors import BadSetting
from harness.progress import BarProgress, make_progress

if TYPE_CHECKING:
    from harness.tuning.objective import Track


@click.command("tune")
@suite_options
@click.option("--track", type=click.Choice(["oracle-tuned", "deployable"]), default="deployable", show_default=True,
              help="What the search may see: oracles, test set and references, or none of them.")
@click.option("--trials", type=click.IntRange(1), default=10, show_default=True, metavar="N",
              help="Settings to try of every method, in each access mode.")
@click.option("--space", "spaces", multiple=True, metavar="PARAM=SPACE",
              help="Search this, e.g. lr=1e-4:1:log, alpha=0.0:1.0 or epochs=5,10 [default: the method's own]; "
                   "repeatable.")
@click.option("--originals", type=click.IntRange(1), default=2, show_default=True, metavar="N",
              help="Originals to try each setting on.")
@click.option("--forget-sets", type=click.IntRange(1), default=2, show_default=True, metavar="N",
              help="Forget sets to try it on, of each original; classes at most as many as the suite leaves.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write the best settings to a TOML file, too.")
@click.option("--jobs", type=click.IntRange(0), metavar="N",
              help="Worker processes; 0 runs everything in this one [default: one per core].")
@click.option("--json", "as_rows", is_flag=True, help="Print every trial as JSON.")
def tune_command(request: Request, track: Track, trials: int, spaces: tuple[str, ...], originals: int,
                 forget_sets: int, out: Path | None, jobs: int | None, as_rows: bool) -> None:
    """Search hyper-parameters for a SUITE, on originals and forget sets that it never uses.

    Prints every trial and, at the end, the best settings as TOML for the suite. Trials are stored like any run.

    \b
    unlearn tune digits-v1 --method amun --trials 10 --track oracle-tuned
    unlearn tune digits-v1 --method l1-sparse --space alpha=1e-5:1e-2:log --space lr=0.01,0.1
    """
    from harness.tuning.report import as_lines, remarks, settings_toml, trials_table
    from harness.tuning.search import Search, search
    from harness.tuning.space import parse_space

    wanted = Search(suite=request.plan.suite, track=track, trials=trials, originals=originals,
                    forget_sets=forget_sets, spaces=dict(parse_space(text) for text in spaces))
    progress = make_progress()
    request.registry.manager.register(progress)
    try:
        results = search(wanted, request.place, request.registry, jobs)
    finally:
        if isinstance(progress, BarProgress):
            progress.stop()
    settings = settings_toml(results)
    if out:
        _write(out, settings)
    if as_rows:
        click.echo(json.dumps(as_lines(results), indent=1))
        return
    for tried in results:
        click.echo(f"{trials_table(tried)}\n")
    for line in (line for tried in results for line in remarks(tried)):
        click.echo(f"unlearn: {line}", err=True)
    click.echo(settings, nl=False)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadSetting(f"--out {path}: cannot be written: {error.strerror}") from error
