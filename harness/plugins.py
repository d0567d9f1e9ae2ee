"""Plugin loading: one at a time, so that a broken one is named and loses nobody else's.

Built-in plugins, installed distributions (entry-point group ``unlearning_harness``) and single files pass through
the same door. A name that two plugins claim is an error that names both.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

import pluggy
from attrs import field, frozen

from harness import hookspecs
from harness.audits import Auditor
from harness.data import DatasetSource
from harness.digests import digest_file
from harness.errors import PluginError, UnknownName
from harness.hookspecs import HARNESS_API, PROJECT
from harness.models import Adapter, Architecture
from harness.provenance import Provenance
from harness.suite import Suite
from harness.tasks import Unlearner

T = TypeVar("T")

DISTRIBUTION = "unlearning-harness"
BUILT_IN = (
    "adapters.plugin",
    "reference_methods.unlearner_plugin",
    "reference_methods.auditor_plugin",
    "reference_methods.training_plugin",
    "suites.plugin",
    "leaderboard.plugin",
)


@frozen
class Registered(Generic[T]):
    """A registered value with its owner."""

    value: T
    owner: Provenance


@frozen
class Names(Generic[T]):
    """Registered values of one kind by name; a missing name is an error with a suggestion."""

    kind: str
    entries: Mapping[str, Registered[T]]
    aliases: Mapping[str, str]

    def find(self, name: str) -> Registered[T]:
        """Return the entry called ``name`` or aliased to it.

        Raises:
            UnknownName: if there is none.
        """
        entry = self.entries.get(self.aliases.get(name, name))
        if entry is None:
            raise UnknownName(self.kind, name, [*self.entries, *self.aliases])
        return entry

    def __getitem__(self, name: str) -> T:
        return self.find(name).value

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.entries))


@frozen(kw_only=True)
class Broken:
    """A plugin that could not be loaded, and why."""

    owner: Provenance
    cause: str


@frozen(kw_only=True)
class Registry:
    """Everything that plugins have registered."""

    unlearners: Names[type[Unlearner]]
    auditors: Names[type[Auditor]]
    adapters: Names[type[Adapter]]
    datasets: Names[DatasetSource]
    models: Names[Architecture]
    aids: Names[Any]
    suites: Names[Suite]
    commands: Names[Any]
    plugins: tuple[Provenance, ...]
    broken: tuple[Broken, ...]
    files: tuple[Path, ...]
    manager: pluggy.PluginManager = field(eq=False, repr=False)

    def dataset(self, name: str) -> DatasetSource:
        """Return a data set source; ``imagefolder:PATH`` is the source ``imagefolder`` at that path."""
        base, colon, argument = name.partition(":")
        source = self.datasets[base]
        if not colon:
            return source
        at: Callable[[str], DatasetSource] | None = getattr(source, "at", None)
        if at is None:
            raise UnknownName("data set", name, self.datasets)
        return at(argument)

    @property
    def hook(self) -> Any:
        """The observers' hooks."""
        return self.manager.hook


_KINDS = {
    "harness_unlearners": "unlearner",
    "harness_auditors": "auditor",
    "harness_adapters": "adapter",
    "harness_datasets": "data set",
    "harness_models": "model",
    "harness_training_aids": "training aid",
    "harness_suites": "suite",
    "harness_commands": "command",
}


