"""`unlearn list` and `unlearn show`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import click
from tabulate import tabulate

from harness.errors import UnknownName
from harness.plugins import Names, Registry, load_registry
from harness.settings import as_json
from harness.suite import Suite
from harness.suite_facts import suite_facts

KINDS = ("unlearners", "auditors", "adapters", "datasets", "models", "suites")
_plugins = click.option("--plugin", "plugins", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
                        help="Load a plugin from a Python file; repeatable.")


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@_plugins
@click.option("--json", "as_rows", is_flag=True, help="Print JSON.")
def list_command(kind: str | None, plugins: tuple[Path, ...], as_rows: bool) -> None:
    """List what is registered, of one KIND or of all, with the distribution that it comes from.

    \b
    unlearn list
    unlearn list unlearners --plugin mine.py
    """
    registry = load_registry(plugins)
    lines = [line for one in ([kind] if kind else KINDS) for line in _lines(registry, one)]
    if as_rows:
        click.echo(json.dumps(lines, indent=1))
    else:
        click.echo(tabulate(lines, headers="keys", maxcolwidths=[None, None, 70, None]))
    for broken in registry.broken:
        click.echo(f"unlearn: warning: {broken.cause}", err=True)


@click.command("show")
@click.argument("name")
@_plugins
@click.option("--json", "as_rows", is_flag=True, help="Print a suite as JSON.")
def show(name: str, plugins: tuple[Path, ...], as_rows: bool) -> None:
    """Show everything about one registered NAME: what it does, its settings with their defaults, where it comes from.

    Of a suite: its protocol, what it costs, and what its rows may be compared with. Its data need not be there.

    \b
    unlearn show amun
    unlearn show digits-v1
    """
    registry = load_registry(plugins)
    found = [(kind, names.find(name)) for kind in KINDS
             if name in (names := _names(registry, kind)).entries or name in names.aliases]
    if not found:
        raise UnknownName("registered name", name, [n for kind in KINDS for n in _names(registry, kind)])
    for kind, entry in found:
        if isinstance(entry.value, Suite):
            _show_suite(entry.value, registry, f"from {entry.owner}", as_rows=as_rows)
            continue
        click.echo(f"{name} ({kind.removesuffix('s')}) from {entry.owner}\n")
        click.echo("\n".join(_describe(entry.value)))


def _show_suite(suite: Suite, registry: Registry, owner: str, *, as_rows: bool) -> None:
    if as_rows:
        click.echo(json.dumps({**as_json(suite), "digest": suite.digest, "protocol": suite.protocol}, indent=1))
        return
    click.echo(f"{suite.name} (suite) {owner}\n\n{suite.description}\n")
    click.echo(tabulate(suite_facts(suite, registry), tablefmt="plain", maxcolwidths=[None, 96]))


def _names(registry: Registry, kind: str) -> Names[Any]:
    names: Names[Any] = getattr(registry, kind)
    return names


def _lines(registry: Registry, kind: str) -> Iterator[dict[str, str]]:
    names = _names(registry, kind)
    for name in names:
        entry = names.find(name)
        yield {"kind": kind.removesuffix("s"), "name": name, "description": _first_line(entry.value),
               "from": str(entry.owner)}


def _first_line(value: Any) -> str:
    text = getattr(value, "description", "") or inspect.getdoc(value) or ""
    return text.strip().partition("\n")[0] if isinstance(text, str) else ""


def _describe(value: Any) -> Iterator[str]:
    yield inspect.getdoc(value) or str(getattr(value, "description", ""))
    for label in ("version", "requires", "access", "scopes", "aliases", "capabilities"):
        content = getattr(value, label, None)
        if content:
            shown = content if isinstance(content, str) else ", ".join(sorted(content))
            yield f"{label}: {shown}"
    if isinstance(value, type) and attrs.has(value):
        yield "settings:"
        for one in attrs.fields(value):
            default = "(required)" if one.default is attrs.NOTHING else _default(one.default)
            yield f"  {one.name} = {default}"


def _default(value: Any) -> str:
    return "(computed)" if isinstance(value, attrs.Factory) else json.dumps(as_json(value))  # type: ignore[arg-type]
