"""One unlearning run in a child."""

from __future__ import annotations

from typing import Any

from harness.isolation.assignment import Assignment
from harness.isolation.launching import Ended, launch, signal_name, tray, workplace
from harness.isolation.levels import Isolation
from harness.tasks import Unlearned, UnlearnTask


class PluginFailed(Exception):
    """An unlearner in a child raised, was killed or went beyond a limit."""


class Overdue(PluginFailed):
    """An unlearner in a child ran past the time that it has."""


def run_isolated(assignment: Assignment, task: UnlearnTask, isolation: Isolation) -> tuple[Unlearned, dict[str, Any]]:
    """Return what an unlearner makes of ``task`` in a child, and what it cost.

    The costs are those that the harness sees: seconds from the moment at which the child has read its task, the most
    memory that its processes held together, at moments 50 ms apart, and the level.

    Raises:
        Overdue: if the child was stopped since its time was up.
        PluginFailed: if it raised, died or was stopped otherwise, in one line.
        BadResult: if what it handed back is no result.
    """
    with workplace() as folder, tray(folder) as out:
        assignment.write(folder / "task", task)
        ended = launch(isolation, folder, "unlearn", assignment.device)
        said = out.error()
        if ended.stopped:
            raise (Overdue if ended.overdue else PluginFailed)(f"stopped: {ended.stopped}")
        if said is not None:
            raise PluginFailed(said)
        if ended.code != 0:
            raise PluginFailed(_died(ended, isolation))
        costs = {"seconds": round(ended.seconds, 6), "peak_memory_mb": ended.peak_mb, "isolation": isolation.level}
        return out.unlearned(task.original), costs  # type: ignore[arg-type]


def _died(ended: Ended, isolation: Isolation) -> str:
    name = signal_name(ended.code)
    if name == "SIGXCPU":
        return f"stopped: it used more than {isolation.limits.cpu_seconds} s of processor time"
    how = f"its process was ended by {name}" if name else f"its process ended with exit code {ended.code}"
    last = ended.said.strip().splitlines()[-1:]
    return f"{how}; it last said: {last[0][:200]}" if last else how
