"""Auditing the auditors of a run: how often do they cry wolf, and do they see one, at the run's own size?

A score raises an *alarm* about a model when it differs from that of the retrained models of the same forget set by
more than their spread allows: a t-test at level 5 %, with the spread pooled over forget sets. Alarms about retrained
models, each held against all the others, are false; they come in 5 of 100 if a score is as regular as the test
supposes, and a score with more or fewer (by its Clopper-Pearson interval) is marked. Alarms about the originals, which
have forgotten nothing, are the score's power.

Retrained models are the oracles and, where the suite runs the method ``retrain``, its models too: both are trained from
scratch on the retain set with seeds of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from harness.audits import Target
from harness.columns import Column, columns
from harness.plan import ORACLE
from harness.record import CalibrationRecord, CellRecord, RunRecord
from harness.statistics import alarm_rate
from harness.statistics.hierarchy import t_quantile

LEVEL = 0.05
# The names under which the controls are registered: what retrains, and what does nothing.
RETRAIN, ORIGINAL = "retrain", "original"
Array = NDArray[np.float64]


@frozen
class Retrained:
    """Values of one score on retrained models.

    Attributes:
        values: by forget set.
    """

    values: dict[int, Array]

    def deviates(self, value: float, request: int, target: Target, without: int | None = None) -> bool | None:
        """Return whether ``value`` is off the others of its forget set, or None if they cannot tell.

        Args:
            value: of the score.
            request: the forget set.
            target: which way a deviation counts: both ways, unless the score says that one is better.
            without: leave out this one of the forget set's retrained models.
        """
        others = {r: np.delete(group, without) if r == request and without is not None else group
                  for r, group in self.values.items()}
        near = others.get(request, np.empty(0))
        freedom = sum(len(group) - 1 for group in others.values() if len(group))
        if len(near) == 0 or freedom < 1:
            return None
        squares = sum(float(((group - group.mean()) ** 2).sum()) for group in others.values() if len(group))
        difference = value - float(near.mean())
        spread = math.sqrt(squares / freedom * (1 + 1 / len(near)))
        # Rounding makes a spread of 1e-17 out of equal values, which would turn any other rounding into an alarm.
        slack = 1e-9 * max(1.0, abs(value))
        if target in ("higher", "lower"):
            harm = -difference if target == "higher" else difference
            return harm > t_quantile(1 - LEVEL, freedom) * spread + slack
        return abs(difference) > t_quantile(1 - LEVEL / 2, freedom) * spread + slack


def false_alarm_and_power(record: RunRecord, column: Column) -> CalibrationRecord | None:
    """Return how often a score raises an alarm about retrained models and about originals, with exact intervals.

    None where there are too few retrained models for any alarm. The power is None in a suite without the method
    ``original``.
    """
    nulls = _cells(record, column, RETRAIN, with_oracles=True)
    retrained = Retrained({r: np.array([_value(column, cell) for cell in nulls if cell.request == r])
                           for r in {cell.request for cell in nulls}})
    target = _target(record, column)
    false = [retrained.deviates(value, r, target, without=k)
             for r, group in retrained.values.items() for k, value in enumerate(group)]
    seen = [retrained.deviates(_value(column, cell), cell.request, target)
            for cell in _once(_cells(record, column, ORIGINAL))]
    known = np.array([alarm for alarm in false if alarm is not None], dtype=np.bool_)
    if len(known) == 0:
        return None
    rate = alarm_rate(known)
    found = np.array([alarm for alarm in seen if alarm is not None], dtype=np.bool_)
    power = alarm_rate(found) if len(found) else None
    return CalibrationRecord(
        auditor=column.auditor, name=column.name, level=LEVEL, false_alarms=int(known.sum()), retrained=len(known),
        false_alarm=rate.value, false_alarm_low=rate.low, false_alarm_high=rate.high,
        originals=len(found), power=power.value if power else None, power_low=power.low if power else None,
        power_high=power.high if power else None)


def calibrate(record: RunRecord) -> tuple[CalibrationRecord, ...]:
    """Return the calibration of every score of a run that has one."""
    found = (false_alarm_and_power(record, column) for column in columns(record))
    return tuple(one for one in found if one is not None)


def _cells(record: RunRecord, column: Column, name: str, *, with_oracles: bool = False) -> list[CellRecord]:
    titles = {(method.title, method.access) for method in record.methods if method.name == name}
    return [cell for cell in record.cells if column.find(cell) is not None
            and ((cell.method, cell.access) in titles or (with_oracles and cell.method == ORACLE))]


def _once(cells: Sequence[CellRecord]) -> list[CellRecord]:
    """Return one cell of each original and forget set: doing nothing twice gives no second observation."""
    return list({(cell.original, cell.request): cell for cell in reversed(cells)}.values())


def _value(column: Column, cell: CellRecord) -> float:
    score = column.find(cell)
    return math.nan if score is None else score.value


def _target(record: RunRecord, column: Column) -> Target:
    return next(score.target for cell in record.cells if (score := column.find(cell)) is not None)
