"""Commands about rows."""

from __future__ import annotations

from pathlib import Path

import click

from harness.rows import read_rows


@click.command()
@click.argument("rows", type=click.Path(path_type=Path))
def verify(rows: Path) -> None:
    """Check every row of a ROWS file: schema, types, id against content. Every bad line is named at once.

    \b
    unlearn verify unlearn-store/runs/digits-v1-0123456789ab/rows.jsonl
    """
    found = read_rows(rows)
    click.echo(f"{rows}: {len(found)} rows are valid")
