"""The command line of bubblewrap for one child.

Traps: a bind of ``/`` by root leaves /etc/shadow readable whatever user the jail pretends, so only what is needed is
bound; in a user namespace root stays root to the kernel, and limits on processes do not hold, so root makes no user
namespace and the child drops to another user itself.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.isolation.visible import SYSTEM, code_paths

TASK, OUT, SCRATCH = "/task", "/out", "/tmp"


def found() -> bool:
    """Return whether bubblewrap is installed."""
    return shutil.which("bwrap") is not None


def jailed(command: Sequence[str], folder: Path, environment: Mapping[str, str], *, drops_user: bool,
           scratch_mb: int, device: str) -> list[str]:
    """Return ``command`` in a jail that sees code, ``folder/task`` read-only at /task and ``folder/out`` at /out.

    Args:
        command: what to run.
        folder: has the folders ``task`` and ``out``.
        environment: all that the child gets.
        drops_user: leave the child the right to change its user.
        scratch_mb: size of its /tmp, which is kept in memory.
        device: where models compute; anything but ``cpu`` adds the driver's devices.
    """
    arguments = ["bwrap", "--die-with-parent", "--new-session", "--unshare-ipc", "--unshare-pid", "--unshare-net",
                 "--unshare-uts", "--unshare-cgroup-try", "--cap-drop", "ALL", "--clearenv"]
    if os.geteuid() != 0:
        arguments.append("--unshare-user")
    elif drops_user:
        arguments += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    for name, value in environment.items():
        arguments += ["--setenv", name, value]
    arguments += [*_system(), "--proc", "/proc", "--dev", "/dev",
                  "--size", str(scratch_mb << 20), "--perms", "1777", "--tmpfs", SCRATCH]
    for parent in _parents(code_paths()):
        # Made by the way, they would be for their owner alone, and the child may be another user.
        arguments += ["--perms", "0755", "--dir", parent]
    for path in code_paths():
        arguments += ["--ro-bind", path, path]
    if device != "cpu":
        for device_path in (*sorted(Path("/dev").glob("nvidia*")), Path("/sys")):
            arguments += ["--dev-bind-try", str(device_path), str(device_path)]
    return [*arguments, "--ro-bind", str(folder / "task"), TASK, "--bind", str(folder / "out"), OUT,
            "--chdir", SCRATCH, "--", *command]


def _parents(paths: Sequence[str]) -> list[str]:
    """Return the folders above ``paths``, the upper ones first."""
    return sorted({str(parent) for path in paths for parent in Path(path).parents} - {"/"})


def _system() -> Iterator[str]:
    for path in SYSTEM:
        if Path(path).is_symlink():
            yield from ("--symlink", str(Path(path).readlink()), path)
        elif Path(path).exists():
            yield from ("--ro-bind", path, path)
