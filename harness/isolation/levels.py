"""How a child process is held, in plain values that can be sent to a worker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from attrs import field, frozen, validators

Level = Literal["bubblewrap", "landlock", "subprocess"]
LEVELS: tuple[Level, ...] = ("bubblewrap", "landlock", "subprocess")
IN_PROCESS = "in-process"


@frozen(kw_only=True)
class Limits:
    """What one unlearning run may use.

    Attributes:
        memory_mb: of all its processes together; a single allocation beyond it is a MemoryError on a CPU.
        cpu_seconds: processor time of each of its processes.
        wall_seconds: of the work, once the child has read its task; None where the caller keeps the time.
        processes: running at once.
        output_mb: that it may print.
        disk_mb: that it may write.
    """

    memory_mb: int = field(default=8192, validator=validators.ge(256))
    cpu_seconds: int = field(default=3600, validator=validators.ge(1))
    wall_seconds: float | None = field(default=None, validator=validators.optional(validators.gt(0)))
    processes: int = field(default=64, validator=validators.ge(4))
    output_mb: float = field(default=16.0, validator=validators.gt(0))
    disk_mb: int = field(default=4096, validator=validators.ge(1))


@frozen(kw_only=True)
class Isolation:
    """A level that has been tried on this machine.

    Attributes:
        level: what holds the child.
        drops_user: whether the child gives up root for a user that nothing else runs as.
        held: canaries that stayed alive: ``files``, ``writing``, ``network``, ``signals``, ``processes``, ``memory``.
        loose: those that did not.
        limits: what the child may use.
    """

    level: Level
    drops_user: bool = False
    held: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    limits: Limits = Limits()

    def __str__(self) -> str:
        found = f"holds {', '.join(self.held) or 'nothing'}"
        return f"{self.level}: {found}" + (f"; open: {', '.join(self.loose)}" if self.loose else "")


def weakest(levels: Iterable[str]) -> str:
    """Return the weakest of several levels, ``in-process`` among them; nothing if there are none."""
    order = [*LEVELS, IN_PROCESS]
    return max(levels, key=order.index, default="")


def how_held(isolation: Isolation | None) -> dict[str, Any]:
    """Return what a record says of how unlearning runs were held."""
    if isolation is None:
        return {"isolation": IN_PROCESS}
    return {"isolation": isolation.level, "canaries": {"held": list(isolation.held), "loose": list(isolation.loose)}}
