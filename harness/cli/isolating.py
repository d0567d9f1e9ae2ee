"""What `--isolate` amounts to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile

import attrs
import click

from harness.context import Place
from harness.store import Store

# Reading the task and starting Python is no work of the method.
_STARTING_SECONDS = 60


def isolated(place: Place, memory_mb: int, unlearn_seconds: float) -> Place:
    """Return ``place`` with the strongest isolation that holds on this machine, and say on standard error which.

    Args:
        place: where the run works; neither its store nor its data may be within reach of a child.
        memory_mb: of a child.
        unlearn_seconds: wall-time limit of one unlearning run, from the moment at which the child has read its task.

    Raises:
        BadSetting: if no child can be started.
    """
    from harness.isolation import Limits, establish

    limits = Limits(memory_mb=memory_mb, cpu_seconds=math.ceil(unlearn_seconds) + _STARTING_SECONDS,
                    wall_seconds=unlearn_seconds)
    with _secrets(place) as secrets:
        isolation = establish(limits, secrets=secrets, device=place.device)
    click.echo(f"isolation: {isolation}", err=True)
    return attrs.evolve(place, isolation=isolation)


@contextmanager
def _secrets(place: Place) -> Iterator[list[Path]]:
    """Yield files that a child must not be able to read: one in the store, and one of the data."""
    store = Store(place.store)
    with NamedTemporaryFile(dir=store.root / "tmp", prefix="canary-") as canary:
        Path(canary.name).chmod(0o644)
        files = (path for path in place.data_root.rglob("*") if path.is_file()) if place.data_root else iter(())
        yield [Path(canary.name).resolve(), *(path.resolve() for path in islice(files, 1))]
