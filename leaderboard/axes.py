"""Axes of plots: where values fall and which ticks are written."""

from __future__ import annotations

import math
from collections.abc import Sequence

from attrs import frozen

from leaderboard.formats import significant


@frozen(kw_only=True)
class Axis:
    """One axis in pixels.

    Attributes:
        low, high: values at the ends.
        start, stop: pixels of the ends; ``start`` may be the larger one, as on a vertical axis.
        log: whether the scale is logarithmic.
        ticks: values at which a label is written, with the label.
    """

    low: float
    high: float
    start: float
    stop: float
    log: bool
    ticks: tuple[tuple[float, str], ...]

    def at(self, value: float) -> float:
        """Return the pixel of a value, kept on the axis."""
        low, high, inside = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, inside = math.log(low), math.log(high), math.log(inside)
        return self.start + (inside - low) / (high - low) * (self.stop - self.start)


def usual_reach(distances: Sequence[float], least: float) -> float:
    """Return how far an axis should reach from its centre: to the farthest value, unless that flattens all others."""
    ordered = sorted(distances)
    usual = 3.0 * ordered[math.ceil(0.6 * (len(ordered) - 1))] if ordered else 0.0
    return max(min(ordered[-1] if ordered else 0.0, usual), least) or 1.0


def linear_axis(values: Sequence[float], start: float, stop: float, *, from_zero: bool = False) -> Axis:
    """Return an axis that holds all values with some air."""
    low, high = min(values), max(values)
    air = 0.08 * (high - low) or abs(high) * 0.1 or 1.0
    return _linear(0.0 if from_zero else low - air, high + air, start, stop)


def focused_axis(values: Sequence[float], centre: float, floor: float, start: float, stop: float) -> Axis:
    """Return an axis that holds ``centre`` and most of ``values``; far outliers are left outside."""
    reach = usual_reach([abs(value - centre) for value in values], 2 * floor)
    below = min(reach, max(centre - min(values), 2 * floor))
    above = min(reach, max(max(values) - centre, 2 * floor))
    air = 0.1 * (below + above)
    return _linear(centre - below - air, centre + above + air, start, stop)


def _linear(low: float, high: float, start: float, stop: float) -> Axis:
    step = _step((high - low) / 5)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    places = max(-math.floor(math.log10(step) + 1e-9), 0)
    ticks = tuple((i * step, f"{i * step:.{places}f}".replace("-", "−")) for i in range(first, last + 1))
    return Axis(low=low, high=high, start=start, stop=stop, log=False, ticks=ticks)


def time_axis(seconds: Sequence[float], start: float, stop: float) -> Axis:
    """Return a logarithmic axis of positive seconds, with ticks in readable units."""
    low, high = min(seconds) / 1.6, max(seconds) * 1.6
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if math.log10(high / low) > 2.2 else (1, 2, 5)
    ticks = [(factor * 10.0**d) for d in decades for factor in factors]
    return Axis(low=low, high=high, start=start, stop=stop, log=True,
                ticks=tuple((tick, _span(tick)) for tick in ticks if low <= tick <= high))


def _step(rough: float) -> float:
    """Return the nearest larger of 1, 2, 5 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _span(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{significant(seconds * 1e6, 1)} µs"
    if seconds < 1:
        return f"{significant(seconds * 1e3, 1)} ms"
    return f"{significant(seconds, 1)} s" if seconds < 1e4 else f"{significant(seconds / 3600, 1)} h"
