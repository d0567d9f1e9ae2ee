"""`unlearn store ...`: what a store holds, sharing it, and looking after it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from harness.cli.options import DEFAULT_STORE
from harness.errors import StoreError
from harness.plan import KINDS
from harness.store import Manifest, Store
from harness.store.packs import import_pack, write_pack
from harness.store.upkeep import (
    Garbage,
    check_objects,
    collect_garbage,
    find_garbage,
    object_bytes,
    remove_object,
    runs_with,
)

_KEY = re.compile("[0-9a-f]{64}")
_store = click.option("--store", "root", type=click.Path(path_type=Path), default=DEFAULT_STORE, show_default=True,
                      metavar="DIR", help="The store.")
_stage = click.option("--stage", "stages", multiple=True, type=click.Choice(KINDS),
                      help="Only objects of this kind of stage; repeatable.")
_json = click.option("--json", "as_rows", is_flag=True, help="Print JSON.")


@click.group("store")
def store_command() -> None:
    """Look into a store, share it, and keep it in order.

    \b
    unlearn store ls
    unlearn store explain 3f2a
    unlearn store pack oracles.zip --stage retrain --stage reference
    unlearn store import oracles.zip
    """


@store_command.command("ls")
@_store
@_stage
@_json
def ls(root: Path, stages: tuple[str, ...], as_rows: bool) -> None:
    """List what a store holds: by kind of stage, or object by object with --stage.

    \b
    unlearn store ls
    unlearn store ls --stage reference
    """
    store = _open(root)
    manifests = [store.manifest(key) for key in store]
    lines = [_line(store, m) for m in manifests if m.stage in stages] if stages else list(_totals(store, manifests))
    if as_rows:
        click.echo(json.dumps(lines, indent=1))
    else:
        click.echo(tabulate(lines, headers="keys", floatfmt=",.1f", intfmt=","))


@store_command.command("explain")
@click.argument("key")
@_store
@_json
def explain(key: str, root: Path, as_rows: bool) -> None:
    """Say what an object is: what it was made from, what it cost, which runs rest on it. KEY may be its first digits.

    \b
    unlearn store explain 3f2a
    """
    store = _open(root)
    manifest = store.manifest(_find(store, key))
    facts = {"key": manifest.key, "stage": manifest.stage, "label": _plain(manifest.label),
             "megabytes": _megabytes(store, manifest.key), "measured": dict(manifest.measured),
             "files": dict(manifest.files), "report": dict(manifest.report), "runs": runs_with(store, manifest.key),
             "inputs": {one: _plain(store.manifest(one).label) for one in _inputs(store, manifest)},
             "spec": dict(manifest.spec)}
    if as_rows:
        click.echo(json.dumps(facts, indent=1))
        return
    for name, value in facts.items():
        click.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value, indent=1)}")


@store_command.command("check")
@_store
@click.option("--remove", is_flag=True, help="Remove what is damaged; the next run computes it again.")
def check(root: Path, remove: bool) -> int:
    """Read every object and compare it with its digests. Exit code 1 if one is damaged.

    \b
    unlearn store check
    """
    store = _open(root)
    count = sum(1 for _ in store)
    damaged = list(check_objects(store))
    for key, problem in damaged:
        click.echo(problem)
        if remove:
            remove_object(store, key)
    removed = ", removed" if damaged and remove else ""
    click.echo(f"{count} objects, {len(damaged)} damaged{removed}")
    return 1 if damaged and not remove else 0


@store_command.command("pack")
@click.argument("file", type=click.Path(path_type=Path))
@_store
@_stage
def pack(file: Path, root: Path, stages: tuple[str, ...]) -> None:
    """Write objects to a FILE that others can import: all of them, or those of some kinds of stage.

    \b
    unlearn store pack digits.zip
    unlearn store pack references.zip --stage reference
    """
    store = _open(root)
    keys = [key for key in store if not stages or store.manifest(key).stage in stages]
    count = write_pack(store, keys, file)
    click.echo(f"{file}: {count} objects, {file.stat().st_size / 1e6:,.1f} MB")


@store_command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@_store
def import_command(file: Path, root: Path) -> None:
    """Take over the objects of a pack. All are checked; what the store has already stays as it is.

    Digests show that nothing was changed on the way, not that it was honestly made.

    \b
    unlearn store import digits.zip
    """
    done = import_pack(Store(root), file)
    click.echo(f"{file}: {done.new} objects imported, {done.known} were there already")


@store_command.command("gc")
@_store
@click.option("--remove", is_flag=True, help="Remove them; without it they are only counted.")
def gc(root: Path, remove: bool) -> None:
    """Find objects that no run in the store's folder `runs` rests on, and remove them with --remove.

    Delete a run's folder there to give up its objects. Imported objects count as garbage until a run uses them.

    \b
    unlearn store gc
    unlearn store gc --remove
    """
    store = _open(root)
    found: Garbage = collect_garbage(store) if remove else find_garbage(store)
    verb = "removed" if remove else "could be removed with --remove"
    click.echo(f"{len(found.keys)} objects ({found.bytes / 1e6:,.1f} MB) {verb}, {found.kept} are needed")


def _open(root: Path) -> Store:
    if not (root / "objects").is_dir():
        raise StoreError(f"there is no store at {root}; name one with --store")
    return Store(root, create=False)


def _find(store: Store, start: str) -> str:
    """Return the one key that begins with ``start``."""
    found = [key for key in store if key.startswith(start)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise StoreError(f"store {store.root} has no object whose key begins with '{start}'; see unlearn store ls")
    raise StoreError(f"{len(found)} objects begin with '{start}', e.g. {found[0][:12]} and {found[1][:12]}")


def _totals(store: Store, manifests: Iterable[Manifest]) -> Iterator[dict[str, Any]]:
    by_stage: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        by_stage.setdefault(manifest.stage, []).append(manifest)
    for stage in sorted(by_stage, key=KINDS.index):
        some = by_stage[stage]
        yield {"stage": stage, "objects": len(some), "MB": sum(_megabytes(store, m.key) for m in some),
               "seconds": sum(_seconds(m) for m in some)}


def _line(store: Store, manifest: Manifest) -> dict[str, Any]:
    return {"key": manifest.key[:12], "stage": manifest.stage, "label": _plain(manifest.label),
            "MB": _megabytes(store, manifest.key), "seconds": _seconds(manifest),
            "date": _plain(str(manifest.measured.get("date", "")))}


def _megabytes(store: Store, key: str) -> float:
    return round(object_bytes(store, key) / 1e6, 3)


def _seconds(manifest: Manifest) -> float:
    return float(manifest.measured.get("seconds", 0.0))


def _inputs(store: Store, manifest: Manifest) -> list[str]:
    """Return the keys of objects that a spec names, however deep."""
    found: dict[str, None] = {}
    waiting: list[Any] = [dict(manifest.spec)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and _KEY.fullmatch(value) and store.has(value):
            found[value] = None
    return sorted(found)


def _plain(text: str) -> str:
    """Return text that cannot steer a terminal: an imported label may hold anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
