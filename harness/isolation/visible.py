"""What a child has to see to run Python with the harness and its plugins: the interpreter, the libraries, no more."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from harness.hookspecs import PROJECT
from harness.plugins import BUILT_IN

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
FACTS = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu")
"""Where libraries look up how many cores and how much memory there is."""


def import_path() -> list[str]:
    """Return the folders in which this interpreter looks for modules."""
    return [str(Path(entry).resolve()) for entry in sys.path if entry and Path(entry).exists()]


def code_paths() -> list[str]:
    """Return the folders that hold the interpreter, its packages, and the plugins installed in place.

    Of a checkout, only the packages themselves: beside them may lie a store.
    """
    found = {Path(place).resolve() for place in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    # A virtual environment's interpreter is a link to one elsewhere, and a user's own packages lie in neither.
    found |= {Path(sys.executable).resolve().parent.parent, *_packages(), *_libraries()}
    return sorted(str(path) for path in found if not any(other in path.parents for other in found))


def _libraries() -> Iterator[Path]:
    for entry in map(Path, import_path()):
        if entry.name in ("site-packages", "dist-packages"):
            yield entry


def _packages() -> Iterator[Path]:
    modules = {*BUILT_IN, "harness", *(entry.module for entry in entry_points(group=PROJECT))}
    for top in sorted({module.partition(".")[0] for module in modules}):
        spec = find_spec(top)
        if spec and spec.submodule_search_locations:
            yield from (Path(place).resolve() for place in spec.submodule_search_locations)
        elif spec and spec.origin:
            yield Path(spec.origin).resolve()
