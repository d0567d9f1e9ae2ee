"""The local engine: this process, or a pool of processes that survives a killed worker.

Every stage runs on one thread, so that its result does not depend on how many run side by side.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from harness.context import Context, Place
from harness.engine.outcome import Outcome
from harness.engine.queue import StageQueue, hand_out
from harness.engine.worker import ONE_THREAD, PRELOAD, environment, execute_stage, work
from harness.plan import Stage
from harness.plugins import Registry


def run_inline(stages: Sequence[Stage], place: Place, registry: Registry) -> Iterator[Outcome]:
    """Yield the outcome of each stage, executed in this process, in order.

    Raises:
        HarnessError: of a stage, since it concerns the whole run (a full disk, a damaged object).
    """
    context = Context(place, registry)
    queue = StageQueue(stages)
    while stage := queue.next(idle=True):
        yield from queue.finish(stage, execute_stage(stage, context))


def run_pool(stages: Sequence[Stage], place: Place, jobs: int) -> Iterator[Outcome]:
    """Yield outcomes in the order in which stages finish, executed by ``jobs`` worker processes.

    A stage starts as soon as its inputs are there. When a worker dies, the stages that were under way are tried
    again one by one; one that kills its worker each time is recorded as failed.

    Raises:
        HarnessError: of a stage, since it concerns the whole run.
    """
    workers = _Processes(place, jobs)
    try:
        yield from hand_out(stages, workers)
    finally:
        workers.stop()


class _Processes:
    """A process pool that is replaced when one of its processes has died."""

    lost: tuple[type[BaseException], ...] = (BrokenProcessPool,)

    def __init__(self, place: Place, jobs: int) -> None:
        self.slots = 2 * jobs
        self._place, self._jobs = place, jobs
        self._pool = start_pool(jobs)

    def submit(self, stage: Stage, tries: int) -> Future[Outcome]:
        """Hand out a stage."""
        try:
            return self._pool.submit(work, stage, self._place, tries)
        except BrokenProcessPool:
            self._pool.shutdown(wait=False)
            self._pool = start_pool(self._jobs)
            return self._pool.submit(work, stage, self._place, tries)

    def stop(self) -> None:
        """End all processes, whatever they are doing."""
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()


def start_pool(jobs: int) -> ProcessPoolExecutor:
    """Return a pool of processes that import what stages need once, end with this process and leave Ctrl-C to it."""
    method = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
    if sys.platform != "win32":
        method.set_forkserver_preload([PRELOAD])
    with environment(ONE_THREAD):
        pool = ProcessPoolExecutor(jobs, mp_context=method, initializer=_start)
        # The fork server inherits the environment of the moment at which it starts.
        pool.submit(os.getpid).result()
    return pool


def _start() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
