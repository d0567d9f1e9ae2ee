"""Where stages are executed: in this process, or in a pool of local processes that survives a killed worker.

Every stage runs on one thread, so that its result does not depend on how many run side by side.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Literal

from attrs import frozen

from harness.context import Context, Place
from harness.errors import HarnessError
from harness.plan import Stage
from harness.plugins import Registry

Status = Literal["ok", "failed", "timeout"]
RETRIES = 2


@frozen(kw_only=True)
class Outcome:
    """How one stage ended.

    Attributes:
        key: of the stage.
        status: ``ok``, ``failed`` or ``timeout``.
        seconds: of the stage.
        error: one line, when not ``ok``.
        trace: the traceback, when there is one.
    """

    key: str
    status: Status
    seconds: float = 0.0
    error: str = ""
    trace: str = ""


class OutOfTime(Exception):
    """A stage ran past its limit."""


def run_inline(stages: Sequence[Stage], place: Place, registry: Registry) -> Iterator[Outcome]:
    """Yield the outcome of each stage, executed in this process, in order.

    Raises:
        HarnessError: of a stage, since it concerns the whole run (a full disk, a damaged object).
    """
    context = Context(place, registry)
    failed: set[str] = set()
    for stage in stages:
        outcome = _blocked(stage, failed) or _execute(stage, context)
        if outcome.status != "ok":
            failed.add(stage.key)
        yield outcome


def run_pool(stages: Sequence[Stage], place: Place, jobs: int) -> Iterator[Outcome]:
    """Yield outcomes in the order in which stages finish, executed by ``jobs`` worker processes.

    A stage starts as soon as its inputs are there. When a worker dies, the stages that were under way are tried
    again; one that was under way when workers died ``RETRIES`` + 1 times is recorded as failed.

    Raises:
        HarnessError: of a stage, since it concerns the whole run.
    """
    queue = _Queue(stages)
    pool = _pool(place, jobs)
    running: dict[Future[Outcome], Stage] = {}
    try:
        while queue.waiting or running:
            yield from queue.blocked()
            while len(running) < 2 * jobs and (stage := queue.next()):
                running[pool.submit(_work, stage)] = stage
            if not running:
                continue
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                for future, stage in list(running.items()):
                    if future.done() and future.exception() is None:
                        yield queue.finish(stage, future.result())
                    elif outcome := queue.retry(stage):
                        yield outcome
                running.clear()
                pool.shutdown(wait=False, cancel_futures=True)
                pool = _pool(place, jobs)
                continue
            for future in done:
                yield queue.finish(running.pop(future), future.result())
    finally:
        _stop(pool)


class _Queue:
    """Stages that wait for their inputs."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.waiting = {stage.key: stage for stage in stages}
        self.unfinished = set(self.waiting)
        self.failed: set[str] = set()
        self.tries: dict[str, int] = {}

    def next(self) -> Stage | None:
        """Take the first stage whose inputs are all there."""
        for key, stage in self.waiting.items():
            if not self.unfinished.intersection(stage.inputs):
                del self.waiting[key]
                return stage
        return None

    def blocked(self) -> Iterator[Outcome]:
        """Yield and drop the stages that cannot run since an input failed."""
        found = True
        while found:
            found = False
            for stage in list(self.waiting.values()):
                outcome = _blocked(stage, self.failed)
                if outcome:
                    found = True
                    del self.waiting[stage.key]
                    yield self.finish(stage, outcome)

    def finish(self, stage: Stage, outcome: Outcome) -> Outcome:
        """Note how a stage ended."""
        self.unfinished.discard(stage.key)
        if outcome.status != "ok":
            self.failed.add(stage.key)
        return outcome

    def retry(self, stage: Stage) -> Outcome | None:
        """Put a stage back whose worker died; the outcome when it has died too often."""
        self.tries[stage.key] = self.tries.get(stage.key, 0) + 1
        if self.tries[stage.key] > RETRIES:
            return self.finish(stage, Outcome(key=stage.key, status="failed",
                                              error=f"its worker process died {RETRIES + 1} times (out of memory?)"))
        self.waiting = {stage.key: stage, **self.waiting}
        return None


def _blocked(stage: Stage, failed: set[str]) -> Outcome | None:
    if failed.isdisjoint(stage.inputs):
        return None
    return Outcome(key=stage.key, status="failed", error="a stage that it reads from has failed")


def _execute(stage: Stage, context: Context) -> Outcome:
    from harness.stages import execute

    try:
        with _limited(stage.limit), single_thread():
            manifest = execute(stage, context)
    except HarnessError:
        raise
    except OutOfTime:
        return Outcome(key=stage.key, status="timeout", error=f"stopped after {stage.limit:g} s")
    # The border of one cell: whatever a plugin raises is recorded as that cell's result and hurts no other.
    except Exception as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())
        return Outcome(key=stage.key, status="failed", error=line, trace=traceback.format_exc())
    return Outcome(key=stage.key, status="ok", seconds=float(manifest.measured["seconds"]))


@contextmanager
def _limited(seconds: float | None) -> Iterator[None]:
    """Raise `OutOfTime` inside the block once the limit has passed; only the main thread can be interrupted."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

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
def single_thread() -> Iterator[None]:
    """Run the block on one thread of every numerical library that is loaded."""
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    if torch:
        torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        if torch and threads:
            torch.set_num_threads(threads)


_context: Context | None = None


def _work(stage: Stage) -> Outcome:
    if _context is None:
        raise RuntimeError("the worker was not started")
    return _execute(stage, _context)


def _start(place: Place) -> None:
    """Set up a worker process: it ignores Ctrl-C (the parent decides) and ends when the parent does."""
    global _context
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _context = Context(place)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _pool(place: Place, jobs: int) -> ProcessPoolExecutor:
    method = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
    if sys.platform != "win32":
        method.set_forkserver_preload(["adapters.preload"])
    with _environment({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}):
        pool = ProcessPoolExecutor(jobs, mp_context=method, initializer=_start, initargs=(place,))
        # The fork server inherits the environment of the moment at which it starts.
        pool.submit(os.getpid).result()
    return pool


def _stop(pool: ProcessPoolExecutor) -> None:
    workers = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in workers:
        worker.terminate()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
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


