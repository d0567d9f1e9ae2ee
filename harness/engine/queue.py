"""Stages that wait for their inputs, for a worker, or for another try; and the loop that hands them out."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Protocol

from harness.engine.outcome import Outcome
from harness.plan import Stage

RETRIES = 2


class Workers(Protocol):
    """Processes that execute stages.

    Attributes:
        slots: stages to hand out at a time: enough to leave no worker idle.
        lost: what a future raises when the process that worked on it has died.
    """

    slots: int
    lost: tuple[type[BaseException], ...]

    def submit(self, stage: Stage, tries: int) -> Future[Outcome]:
        """Hand out a stage that has cost ``tries`` workers their life so far."""
        ...


class StageQueue:
    """Stages in the order of the plan, each given out once its inputs are there."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        keys = {stage.key for stage in stages}
        self._order = {stage.key: number for number, stage in enumerate(stages)}
        self._waits_for = {stage.key: keys.intersection(stage.inputs) for stage in stages}
        self._readers: dict[str, list[Stage]] = {}
        for stage in stages:
            for key in self._waits_for[stage.key]:
                self._readers.setdefault(key, []).append(stage)
        self._ready = [(number, stage) for number, stage in enumerate(stages) if not self._waits_for[stage.key]]
        self._suspects: list[Stage] = []
        self._unfinished = keys
        self._deaths: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Return whether any stage has not finished."""
        return bool(self._unfinished)

    def next(self, *, idle: bool) -> Stage | None:
        """Take the first stage whose inputs are all there.

        A stage that was under way when a worker died is given out only when all workers are ``idle``, and nothing
        beside it: alone it has all memory for itself, and if a worker dies again there is no doubt whose fault it is.
        """
        if self._suspects:
            return self._suspects.pop(0) if idle else None
        return heapq.heappop(self._ready)[1] if self._ready else None

    def tries(self, stage: Stage) -> int:
        """Return how many workers have died while this stage was under way."""
        return self._deaths.get(stage.key, 0)

    def finish(self, stage: Stage, outcome: Outcome) -> Iterator[Outcome]:
        """Yield the outcome of a stage and, when it failed, of all that can no longer run."""
        self._unfinished.discard(stage.key)
        yield outcome
        for reader in self._readers.get(stage.key, ()):
            if reader.key not in self._unfinished:
                continue
            if outcome.status != "ok":
                yield from self.finish(reader, Outcome(key=reader.key, status="failed",
                                                       error="a stage that it reads from has failed"))
                continue
            self._waits_for[reader.key].discard(stage.key)
            if not self._waits_for[reader.key]:
                heapq.heappush(self._ready, (self._order[reader.key], reader))

    def lost(self, stage: Stage) -> Iterator[Outcome]:
        """Queue a stage again whose worker died; yield outcomes when it has died too often."""
        self._deaths[stage.key] = self.tries(stage) + 1
        if self._deaths[stage.key] <= RETRIES:
            self._suspects.append(stage)
        else:
            error = "its worker process died whenever it was tried; out of memory?"
            yield from self.finish(stage, Outcome(key=stage.key, status="failed", error=error))


def hand_out(stages: Sequence[Stage], workers: Workers) -> Iterator[Outcome]:
    """Yield outcomes in the order in which ``workers`` finish.

    Raises:
        HarnessError: of a stage, since it concerns the whole run.
    """
    queue = StageQueue(stages)
    running: dict[Future[Outcome], Stage] = {}
    while queue:
        while len(running) < workers.slots and (stage := queue.next(idle=not running)):
            tries = queue.tries(stage)
            running[workers.submit(stage, tries)] = stage
            if tries:
                break
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            stage = running.pop(future)
            if isinstance(future.exception(), workers.lost):
                yield from queue.lost(stage)
            else:
                yield from queue.finish(stage, future.result())
