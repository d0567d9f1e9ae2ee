"""The processes that have come of one process, as /proc shows them, and how to end them all."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def descendants(root: int) -> list[int]:
    """Return the numbers of all processes below ``root``, itself not among them."""
    found: list[int] = []
    waiting = [root]
    while waiting:
        for thread in _threads(waiting.pop()):
            with suppress(OSError):
                children = [int(word) for word in (thread / "children").read_text(encoding="ascii").split()]
                found += children
                waiting += children
    return found


def _threads(process: int) -> list[Path]:
    with suppress(OSError):
        return list(Path(f"/proc/{process}/task").iterdir())
    return []


def after_name(process: int) -> list[str]:
    """Return what /proc/PID/stat says after the process's name: its state first, when it began at 19.

    Raises:
        OSError: if it cannot be seen.
    """
    # The name may hold spaces and brackets, and is the process's own to choose.
    return Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()


def held_mb(processes: list[int], limit: float) -> float:
    """Return the memory that processes hold together, in MB; what they share counts once where that is near ``limit``.

    Telling what is shared takes longer, so it is only looked at when the plain sum is beyond the limit.
    """
    plain = sum(map(_resident_mb, processes))
    if plain <= limit:
        return plain
    return sum(min(_proportional_mb(process), _resident_mb(process)) for process in processes)


def _resident_mb(process: int) -> float:
    with suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 2**20
    return 0.0


def _proportional_mb(process: int) -> float:
    with suppress(OSError, IndexError, ValueError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return float("inf")


def end_all(root: int, *, patience: float = 5.0) -> None:
    """Kill every descendant of ``root``; stopped first, so that none forks while others are killed."""
    deadline = time.monotonic() + patience
    while (found := _alive(root)) and time.monotonic() < deadline:
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in found:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process, number)
        time.sleep(0.005)


def _alive(root: int) -> list[int]:
    return [process for process in descendants(root) if not _is_zombie(process)]


def _is_zombie(process: int) -> bool:
    try:
        return after_name(process)[0] == "Z"
    except OSError:
        return True
