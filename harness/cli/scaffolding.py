"""`unlearn new-plugin`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import click

from harness.errors import BadSetting
from harness.plugins import Names, load_registry

KINDS = {"unlearner": "plugin.txt", "auditor": "auditor.txt"}
CHOICES = {"unlearner": "--method original --method $name", "auditor": "--auditor accuracy --auditor $name"}
TEMPLATES = {"pyproject.toml": "pyproject.txt", "tests/test_{module}.py": "test.txt", "README.md": "readme.txt"}


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", type=click.Choice([*KINDS]), default="unlearner", show_default=True, help="What it brings.")
@click.option("--into", type=click.Path(path_type=Path), default=Path(), metavar="DIR",
              help="Folder in which to make the new one [default: the current one].")
def new_plugin(name: str, kind: str, into: Path) -> None:
    """Write a package with an unlearner or auditor called NAME: thirty lines to fill in, a test, what installs it.

    It passes `unlearn check` as written.

    \b
    unlearn new-plugin my-method
    unlearn check --plugin my-method/my_method.py
    unlearn run digits-v1 --plugin my-method/my_method.py
    unlearn new-plugin my-audit --kind auditor
    """
    folder = into / name
    for path, content in package(name, kind).items():
        _write(folder / path, content)
    module = folder / f"{module_name(name)}.py"
    click.echo(f"{module}\n")
    click.echo(f"next: unlearn check --plugin {module}\n      unlearn run digits-v1 --plugin {module}", err=True)


def package(name: str, kind: str) -> Mapping[str, str]:
    """Return the files of a new package by their paths in it.

    Raises:
        BadSetting: if ``name`` is not fit for a package or taken by another plugin of its kind.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise BadSetting(f"'{name}' cannot be the name of a package; write lower-case words with hyphens between them, "
                         "e.g. my-method")
    registry = load_registry()
    names: dict[str, Names[Any]] = {"unlearner": registry.unlearners, "auditor": registry.auditors}
    taken = names[kind]
    if name in taken.entries or name in taken.aliases:
        raise BadSetting(f"{taken.find(name).owner} has an {kind} called '{name}' already; choose another name")
    module = module_name(name)
    words = {"name": name, "module": module, "kind": kind, "choice": Template(CHOICES[kind]).substitute(name=name),
             "class_name": "".join(part.capitalize() for part in name.split("-"))}
    folder = files("harness.cli") / "templates"
    return {path.format(module=module): Template((folder / source).read_text(encoding="utf-8")).substitute(words)
            for path, source in {"{module}.py": KINDS[kind], **TEMPLATES}.items()}


def module_name(name: str) -> str:
    """Return the name of the module in the package ``name``."""
    return name.replace("-", "_")


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except OSError as error:
        raise BadSetting(f"{path} cannot be written: {error.strerror}; nothing that exists is overwritten") from error
