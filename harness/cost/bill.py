"""What a run was expected to cost, against what it did cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from harness.cost.estimate import START, Estimate, estimate
from harness.cost.rates import Loads, Measured, Rate, Rates
from harness.engine import Outcome
from harness.plan import Plan, Stage
from harness.store import Store


class Bill:
    """Made before a run begins, added to as stages finish, and settled at its end."""

    def __init__(self, plan: Plan, todo: Sequence[Stage], store: Store, jobs: int) -> None:
        """Estimate what ``todo`` costs by what is known of this machine; nothing is measured for it."""
        self._began = time.perf_counter()
        self._jobs = jobs
        self._rates, self._loads = Rates(store.root), Loads(plan)
        self._stages = {stage.key: stage for stage in todo}
        self._measured: list[Measured] = []
        self._start: float | None = None
        guess = estimate(todo, self._loads, self._rates, jobs)
        self.planned: Estimate | None = None if guess.unknown else guess

    def add(self, outcome: Outcome) -> None:
        """Take note of a stage that has finished."""
        if outcome.status != "ok" or not outcome.seconds:
            return
        if self._start is None:
            self._start = time.perf_counter() - self._began - outcome.seconds
        self._measured.append(Measured(load=self._loads.of(self._stages[outcome.key]), seconds=outcome.seconds,
                                       peak_mb=outcome.peak_mb))

    def settle(self, *, here: bool) -> dict[str, Any]:
        """Return what was planned and what it came to; remember it for the next plan if it was done ``here``."""
        if here and self._measured:
            self._rates.learn(self._measured)
            if self._jobs and self._start is not None:
                self._rates.set(START, Rate(what="starting workers", fixed=max(0.0, self._start), source="run"))
            self._rates.save()
        planned = self.planned
        return {
            "jobs": self._jobs,
            "planned": None if planned is None else {"seconds": round(planned.seconds, 1),
                                                     "work_seconds": round(sum(planned.work_seconds.values()), 1),
                                                     "worker_mb": round(planned.worker_mb)},
            "work_seconds": round(sum(one.seconds for one in self._measured), 3),
            "worker_mb": round(max((one.peak_mb for one in self._measured), default=0.0)),
        }
