"""Finding the strongest level that holds on this machine, by trying it."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from harness.errors import BadSetting
from harness.isolation import bubblewrap, landlock
from harness.isolation.canaries import CANARIES, Cage, cage
from harness.isolation.launching import launch, tray, workplace
from harness.isolation.levels import LEVELS, Isolation, Level, Limits

logger = logging.getLogger(__name__)
NEEDED = {"bubblewrap": {"files", "writing", "network", "signals"}, "landlock": {"files", "writing", "network"},
          "subprocess": set[str]()}


def establish(limits: Limits, *, secrets: Sequence[Path] = (), device: str = "cpu",
              levels: Sequence[Level] = LEVELS) -> Isolation:
    """Return the strongest of ``levels`` whose canaries stay alive.

    Args:
        limits: of every child.
        secrets: files that a child must not be able to read, such as one of the store.
        device: where models compute.
        levels: strongest first.

    Raises:
        BadSetting: if no child can be started at any of them.
    """
    if sys.platform != "linux":
        raise BadSetting("--isolate needs Linux: namespaces, Landlock and limits are the kernel's")
    with cage(secrets) as bars:
        for candidate in _candidates(limits, levels):
            tried = _tried(candidate, bars, device)
            if tried is None:
                continue
            if NEEDED[tried.level] <= set(tried.held):
                return tried
            logger.warning("%s does not hold here: a child got through to %s", tried.level, ", ".join(tried.loose))
    raise BadSetting(f"--isolate: no child process could be held at {', '.join(levels)}; is this Python readable by "
                     "other processes?")


def _candidates(limits: Limits, levels: Sequence[Level]) -> Iterator[Isolation]:
    offered = {"bubblewrap": bubblewrap.found(), "landlock": landlock.version() > 0, "subprocess": True}
    for level in levels:
        # Root is not bound by some limits, and owns most files.
        for drops_user in (True, False) if os.geteuid() == 0 else (False,):
            if offered[level]:
                yield Isolation(level=level, drops_user=drops_user, limits=limits)


def _tried(candidate: Isolation, bars: Cage, device: str) -> Isolation | None:
    """Return ``candidate`` with what its canaries showed, or None if no child comes to an end in it."""
    quick = attrs.evolve(candidate, limits=attrs.evolve(candidate.limits, wall_seconds=30.0))
    with workplace() as folder, tray(folder) as out:
        if launch(quick, folder, "canaries", device, bars.order()).code != 0:
            return None
        dead = set(json.loads(out.read("canaries.json", 1 << 16) or b"[]")) | set(bars.reached())
    with workplace() as folder, tray(folder) as out:
        ended = launch(quick, folder, "forks", device)
        if not ended.stopped:
            dead |= set(json.loads(out.read("forks.json", 1 << 16) or b'["processes"]'))
    return attrs.evolve(candidate, held=tuple(name for name in CANARIES if name not in dead),
                        loose=tuple(name for name in CANARIES if name in dead))
