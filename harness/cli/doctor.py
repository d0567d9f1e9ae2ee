"""`unlearn doctor`."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import click

from harness.cli.options import DEFAULT_STORE
from harness.environment import environment
from harness.errors import HarnessError
from harness.plugins import load_registry
from harness.store import Store


@click.command()
@click.option("--store", type=click.Path(path_type=Path), default=DEFAULT_STORE, show_default=True, metavar="DIR",
              help="The store to look at.")
@click.option("--plugin", "plugins", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
              help="Load a plugin from a Python file; repeatable.")
def doctor(store: Path, plugins: tuple[Path, ...]) -> None:
    """Check this installation: versions, devices, plugins, store. Exit code 1 if something is wrong.

    \b
    unlearn doctor
    """
    wrong = False
    for good, line in _findings(store, plugins):
        wrong |= not good
        click.echo(f"{'ok ' if good else 'BAD'} {line}")
    raise SystemExit(1 if wrong else 0)


def _findings(store: Path, plugins: tuple[Path, ...]) -> Iterator[tuple[bool, str]]:
    facts = environment("cpu")
    yield True, f"Python {facts['python']} on {facts['platform']}, {os.cpu_count()} cores"
    for name, version in facts["packages"].items():
        yield True, f"{name} {version}"
    for module in ("torch", "sklearn", "onnxruntime", "safetensors"):
        yield _imports(module)
    yield _devices()
    registry = load_registry(plugins)
    for owner in registry.plugins:
        yield True, f"plugin {owner}"
    for broken in registry.broken:
        yield False, broken.cause
    yield _store(store)


def _imports(module: str) -> tuple[bool, str]:
    try:
        importlib.import_module(module)
    except (ImportError, OSError) as error:
        return False, f"import {module}: {error}"
    return True, f"import {module}"


def _devices() -> tuple[bool, str]:
    import torch

    count = torch.cuda.device_count()
    return True, f"{count} CUDA devices" + "".join(f"; cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(count))


def _store(path: Path) -> tuple[bool, str]:
    if not path.exists():
        return True, f"store {path}: none yet"
    try:
        store = Store(path)
        count = sum(1 for _ in store)
    except HarnessError as error:
        return False, str(error)
    return True, f"store {path}: {count} objects, {shutil.disk_usage(path).free / 2**30:.0f} GiB free"
