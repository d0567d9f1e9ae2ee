"""What a child does to itself before it looks at the plugin: fewer rights, fewer resources, and no way back."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.isolation import landlock
from harness.isolation.visible import DEVICES, FACTS, SYSTEM, code_paths

_PARENT_DEATH_SIGNAL, _CHILD_SUBREAPER = 1, 36
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000


def confine(order: Mapping[str, Any]) -> None:
    """Give up what the order says; nothing can be had back afterwards.

    Args:
        order: ``level``, ``user`` (or None), ``limits``, ``device``, and the folders ``task``, ``out``, ``scratch``.
    """
    _limit(order)
    if order["level"] == "landlock":
        _leave_network()
    if order["user"] is not None:
        os.setgroups([])
        os.setgid(order["user"])
        os.setuid(order["user"])
    if order["level"] == "landlock":
        devices = list(DEVICES) if order["device"] == "cpu" else ["/dev", "/sys", "/proc"]
        landlock.restrict([*SYSTEM, *FACTS, *devices, *code_paths(), order["task"]],
                          [order["out"], order["scratch"], "/dev/null"])
    # Changing the user has cleared it.
    end_with_parent(signal.SIGKILL)


def end_with_parent(number: signal.Signals) -> None:
    """Ask the kernel to send this process a signal when its parent ends."""
    _libc().prctl(_PARENT_DEATH_SIGNAL, number, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that none escapes by forking twice."""
    _libc().prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)


def _limit(order: Mapping[str, Any]) -> None:
    limits = order["limits"]
    values = {resource.RLIMIT_CPU: limits["cpu_seconds"], resource.RLIMIT_CORE: 0,
              resource.RLIMIT_FSIZE: limits["disk_mb"] << 20, resource.RLIMIT_NOFILE: 512,
              resource.RLIMIT_NPROC: limits["processes"] + (0 if order["user"] is not None else _running())}
    if order["device"] == "cpu":
        # A GPU's driver maps more address space than any machine has memory.
        values[resource.RLIMIT_AS] = limits["memory_mb"] << 20
    for kind, value in values.items():
        hard = resource.getrlimit(kind)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (allowed, allowed))


def _running() -> int:
    """Return how many threads this user has: the limit counts them all."""
    own, count = os.getuid(), 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == own:
                count += sum(1 for _ in (process / "task").iterdir())
        except OSError:
            continue
    return count


def _leave_network() -> None:
    """Move to a network of its own, which has none: Landlock does not cover UDP. Not every system allows it."""
    libc, user, group = _libc(), os.geteuid(), os.getegid()
    if user == 0:
        libc.unshare(_NEW_NETWORK)
    elif libc.unshare(_NEW_USER | _NEW_NETWORK) == 0:
        # Without its user in the new namespace's map it could create no file.
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
