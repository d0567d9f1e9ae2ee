"""What a worker does with one stage: execute it on one thread, within its limits, and say how it ended."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

from harness.context import Context, Place
from harness.engine.outcome import Outcome
from harness.errors import HarnessError
from harness.isolation.running import Overdue
from harness.memory import is_out_of_memory
from harness.plan import Stage

PRELOAD = "adapters.preload"
logger = logging.getLogger(__name__)


class OutOfTime(Exception):
    """A stage ran past its limit."""


def work(stage: Stage, place: Place, tries: int) -> Outcome:
    """Execute one stage in a worker process; everything it reads and writes is in the store of ``place``.

    Args:
        stage: what to do.
        place: where the store, the data and the plugins are.
        tries: how many workers have died over it so far.

    Raises:
        HarnessError: of that very class, since subclasses need not survive the way to another process.
    """
    try:
        return execute_stage(stage, _context(place), tries=tries)
    except HarnessError as error:
        raise HarnessError(str(error)) from None


@lru_cache(maxsize=1)
def _context(place: Place) -> Context:
    # A limit that strikes in the middle of an import would leave half a module behind for all later stages.
    import_module(PRELOAD)
    return Context(place)


def execute_stage(stage: Stage, context: Context, *, tries: int = 0) -> Outcome:
    """Return how ``stage`` ended; its artefact is in the store when all went well.

    A stage that runs out of memory is tried once more, with nothing kept in memory but what it needs and half as
    many models at a time; so is one whose worker died before.

    Raises:
        HarnessError: of a stage, since it concerns the whole run (a full disk, a damaged object).
    """
    if context.store.has(stage.key):
        return Outcome(key=stage.key, status="ok")
    if tries:
        return _attempt(stage, context.thrifty())[0]
    outcome, memory_was_short = _attempt(stage, context)
    if memory_was_short:
        logger.warning("%s ran out of memory; trying again with less at a time", stage.label)
        outcome, _ = _attempt(stage, context.thrifty())
    return outcome


def _attempt(stage: Stage, context: Context) -> tuple[Outcome, bool]:
    """Return the outcome, and whether it was for lack of memory that it failed."""
    from harness.stages import execute

    try:
        with _limited(_kept_here(stage, context)), single_thread():
            manifest = execute(stage, context)
    except HarnessError:
        raise
    except Overdue as error:
        return Outcome(key=stage.key, status="timeout", error=str(error)), False
    except OutOfTime:
        return Outcome(key=stage.key, status="timeout", error=f"stopped after {stage.limit:g} s"), False
    # The border of one cell: whatever a plugin raises is recorded as that cell's result and hurts no other.
    except Exception as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())
        return (Outcome(key=stage.key, status="failed", error=line, trace=traceback.format_exc()),
                is_out_of_memory(error))
    return Outcome(key=stage.key, status="ok", seconds=float(manifest.measured["seconds"]),
                   peak_mb=float(manifest.measured["peak_memory_mb"])), False


def _kept_here(stage: Stage, context: Context) -> float | None:
    """Return the limit that is kept in this process: a child's begins when it has read its task, and is kept there."""
    isolation = context.place.isolation
    return None if isolation is not None and isolation.limits.wall_seconds is not None else stage.limit


@contextmanager
def _limited(seconds: float | None) -> Iterator[None]:
    """Raise `OutOfTime` inside the block once the limit has passed."""
    if seconds is None:
        yield
    elif threading.current_thread() is threading.main_thread():
        with _alarm(seconds):
            yield
    else:
        with _timer(seconds):
            yield


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise OutOfTime

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextmanager
def _timer(seconds: float) -> Iterator[None]:
    """Do the same in a thread that is not the main one, where signals do not arrive."""
    thread, lock, over = threading.get_ident(), threading.Lock(), threading.Event()

    def stop() -> None:
        with lock:
            if not over.is_set():
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(OutOfTime))

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        # Not while `stop` is half-way: its exception would arrive in whatever this thread does next.
        with lock:
            over.set()
        timer.cancel()


ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@contextmanager
def single_thread() -> Iterator[None]:
    """Run the block on one thread of every numerical library that is loaded."""
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    if torch:
        torch.set_num_threads(1)
    try:
        # Libraries that the block loads first read the environment.
        with environment(ONE_THREAD), threadpool_limits(1):
            yield
    finally:
        if torch and threads:
            torch.set_num_threads(threads)


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
