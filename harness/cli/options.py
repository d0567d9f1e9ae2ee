"""Options that several commands share, and what they amount to."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from attrs import evolve, frozen

from harness.choice import choose
from harness.context import Place, load_dataset
from harness.data import Dataset
from harness.errors import BadSetting
from harness.plan import Plan, make_plan
from harness.plugins import Registry, load_registry
from harness.settings import parse_assignment
from harness.suite import Suite, load_suite

DEFAULT_STORE = Path("unlearn-store")
AUTO = "auto"
_OPTIONS = (
    click.option("--method", "methods", multiple=True, metavar="NAME", help="Run only this method; repeatable."),
    click.option("--auditor", "auditors", multiple=True, metavar="NAME", help="Run only this auditor; repeatable."),
    click.option("--plugin", "plugins", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
                 help="Load a plugin from a Python file; its methods and auditors run beside the suite's. Repeatable."),
    click.option("--set", "assignments", multiple=True, metavar="METHOD.PARAM=VALUE",
                 help="Override a hyper-parameter, e.g. amun.lr=0.01; repeatable."),
    click.option("--references", metavar="N", callback=lambda context, parameter, value: _references(value),
                 help="Number of half-split reference models; for `run` also auto: more until the scores stay."),
    click.option("--store", type=click.Path(path_type=Path), default=DEFAULT_STORE, show_default=True, metavar="DIR",
                 help="Where artefacts are kept and found again."),
    click.option("--data-root", type=click.Path(path_type=Path), envvar="UNLEARN_DATA_ROOT", metavar="DIR",
                 help="Folder of the data sets [env: UNLEARN_DATA_ROOT]."),
    click.option("--download", is_flag=True, help="Download a missing data set into --data-root."),
    click.option("--device", default="cpu", show_default=True, metavar="D", help="cpu, cuda, cuda:1 or auto."),
)


@frozen(kw_only=True)
class Request:
    """What the shared options amount to.

    Attributes:
        registry: the plugins.
        place: store, data root, device.
        data: the suite's data set.
        plan: of the suite with the command line's choice.
        settle: whether references are to be added until the scores stay.
    """

    registry: Registry
    place: Place
    data: Dataset
    plan: Plan
    settle: bool = False

    def of(self, suite: Suite) -> Request:
        """Return the same request for another suite on the same data."""
        return evolve(self, plan=make_plan(suite, self.data, self.registry, self.place.device))


def suite_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument SUITE (a name or a TOML file) and the shared options; the command receives a `Request`."""
    @functools.wraps(command)
    def wrapper(suite: str, methods: tuple[str, ...], auditors: tuple[str, ...], plugins: tuple[Path, ...],
                assignments: tuple[str, ...], references: int | str | None, store: Path, data_root: Path | None,
                download: bool, device: str, **others: Any) -> Any:
        if references == AUTO and command.__name__ != "run_command":
            raise BadSetting("--references auto is for run, which can look at the scores; give a number")
        place = Place(store=store, data_root=data_root, download=download, device=named_device(device), plugins=plugins)
        registry = load_registry(plugins)
        for broken in registry.broken:
            click.echo(f"unlearn: warning: {broken.cause}", err=True)
        chosen = choose(named_suite(registry, suite), registry, methods=methods, auditors=auditors,
                        references=references if isinstance(references, int) else None,
                        settings=[parse_assignment(text) for text in assignments])
        data = load_dataset(registry, chosen.data, place)
        plan = make_plan(chosen, data, registry, place.device)
        request = Request(registry=registry, place=place, data=data, plan=plan, settle=references == AUTO)
        return command(request=request, **others)
    decorated: Callable[..., Any] = wrapper
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return click.argument("suite")(decorated)


def _references(text: str | None) -> int | str | None:
    if text is None or text == AUTO:
        return text
    try:
        return int(text)
    except ValueError as error:
        raise BadSetting(f"--references {text}: expected a number or {AUTO}") from error


def named_suite(registry: Registry, name: str) -> Suite:
    """Return a registered suite, or the one in a TOML file."""
    return load_suite(Path(name)) if name.endswith(".toml") else registry.suites[name]


def named_device(name: str) -> str:
    """Return a device by name, ``auto`` resolved.

    Raises:
        BadSetting: if there is no such device here.
    """
    if name == "cpu":
        return name
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.partition(":")[0] != "cuda":
        raise BadSetting(f"--device {name}: expected cpu, cuda, cuda:N or auto")
    index = name.partition(":")[2] or "0"
    if not index.isdigit() or int(index) >= torch.cuda.device_count():
        raise BadSetting(f"--device {name}: this machine has {torch.cuda.device_count()} CUDA devices; use cpu")
    return name
