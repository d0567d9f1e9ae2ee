"""Seconds and memory of a plan, from the rates of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from harness.cost.rates import ALONE, FLEETS, WRITE, Load, Loads, Rates
from harness.plan import Stage

# Until runs have told: starting workers that import PyTorch and the rest.
START_SECONDS = 3.0
START = "start"


@frozen(kw_only=True)
class Estimate:
    """What is still to be computed will cost.

    Attributes:
        seconds: of wall time, with ``jobs`` workers side by side.
        work_seconds: of all stages together, by kind.
        worker_mb: peak memory of the largest worker.
        jobs: workers.
        unknown: kinds of work that have not been measured; their share is missing, or guessed from training.
    """

    seconds: float
    work_seconds: Mapping[str, float]
    worker_mb: float
    jobs: int
    unknown: tuple[str, ...]

    @property
    def memory_mb(self) -> float:
        """Peak memory of all workers together."""
        return self.worker_mb * max(1, self.jobs)

    def __str__(self) -> str:
        known = "at least " if self.unknown else "about "
        return f"{known}{self.seconds:,.0f} s with {max(1, self.jobs)} workers, {self.worker_mb:,.0f} MB each"


def estimate(stages: Sequence[Stage], loads: Loads, rates: Rates, jobs: int) -> Estimate:
    """Return what executing ``stages`` costs with ``jobs`` workers.

    Args:
        stages: those that the store lacks.
        loads: of the plan that they belong to.
        rates: of this machine.
        jobs: worker processes; 0 for this process alone.
    """
    work: dict[str, float] = {}
    unknown: dict[str, None] = {}
    longest = memory = 0.0
    for stage in stages:
        load = loads.of(stage)
        rate = rates.get(load.name)
        if rate is None:
            unknown[load.what] = None
        seconds = rate.seconds(load.units) if rate else _guess(stage, stages, loads, rates)
        if stage.limit is not None:
            seconds = min(seconds, stage.limit)
        work[stage.kind] = work.get(stage.kind, 0.0) + seconds
        longest = max(longest, seconds)
        memory = max(memory, load.held_mb + (rate.memory_mb if rate else 0.0))
    write, start = rates.get(WRITE), rates.get(START)
    total = sum(work.values()) + len(stages) * (write.fixed if write else 0.0)
    begin = 0.0 if not stages or jobs == 0 else start.fixed if start else START_SECONDS
    return Estimate(seconds=begin + max(longest, total / max(1, jobs)), work_seconds=work, worker_mb=memory, jobs=jobs,
                    unknown=tuple(unknown))


def _guess(stage: Stage, stages: Sequence[Stage], loads: Loads, rates: Rates) -> float:
    """Return what the model-samples that a stage trains would cost at the rate of any training that is known."""
    if not stage.work:
        return 0.0
    trained = (other for other in stages if other.kind in ALONE + FLEETS)
    known = (rates.get(loads.of(other).name) for other in trained)
    rate = next((found for found in known if found), None)
    return rate.seconds(stage.work) if rate else 0.0


def lacking(stages: Sequence[Stage], loads: Loads, rates: Rates) -> dict[str, Load]:
    """Return one load of each kind of work in ``stages`` that has not been measured, by name."""
    return {load.name: load for stage in stages if not rates.get((load := loads.of(stage)).name)}

