"""Commands about rows, runs and submissions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from leaderboard.verification import Verdict

_path = click.Path(path_type=Path)


@click.command()
@click.argument("rows", type=_path, metavar="BUNDLE|ROWS")
@click.option("--data-root", type=_path, envvar="UNLEARN_DATA_ROOT", metavar="DIR",
              help="Folder of the data sets [env: UNLEARN_DATA_ROOT].")
@click.option("--key", type=_path, metavar="FILE", help="Public key that must have signed the bundle.")
def verify(rows: Path, data_root: Path | None, key: Path | None) -> None:
    """Check a submission or a file of rows; every problem is listed, exit code 2 if there is one.

    Of a BUNDLE: digests, signature, each row against the record of the run, forget sets and seeds against the suite,
    and each score against the enclosed logits. Of ROWS: schema, ids, and figures against their values. None of the
    submitter's code is run.

    \b
    unlearn verify mine.zip
    unlearn verify unlearn-store/runs/digits-v1-0123456789ab/rows.jsonl
    """
    verdict = _verdict(rows, data_root, key)
    for note in verdict.notes if verdict.rows else ():
        click.echo(note)
    for row in verdict.rows:
        for flag in verdict.flags.get(row.id, ()):
            click.echo(f"flagged: {row.method.title} ({row.method.access}): {flag.title}: {flag.evidence}")
    for problem in verdict.problems:
        click.echo(f"unlearn: {rows}: {problem}", err=True)
    if verdict.problems:
        click.get_current_context().exit(2)
    click.echo(f"{rows}: {len(verdict.rows)} rows are valid, {len(verdict.recomputed)} of them confirmed by logits")


@click.command()
@click.argument("run", type=_path)
@click.option("--out", type=_path, required=True, metavar="FILE.zip", help="The bundle to write.")
@click.option("--store", type=_path, metavar="DIR", help="The store of the run [default: the one that RUN lies in].")
@click.option("--signals/--no-signals", default=True, show_default=True,
              help="Enclose the logits from which scores are recomputed.")
@click.option("--weights", is_flag=True, help="Enclose the weights too.")
@click.option("--sign", "key", type=_path, metavar="KEY",
              help="Sign with this ed25519 private key (PEM or OpenSSH, without a passphrase).")
def submit(run: Path, out: Path, store: Path | None, signals: bool, weights: bool, key: Path | None) -> None:
    """Pack a RUN, the folder of its record.json, into one file that anybody can verify.

    \b
    unlearn submit unlearn-store/runs/digits-v1-0123456789ab --out mine.zip
    unlearn submit unlearn-store/runs/digits-v1-0123456789ab --out mine.zip --sign ~/.ssh/id_ed25519
    """
    from leaderboard.bundle import write_bundle

    rows = write_bundle(run, out, store=store, signals=signals, weights=weights, key=key)
    click.echo(f"{out}: {rows} rows, {out.stat().st_size / 2**20:.1f} MiB")


@click.command()
@click.argument("run", type=_path)
@click.option("--out", type=_path, required=True, metavar="FILE.html", help="The report to write.")
@click.option("--store", type=_path, metavar="DIR", help="The store of the run [default: the one that RUN lies in].")
@click.option("--data-root", type=_path, envvar="UNLEARN_DATA_ROOT", metavar="DIR",
              help="Folder of the data sets [env: UNLEARN_DATA_ROOT].")
def report(run: Path, out: Path, store: Path | None, data_root: Path | None) -> None:
    """Write everything about a RUN, the folder of its record.json, into one HTML file.

    \b
    unlearn report unlearn-store/runs/digits-v1-0123456789ab --out report.html
    """
    from harness.plugins import load_registry
    from leaderboard.report import write_report

    write_report(run, out, load_registry(), store=store, data_root=data_root)
    click.echo(str(out))


@click.command("rerun")
@click.argument("rows", type=_path)
@click.option("--row", "prefix", required=True, metavar="ID", help="Beginning of the row's id.")
@click.option("--suite", type=_path, metavar="FILE.toml", help="The row's suite, if it is not a registered one.")
@click.option("--plugin", "plugins", multiple=True, type=_path, metavar="FILE",
              help="Plugin of the method; repeatable.")
@click.option("--store", type=_path, default=Path("unlearn-rerun"), show_default=True, metavar="DIR",
              help="A store of its own: what the first run made would prove nothing.")
@click.option("--data-root", type=_path, envvar="UNLEARN_DATA_ROOT", metavar="DIR",
              help="Folder of the data sets [env: UNLEARN_DATA_ROOT].")
@click.option("--device", default="cpu", show_default=True, metavar="D", help="cpu or cuda.")
@click.option("--jobs", type=click.IntRange(0), metavar="N", help="Worker processes [default: one per core].")
def rerun_command(rows: Path, prefix: str, suite: Path | None, plugins: tuple[Path, ...], store: Path,
                  data_root: Path | None, device: str, jobs: int | None) -> None:
    """Run a row of ROWS again from its settings and seeds; exit code 1 if a score leaves the row's noise floor.

    \b
    unlearn rerun leaderboard/rows/digits-v1.jsonl --row 0123456789ab
    """
    from tabulate import tabulate

    from harness.context import Place
    from harness.plugins import load_registry
    from harness.suite import load_suite
    from leaderboard.board import Board
    from leaderboard.compare import gather
    from leaderboard.formats import number
    from leaderboard.rerun import rerun

    row = Board(rows=tuple(gather([rows]))).find(prefix)
    registry = load_registry(plugins)
    place = Place(store=store, data_root=data_root, device=device, plugins=plugins)
    found = rerun(row, load_suite(suite) if suite else registry.suites[row.suite.name], registry, place, jobs=jobs)
    click.echo(tabulate(
        [[one.name, number(one.given, one.unit), number(one.found, one.unit), number(one.floor, one.unit),
          "yes" if one.holds else "NO"] for one in found],
        headers=["score", "row", "again", "noise floor", "reproduced"], disable_numparse=True, stralign="right"))
    if not all(one.holds for one in found):
        click.get_current_context().exit(1)


@click.command("compare")
@click.argument("rows", type=_path, nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Show rows of different protocols too, marked as such.")
@click.option("--column", "columns", multiple=True, metavar="NAME", help="Show only this score; repeatable.")
@click.option("--json", "as_rows", is_flag=True, help="Print the rows that count instead of the table.")
def compare_command(rows: tuple[Path, ...], force: bool, columns: tuple[str, ...], as_rows: bool) -> None:
    """Put ROWS side by side: JSONL files, folders of them, or runs. Rows of different protocols are refused.

    \b
    unlearn compare unlearn-store/runs/digits-v1-0123456789ab mine.jsonl
    """
    from harness.settings import as_json
    from leaderboard.compare import compare, comparison_tables, gather

    comparison = compare(gather(rows), force=force)
    if as_rows:
        click.echo(json.dumps([as_json(row) for row in comparison.rows], indent=1))
    else:
        click.echo(comparison_tables(comparison, columns))
    for note in comparison.notes:
        click.echo(note, err=as_rows)


def _verdict(rows: Path, data_root: Path | None, key: Path | None) -> Verdict:
    from harness.plugins import load_registry
    from leaderboard.verification import verify_bundle, verify_rows

    if rows.suffix == ".jsonl":
        return verify_rows(rows)
    return verify_bundle(rows, load_registry(installed=False), data_root=data_root, trusted=key)
