"""Values with their intervals, and the exact interval of a proportion."""

from __future__ import annotations

from attrs import field, frozen

LEVEL = 0.95


def _tidy(number: float | None) -> float | None:
    # NumPy's scalars would otherwise leak into JSON rows.
    return None if number is None else float(number)


@frozen(kw_only=True)
class Interval:
    """A value, its interval and the count that it rests on.

    Attributes:
        low, high: ends of the interval, both None when the data say nothing about the spread.
        n: observations behind the value.
        standard_error: of the value, in its unit; None when unknown or not meaningful.
    """

    value: float = field(converter=float)
    low: float | None = field(default=None, converter=_tidy)
    high: float | None = field(default=None, converter=_tidy)
    n: int = field(converter=int)
    standard_error: float | None = field(default=None, converter=_tidy)

    def __attrs_post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise ValueError(f"interval [{self.low}, {self.high}]: give both ends or neither")
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError(f"interval [{self.low}, {self.high}] does not contain its value {self.value}")


@frozen(kw_only=True)
class BoundedInterval(Interval):
    """An interval whose ends are always known."""

    value: float = field(converter=float)
    low: float = field(converter=float)
    high: float = field(converter=float)
    n: int = field(converter=int)
    standard_error: float | None = field(default=None, converter=_tidy)


def clopper_pearson(successes: int, n: int, level: float = LEVEL) -> BoundedInterval:
    """Return ``successes / n`` with its exact interval, which covers at least ``level`` whatever the truth.

    Raises:
        ValueError: if ``n`` is not positive, or ``successes`` is outside 0..n, or ``level`` outside (0, 1).

    Source: Clopper and Pearson 1934, Biometrika 26(4); quantiles of the beta distribution.
    """
    from scipy.special import betaincinv

    check_level(level)
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"clopper_pearson: {successes} successes of {n}; expected 0 <= successes <= n and n >= 1")
    tail = (1 - level) / 2
    low = betaincinv(successes, n - successes + 1, tail) if successes > 0 else 0.0
    high = betaincinv(successes + 1, n - successes, 1 - tail) if successes < n else 1.0
    return BoundedInterval(value=successes / n, low=low, high=high, n=n)


def check_level(level: float) -> None:
    """Refuse a confidence level outside (0, 1).

    Raises:
        ValueError: if it is.
    """
    if not 0 < level < 1:
        raise ValueError(f"level {level} is not a confidence level; expected a number between 0 and 1, such as 0.95")
