"""`unlearn suite`: hide the forget sets of a suite, and show them."""

from __future__ import annotations

from pathlib import Path

import click

_path = click.Path(path_type=Path)


@click.group("suite")
def suite_command() -> None:
    """Seal a suite: commit to its forget sets by a digest now, reveal them when submissions are closed."""


@suite_command.command()
@click.argument("suite", type=_path, metavar="SUITE.toml")
@click.option("--out", type=_path, required=True, metavar="FILE.toml", help="The sealed suite, to be published.")
@click.option("--secret", type=_path, required=True, metavar="FILE.json", help="The seeds, to be kept until later.")
def seal(suite: Path, out: Path, secret: Path) -> None:
    """Draw hidden seeds for the forget sets of SUITE and commit to them; the sealed suite cannot be run yet.

    \b
    unlearn suite seal autumn-v1.toml --out autumn-v1.sealed.toml --secret autumn-v1.secret.json
    """
    from harness.plugins import load_registry
    from leaderboard.sealing import seal_suite

    sealed = seal_suite(suite, out, secret, load_registry(installed=False))
    click.echo(f"{out}: {sealed.requests.count} forget sets are sealed; suite {sealed.digest[:12]}, protocol "
               f"{sealed.protocol[:12]}, both stay the same when they are revealed")
    click.echo(f"{secret}: keep it safe and secret; without it nobody can ever run the suite", err=True)


@suite_command.command()
@click.argument("suite", type=_path, metavar="SEALED.toml")
@click.option("--out", type=_path, required=True, metavar="FILE.toml", help="The revealed suite, which can be run.")
@click.option("--secret", type=_path, required=True, metavar="FILE.json", help="What sealing wrote.")
def reveal(suite: Path, out: Path, secret: Path) -> None:
    """Write SEALED with its seeds, after checking that they are those that it committed to.

    \b
    unlearn suite reveal autumn-v1.sealed.toml --out autumn-v1.toml --secret autumn-v1.secret.json
    """
    from leaderboard.sealing import reveal_suite

    revealed = reveal_suite(suite, out, secret)
    click.echo(f"{out}: the {revealed.requests.count} seeds are those of the commitment; protocol "
               f"{revealed.protocol[:12]} as before")
