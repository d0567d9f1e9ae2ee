"""Where a plugin comes from: distribution, entry point, and a digest of the source that its numbers rest on."""

from __future__ import annotations

import ast
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from attrs import frozen

from harness.digests import digest_bytes, digest_file, digest_json


@frozen(kw_only=True)
class Provenance:
    """What a row says of a plugin.

    Attributes:
        plugin: name under which it was loaded: a module, an entry point or a file.
        distribution, version: of the installed package; the file's path and ``unpackaged`` for ``--plugin FILE``.
        entry_point: ``name = module`` of an installed plugin, otherwise empty.
        file: path as given, for ``--plugin FILE``, otherwise empty.
        digest: SHA-256 of the file, for ``--plugin FILE``, otherwise empty.
    """

    plugin: str
    distribution: str
    version: str
    entry_point: str = ""
    file: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return f"file {self.file}" if self.file else f"{self.distribution} {self.version} ({self.plugin})"


@cache
def source_digest(module: str) -> str:
    """Return a SHA-256 over the source of ``module`` and of every module of its top-level package that it imports.

    Imports are followed through the syntax tree, inside functions too, so that a change of a shared attack
    invalidates the results of the methods that use it, and of no others.
    """
    return digest_json(dict(sorted(_closure(module).items())))


def _closure(module: str) -> dict[str, str]:
    top = module.partition(".")[0]
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _source(name)
        if name in found or path is None:
            continue
        source = path.read_bytes()
        found[name] = digest_bytes(source)
        waiting += [other for other in imported_modules(source, name) if other.partition(".")[0] == top]
    return found


def _source(module: str) -> Path | None:
    """Return the file of a module below its top-level package, found without importing anything."""
    top, *parts = module.split(".")
    loaded = sys.modules.get(top)
    spec = getattr(loaded, "__spec__", None) or find_spec(top)
    if spec is None:
        return None
    if not spec.submodule_search_locations:
        return Path(spec.origin) if not parts and spec.origin and spec.origin.endswith(".py") else None
    for location in spec.submodule_search_locations:
        place = Path(location).joinpath(*parts)
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if (parts or path.name == "__init__.py") and path.is_file():
                return path
    return None


def imported_modules(source: bytes, module: str) -> list[str]:
    """Return the names that the source of ``module`` imports, in functions too; ``from a import b`` gives a and a.b."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".")[:-node.level]
                base = ".".join([*package, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return names


def class_digest(kind: type) -> str:
    """Return the source digest of the module in which a class is defined."""
    module = kind.__module__
    loaded = sys.modules.get(module)
    if getattr(loaded, "__spec__", None) is None and getattr(loaded, "__file__", None):
        return digest_file(Path(str(loaded.__file__)))  # type: ignore[union-attr]
    return source_digest(module)
