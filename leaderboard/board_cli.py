"""`unlearn leaderboard`: check, build and preview the board."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from harness.errors import HarnessError
from harness.rows import read_rows, write_rows
from leaderboard.board import Board, read_board, retraction, row_files

PUBLISHED = Path(__file__).parent / "rows"
_rows = click.option("--rows", type=click.Path(path_type=Path), default=PUBLISHED, metavar="DIR",
                     help="Folder of *.jsonl files, or one file [default: the published rows].")


@click.group("leaderboard")
def leaderboard() -> None:
    """Publish rows: add them to a board, check it, build its static site, preview it, withdraw a row.

    \b
    unlearn run digits-v1 --plugin mine.py                                     your method beside the others
    unlearn submit unlearn-store/runs/digits-v1-0123456789ab --out mine.zip    its run as one file
    unlearn leaderboard add mine.zip --rows board                              verified, then added
    unlearn leaderboard serve --rows board                                     the site, as others will see it

    A board is a folder of *.jsonl files, to which rows are only ever added; without --rows it is the published one.
    """


@leaderboard.command()
@_rows
def check(rows: Path) -> None:
    """Check a board: every row valid, ids unique, history whole, one protocol per suite; then list what is flagged.

    Exit code 1 when a row is flagged as not to be believed without an explanation.

    \b
    unlearn leaderboard check
    unlearn leaderboard check --rows unlearn-store/runs/digits-v1-0123456789ab/rows.jsonl
    """
    from leaderboard.flags import find_flags

    board = read_board(rows)
    flags = find_flags(board.current)
    grave = False
    for row in board.current:
        for flag in flags[row.id]:
            grave |= flag.grave
            if flag.level != "background":
                click.echo(f"{row.suite.name} {row.method.access} {row.method.title} ({row.id[:12]}): "
                           f"{flag.title}: {flag.evidence}")
    click.echo(_summary(board))
    if grave:
        click.get_current_context().exit(1)


@leaderboard.command("build")
@_rows
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder of the site.")
def build_command(rows: Path, out: Path) -> None:
    """Write the static site of a board; it works from a disk and loads nothing from elsewhere.

    \b
    unlearn leaderboard build --out site
    unlearn leaderboard build --rows unlearn-store/runs/digits-v1-0123456789ab/rows.jsonl --out site
    """
    board = read_board(rows)
    pages = _build(board, out)
    click.echo(f"{_summary(board)}; {pages} pages: {out / 'index.html'}")


@leaderboard.command()
@_rows
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder of the exports.")
@click.option("--hub-dataset", default="", metavar="ID",
              help="Also write .eval_results for the Hugging Face hub, under this benchmark data set's id.")
@click.option("--site", default="", metavar="URL", help="Address of the published site, named as source in .eval_results.")
def export(rows: Path, out: Path, hub_dataset: str, site: str) -> None:
    """Write a board as JSON lines with its schema, CSV, Croissant, every_eval_ever, and Parquet if pyarrow is there.

    \b
    unlearn leaderboard export --out exports
    """
    from leaderboard.exporting import write_exports

    for path in write_exports(read_board(rows).rows, out, hub_dataset, site):
        click.echo(str(path))


@leaderboard.command()
@_rows
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any free one.")
def serve(rows: Path, port: int) -> None:
    """Build the site in a temporary folder and serve it to this machine until interrupted.

    \b
    unlearn leaderboard serve
    """
    from leaderboard.preview import preview

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "site"
        _build(read_board(rows), out)
        with preview(out, port) as server:
            click.echo(f"http://127.0.0.1:{server.server_port}/  (Ctrl-C ends it)", err=True)
            server.serve_forever()


@leaderboard.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@_rows
@click.option("--method", "methods", multiple=True, metavar="NAME", help="Add only this method; repeatable.")
@click.option("--supersede", is_flag=True, help="Let rows take the place of those of the same method that are there.")
@click.option("--evaluator", default="self", show_default=True, help="Who ran it.")
@click.option("--data-root", type=click.Path(path_type=Path), envvar="UNLEARN_DATA_ROOT", metavar="DIR",
              help="Folder of the data sets [env: UNLEARN_DATA_ROOT].")
def add(bundle: Path, rows: Path, methods: tuple[str, ...], supersede: bool, evaluator: str,
        data_root: Path | None) -> None:
    """Verify a BUNDLE and add its rows; those confirmed by logits become `checked`.

    BUNDLE is what `unlearn submit` writes; its authors' code is not run and need not be installed. A method that the
    board has already in that suite and access mode is left out. Nothing is added if anything in the bundle is wrong.

    \b
    unlearn leaderboard add mine.zip
    unlearn leaderboard add mine.zip --rows board --method my-method --supersede
    """
    from harness.plugins import load_registry
    from leaderboard.adding import admit
    from leaderboard.archive import BundleError
    from leaderboard.verification import verify_bundle

    verdict = verify_bundle(bundle, load_registry(installed=False), data_root=data_root)
    if verdict.problems:
        raise BundleError(bundle, list(verdict.problems))
    admitted = admit(verdict, _board_or_empty(rows), methods=methods, supersede=supersede, evaluator=evaluator)
    for row in admitted.left_out:
        click.echo(f"left out: {row.suite.name} {row.method.access} {row.method.title}: it is there already", err=True)
    for path, new in admitted.by_file(rows).items():
        write_rows([*(read_rows(path) if path.is_file() else []), *new], path)
        click.echo(f"{path}: {len(new)} rows added")


@leaderboard.command("review")
@click.argument("bundles", nargs=-1, type=click.Path(path_type=Path), metavar="BUNDLE...")
@_rows
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the review there as well.")
@click.option("--data-root", type=click.Path(path_type=Path), envvar="UNLEARN_DATA_ROOT", metavar="DIR",
              help="Folder of the data sets [env: UNLEARN_DATA_ROOT].")
def review_command(bundles: tuple[Path, ...], rows: Path, out: Path | None, data_root: Path | None) -> None:
    """Verify BUNDLES and show their rows beside those of the board, which stays as it is.

    Exit code 2 if one of them could not be added. Pull requests that add submissions/NAME.zip are reviewed by it.

    \b
    unlearn leaderboard review mine.zip
    """
    from harness.plugins import load_registry
    from leaderboard.review import review_all

    found = review_all(bundles, _board_or_empty(rows), load_registry(installed=False), data_root=data_root)
    if out is not None:
        try:
            out.write_text(found.text, encoding="utf-8")
        except OSError as error:
            raise HarnessError(f"{out}: cannot be written: {error.strerror}") from error
    click.echo(found.text, nl=False)
    if not found.good:
        click.get_current_context().exit(2)


@leaderboard.command()
@click.argument("row")
@click.option("--reason", required=True, help="Why the row no longer counts.")
@_rows
def retract(row: str, reason: str, rows: Path) -> None:
    """Withdraw the row whose id begins with ROW: a row is added that supersedes it and says why.

    \b
    unlearn leaderboard retract 0123456789ab --reason "trained on the test set"
    """
    board = read_board(rows)
    old = board.find(row)
    withdrawn = retraction(old, reason)
    for path in row_files(rows):
        kept = read_rows(path)
        if old in kept:
            write_rows([*kept, withdrawn], path)
            click.echo(f"{path}: row {old.id[:12]} is retracted by {withdrawn.id[:12]}")


def _board_or_empty(rows: Path) -> Board:
    return read_board(rows) if rows.is_file() or any(rows.glob("*.jsonl")) else Board(rows=())


def _build(board: Board, out: Path) -> int:
    from harness.plugins import load_registry
    from leaderboard.catalog import make_catalog
    from leaderboard.site import build

    return build(board, out, make_catalog(load_registry()))


def _summary(board: Board) -> str:
    retracted = sum(bool(row.retracted) for row in board.latest)
    suites = len({row.suite.name for row in board.current})
    return (f"{len(board.rows)} rows are valid; {len(board.current)} count, {retracted} are retracted; "
            f"{suites} suite{'' if suites == 1 else 's'}")
