"""`unlearn check`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
from attrs import frozen
from tabulate import tabulate

from harness.errors import BadSetting, UnknownName
from harness.plugins import Names, Registry, load_registry
from harness.settings import configure, parse_assignment

if TYPE_CHECKING:
    from harness.conformance.outcomes import Outcome

KINDS = {"method": "unlearners", "auditor": "auditors", "adapter": "adapters", "suite": "suites"}


@frozen(kw_only=True)
class Subject:
    """What is checked: its kind, its name, the class or suite that is registered."""

    kind: str
    name: str
    value: Any


@click.command("check")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--method", "methods", multiple=True, metavar="NAME", help="Check this unlearner; repeatable.")
@click.option("--auditor", "auditors", multiple=True, metavar="NAME", help="Check this auditor; repeatable.")
@click.option("--adapter", "adapters", multiple=True, metavar="NAME", help="Check this adapter; repeatable.")
@click.option("--suite", "suites", multiple=True, metavar="NAME", help="Check this suite; repeatable.")
@click.option("--plugin", "plugins", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
              help="Load a plugin from a Python file; without names everything in it is checked. Repeatable.")
@click.option("--model", default="", metavar="NAME",
              help="Architecture to try it on [default: the cheapest that fits].")
@click.option("--set", "assignments", multiple=True, metavar="NAME.PARAM=VALUE",
              help="Override a setting, e.g. scrub+r.reference_error=0.1; repeatable.")
@click.option("--data-root", type=click.Path(path_type=Path), envvar="UNLEARN_DATA_ROOT", metavar="DIR",
              help="Folder of the data sets, for suites [env: UNLEARN_DATA_ROOT].")
@click.option("--json", "as_rows", is_flag=True, help="Print JSON.")
def check_command(names: tuple[str, ...], methods: tuple[str, ...], auditors: tuple[str, ...],
                  adapters: tuple[str, ...], suites: tuple[str, ...], plugins: tuple[Path, ...], model: str,
                  assignments: tuple[str, ...], data_root: Path | None, as_rows: bool) -> int:
    """Check that unlearners, auditors, adapters and suites do what they must. Exit code 1 if one does not.

    They are tried on a small made-up problem, in seconds.

    \b
    unlearn check amun
    unlearn check --plugin mine.py
    unlearn check --auditor rmia --auditor mis
    """
    registry = load_registry(plugins)
    wanted = {"method": methods, "auditor": auditors, "adapter": adapters, "suite": suites}
    subjects = [Subject(kind=kind, name=name, value=_names(registry, kind)[name])
                for kind, listed in wanted.items() for name in listed]
    subjects += [subject for name in names for subject in _called(registry, name)]
    if not subjects and plugins:
        subjects = list(_from_files(registry))
    if model:
        registry.models.find(model)
    if not subjects:
        raise BadSetting("nothing to check; name a plugin (unlearn list) or give one with --plugin FILE")
    lines = [_line(subject, outcome) for subject in subjects
             for outcome in _outcomes(subject, registry, model, data_root, assignments)]
    click.echo(json.dumps(lines, indent=1) if as_rows else _table(lines))
    return 1 if any(line["status"] == "failed" for line in lines) else 0


def _names(registry: Registry, kind: str) -> Names[Any]:
    names: Names[Any] = getattr(registry, KINDS[kind])
    return names


def _called(registry: Registry, name: str) -> list[Subject]:
    """Return everything of that name, of whatever kind."""
    found = [Subject(kind=kind, name=name, value=names[name]) for kind in KINDS
             if name in (names := _names(registry, kind)).entries or name in names.aliases]
    if not found:
        raise UnknownName("unlearner, auditor, adapter or suite", name,
                          [known for kind in KINDS for known in _names(registry, kind)])
    return found


def _from_files(registry: Registry) -> Iterator[Subject]:
    """Yield what the files given with ``--plugin`` register.

    Raises:
        BadSetting: if that is nothing.
    """
    found = [Subject(kind=kind, name=name, value=_names(registry, kind)[name]) for kind in KINDS
             for name in _names(registry, kind) if _names(registry, kind).find(name).owner.file]
    if not found:
        files = ", ".join(str(path) for path in registry.files)
        raise BadSetting(f"--plugin {files}: registers no unlearner, auditor, adapter or suite; are its hooks marked "
                         "@harness.hookimpl?")
    yield from found


def _outcomes(subject: Subject, registry: Registry, model: str, data_root: Path | None,
              assignments: Sequence[str]) -> list[Outcome]:
    from harness.conformance.outcomes import run_checks
    from harness.conformance.subjects import checks_of, expected

    value = subject.value
    if isinstance(value, type):
        given = map(parse_assignment, assignments)
        settings = {parameter: new for name, parameter, new in given if name == subject.name}
        value = configure(value, settings, f"{subject.kind} '{subject.name}'") if attrs.has(value) else value()
    return run_checks(checks_of(value, registry, model, data_root), expected(value, None))


def _line(subject: Subject, outcome: Outcome) -> dict[str, str]:
    return {"kind": subject.kind, "name": subject.name, "check": outcome.check, "status": outcome.status,
            "message": outcome.message}


def _table(lines: Sequence[dict[str, str]]) -> str:
    """Return one block per plugin, with how many checks came out how."""
    blocks = []
    for kind, name in dict.fromkeys((line["kind"], line["name"]) for line in lines):
        own = [line for line in lines if (line["kind"], line["name"]) == (kind, name)]
        statuses = [line["status"] for line in own]
        counts = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
        shown = [[line["check"], line["status"], line["message"]] for line in own]
        table = tabulate(shown, headers=["check", "status", ""], maxcolwidths=[None, None, 70])
        blocks.append(f"{kind} {name}: {counts}\n{table}")
    return "\n\n".join(blocks)
