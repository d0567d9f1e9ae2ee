"""How much memory there is, and how to tell that there was not enough."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory")
_CGROUP = Path("/sys/fs/cgroup")
# (limit, use, statistics, name of what could be dropped) of the control group that a process sees as its own: version
# 2, then version 1.
_GROUPS = (("memory.max", "memory.current", "memory.stat", "inactive_file"),
           ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat",
            "total_inactive_file"))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether ``error`` says that memory ran out: Python's and NumPy's, or PyTorch's on any device."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _WORDS)


def available_memory() -> int | None:
    """Return the bytes that can still be had without swapping, within the limits of control group and process.

    None if unknown.
    """
    found = [*_from_kernel(), *_from_control_group(), *_from_process()]
    return min(found, default=None)


def _from_kernel() -> list[int]:
    with suppress(OSError, StopIteration, ValueError):
        return [_entry(Path("/proc/meminfo"), "MemAvailable:") * 1024]
    return []


def _from_control_group() -> list[int]:
    for limit, use, statistics, droppable in _GROUPS:
        # A group without a limit says "max", which is no number.
        with suppress(OSError, StopIteration, ValueError):
            used = int((_CGROUP / use).read_text()) - _entry(_CGROUP / statistics, droppable)
            return [max(0, int((_CGROUP / limit).read_text()) - used)]
    return []


def _from_process() -> Iterator[int]:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        with suppress(OSError, StopIteration, ValueError):
            yield max(0, limit - _entry(Path("/proc/self/status"), "VmSize:") * 1024)


def _entry(path: Path, name: str) -> int:
    lines = (line.split() for line in path.read_text().splitlines())
    return int(next(line[1] for line in lines if line and line[0] == name))
