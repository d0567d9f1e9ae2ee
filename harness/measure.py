"""What a piece of work cost: wall and CPU seconds, peak memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Yield a mapping that holds seconds, cpu_seconds and peak_memory_mb of the process once the block has ended."""
    result: dict[str, float] = {}
    _reset_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield result
    finally:
        result["seconds"] = round(time.perf_counter() - wall, 6)
        result["cpu_seconds"] = round(time.process_time() - cpu, 6)
        result["peak_memory_mb"] = round(_peak_memory() / 2**20, 1)


def _reset_peak() -> None:
    # Linux: writing 5 sets the high-water mark back to the present size. Elsewhere the peak is the process's.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_memory() -> int:
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
