"""Numbers as people read them: one way for tables, plots and pages."""

from __future__ import annotations

import math

from harness.settings import Settings

DIGITS = {"%": 1, "auc": 3, "points": 2}
MINUS = "−"


def number(value: float | None, unit: str = "") -> str:
    """Return a value with the digits that its unit deserves; a dash for None."""
    if value is None:
        return "–"
    digits = DIGITS.get(unit, 3)
    if value != 0 and abs(value) < 10.0 ** -digits / 2:
        return f"<{10.0 ** -digits:.{digits}f}" if value > 0 else f">{MINUS}{10.0 ** -digits:.{digits}f}"
    return f"{value:.{digits}f}".replace("-", MINUS)


def interval(low: float | None, high: float | None, unit: str = "") -> str:
    """Return an interval as ``0.41 to 0.55``; empty when unknown."""
    if low is None or high is None:
        return ""
    return f"{number(low, unit)} to {number(high, unit)}"


def duration(seconds: float | None) -> str:
    """Return a time span: ``12 ms``, ``3.4 s``, ``5.1 min``, ``2.0 h``."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s"), (7200.0, 1 / 60, "min")):
        if seconds < limit:
            return f"{significant(seconds * factor)} {unit}"
    return f"{significant(seconds / 3600)} h"


def significant(value: float, digits: int = 2) -> str:
    """Return a number with at least ``digits`` significant digits and no exponent."""
    if value == 0:
        return "0"
    places = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{places}f}".replace("-", MINUS)


def share(part: int, whole: int) -> str:
    """Return ``90 of 900``: never a percentage alone, which hides the numbers behind it."""
    return f"{part:,} of {whole:,}"


def seconds_of(measured: Settings) -> float | None:
    """Return the seconds that making one model took, if the row says."""
    value = measured.get("seconds")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None
