"""Progress on standard error: a bar on a terminal, plain lines otherwise. An observer like any other plugin."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

from harness.hookspecs import hookimpl

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from harness.plan import Plan
    from harness.record import RunRecord
    from harness.store import Store

INTERVAL = 5.0


class PlainProgress:
    """One line every few seconds."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.done = self.total = 0
        self.last = self.started = time.monotonic()

    @hookimpl
    def harness_run_started(self, plan: Plan, store: Store) -> None:
        """Say what will be done."""
        self.total = sum(not store.has(stage.key) for stage in plan.stages)
        self._say(_opening(plan, self.total))

    @hookimpl
    def harness_stage_finished(self, stage: str) -> None:
        """Say how far it is, now and then."""
        self.done += 1
        now = time.monotonic()
        if now - self.last >= INTERVAL:
            self.last = now
            self._say(f"{self.done}/{self.total} stages, {now - self.started:.0f} s: {stage}")

    @hookimpl
    def harness_run_finished(self, record: RunRecord) -> None:
        """Say how it ended."""
        self._say(_closing(record))

    def _say(self, line: str) -> None:
        print(line, file=self.stream, flush=True)


class BarProgress:
    """A bar that names the stage finished last."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.task: TaskID | None = None

    @hookimpl
    def harness_run_started(self, plan: Plan, store: Store) -> None:
        """Start the bar."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        total = sum(not store.has(stage.key) for stage in plan.stages)
        console = Console(stderr=True)
        console.print(_opening(plan, total), highlight=False)
        if total:
            self.progress = Progress(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                                     TextColumn("{task.description}"), console=console, transient=True)
            self.task = self.progress.add_task("starting workers", total=total)
            self.progress.start()

    @hookimpl
    def harness_stage_finished(self, stage: str) -> None:
        """Advance the bar."""
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, advance=1, description=stage)

    @hookimpl
    def harness_run_finished(self, record: RunRecord) -> None:
        """Remove the bar and say how it ended."""
        from rich.console import Console

        self.stop()
        Console(stderr=True).print(_closing(record), highlight=False)

    def stop(self) -> None:
        """Remove the bar."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None


def make_progress() -> PlainProgress | BarProgress:
    """Return the display that suits standard error."""
    return BarProgress() if sys.stderr.isatty() else PlainProgress(sys.stderr)


def _opening(plan: Plan, total: int) -> str:
    return (f"{plan.suite.name}: {len(plan.stages)} stages, {len(plan.stages) - total} stored, {total} to compute")


def _closing(record: RunRecord) -> str:
    stages = record.stages
    failed = f", {stages['failed']} failed" if stages["failed"] else ""
    return (f"{record.name}: {stages['computed']} stages computed, {stages['stored']} stored before{failed}, "
            f"{record.measured['seconds']:.1f} s")