def load_registry(files: Sequence[Path] = (), *, installed: bool = True) -> Registry:
    """Return the registry of the built-in plugins, the installed ones and those in ``files``.

    Args:
        files: Python files given with ``--plugin``.
        installed: whether to look for entry points of other distributions.

    Raises:
        PluginError: if a file's plugin is broken, or two plugins claim one name. A broken installed plugin is
            listed in ``Registry.broken`` instead.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    found: dict[str, dict[str, Registered[Any]]] = {kind: {} for kind in _KINDS.values()}
    aliases: dict[str, dict[str, str]] = {kind: {} for kind in _KINDS.values()}
    owners: list[Provenance] = []
    broken: list[Broken] = []
    for owner, load in _sources(files, installed):
        try:
            registered = _register(manager, owner, load)
        except PluginError as error:
            if owner.file or owner.distribution == DISTRIBUTION:
                raise
            broken.append(Broken(owner=owner, cause=str(error)))
            continue
        owners.append(owner)
        for kind, value in registered:
            _add(found[kind], aliases[kind], kind, value, owner)
    names = {kind: Names(kind, found[kind], aliases[kind]) for kind in found}
    return Registry(
        unlearners=names["unlearner"], auditors=names["auditor"], adapters=names["adapter"],
        datasets=names["data set"], models=names["model"], aids=names["training aid"],
        suites=names["suite"], commands=names["command"],
        plugins=tuple(owners), broken=tuple(broken), files=tuple(files), manager=manager)


def _sources(files: Sequence[Path], installed: bool) -> Iterator[tuple[Provenance, Callable[[], ModuleType]]]:
    own = version(DISTRIBUTION)
    for name in BUILT_IN:
        owner = Provenance(plugin=name, distribution=DISTRIBUTION, version=own)
        yield owner, _built_in(name)
    if installed:
        for entry in sorted(entry_points(group=PROJECT), key=lambda e: (e.name, e.value)):
            yield _installed(entry), entry.load
    for path in files:
        if not path.is_file():
            raise PluginError(f"--plugin {path}: there is no such file")
        owner = Provenance(plugin=path.stem, distribution=path.name, version="unpackaged", file=str(path),
                           digest=digest_file(path))
        yield owner, _file(path)


def _built_in(name: str) -> Callable[[], ModuleType]:
    def load() -> ModuleType:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            top = name.partition(".")[0]
            if error.name not in (name, top):
                raise
            place = getattr(sys.modules.get(top), "__file__", None)
            raise PluginError(
                f"the package '{top}' found at {place} is not the one of {DISTRIBUTION}; another distribution owns "
                "the same import name: install unlearning-harness in an environment of its own") from error
    return load


def _installed(entry: EntryPoint) -> Provenance:
    dist = entry.dist
    return Provenance(plugin=entry.name, distribution=dist.name if dist else "unknown",
                      version=dist.version if dist else "unknown", entry_point=f"{entry.name} = {entry.value}")


def _file(path: Path) -> Callable[[], ModuleType]:
    def load() -> ModuleType:
        # Named by content too: source digests are remembered by module, and two files may share a name.
        name = f"unlearning_harness_plugin_{path.stem}_{digest_file(path)[:12]}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise PluginError(f"--plugin {path}: not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module
    return load


def _register(manager: pluggy.PluginManager, owner: Provenance,
              load: Callable[[], ModuleType]) -> list[tuple[str, Any]]:
    """Load one plugin and return what it registers; on any error it leaves no trace."""
    module = None
    try:
        module = load()
        api = getattr(module, "HARNESS_API", HARNESS_API)
        if api != HARNESS_API:
            raise PluginError(f"it was written for plugin API {api}, this harness offers {HARNESS_API}")
        manager.register(module, name=f"{owner.distribution}:{owner.plugin}")
        manager.check_pending()
        return list(_collect(manager, module))
    # The border to other people's code: whatever it raises is its own failure and is recorded as such.
    except Exception as error:
        if module is not None and manager.is_registered(module):
            manager.unregister(module)
        cause = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
        raise PluginError(f"plugin {owner} cannot be loaded: {' '.join(cause.split())}") from error


def _collect(manager: pluggy.PluginManager, module: ModuleType) -> Iterator[tuple[str, Any]]:
    for hook_name, kind in _KINDS.items():
        for implementation in getattr(manager.hook, hook_name).get_hookimpls():
            if implementation.plugin is not module:
                continue
            values = implementation.function()
            if not isinstance(values, Iterable) or isinstance(values, str | bytes):
                raise PluginError(f"{hook_name} must return a list, it returned {values!r}")
            for value in values:
                _check(hook_name, kind, value)
                yield kind, value


_NEEDED = {"adapter": ("capabilities",), "training aid": ("framework", "constrains")}
_METHOD = {"unlearner": "unlearn", "auditor": "audit", "adapter": "factory", "training aid": "attach"}


def _check(hook_name: str, kind: str, value: Any) -> None:
    name = getattr(value, "name", None)
    if not isinstance(name, str) or not name:
        raise PluginError(f"{hook_name} returned {value!r}, which has no 'name'")
    method = _METHOD.get(kind)
    if method is None:
        return
    if not isinstance(value, type):
        raise PluginError(f"{hook_name} must return classes; '{name}' is an instance (drop the parentheses)")
    needed = ["version", method]
    needed += _NEEDED.get(kind, ("requires", "scopes"))
    needed += ["access"] if kind == "unlearner" else []
    needed += ["needs"] if kind == "auditor" else []
    missing = [attribute for attribute in needed if not hasattr(value, attribute)]
    if missing:
        raise PluginError(f"{kind} '{name}' lacks {', '.join(missing)}")
    if kind != "adapter" and not hasattr(value, "__attrs_attrs__"):
        raise PluginError(f"{kind} '{name}' is not an attrs class; decorate it with @attrs.frozen(kw_only=True)")


def _add(entries: dict[str, Registered[Any]], aliases: dict[str, str], kind: str, value: Any,
         owner: Provenance) -> None:
    for name in (value.name, *getattr(value, "aliases", ())):
        taken = entries.get(aliases.get(name, name))
        if taken is not None:
            raise PluginError(f"two plugins register the {kind} '{name}': {taken.owner} and {owner}; "
                              "rename one or uninstall it")
    entries[value.name] = Registered(value, owner)
    for alias in getattr(value, "aliases", ()):
        aliases[alias] = value.name
