"""The little pictures in table cells: where a method stands relative to the oracle, and how sure that is.

In every cell of a column the oracle is the same line, so that a table reads like a forest plot.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from harness.rows import RowScore
from leaderboard.axes import usual_reach
from leaderboard.svg import element, text_of

WIDTH, HEIGHT = 88.0, 12.0
AIR = 1.15


@frozen(kw_only=True)
class Scale:
    """What a column's strips span.

    Attributes:
        low, high: values at the left and right edge.
        oracle: where the line is drawn.
        band: ends of the noise floor: what oracles themselves score.
    """

    low: float
    high: float
    oracle: float
    band: tuple[float, float]

    def x(self, value: float) -> float:
        """Return the place of a value, kept inside the strip."""
        inside = min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)
        return 4.0 + inside * (WIDTH - 8.0)


def make_scale(scores: Sequence[RowScore]) -> Scale:
    """Return the scale of one column.

    Scores that are compared with the oracle have it in the middle; "lower is better" scores begin at zero. One far
    outlier does not flatten all others: what lies outside is drawn at the edge.
    """
    first = scores[0]
    if first.target == "lower":
        top = AIR * usual_reach([score.value for score in scores], 2.0 * first.floor)
        return Scale(low=0.0, high=top, oracle=first.oracle, band=(0.0, first.floor))
    reach = AIR * usual_reach([abs(score.value - score.oracle) for score in scores], 2.0 * first.floor)
    return Scale(low=first.oracle - reach, high=first.oracle + reach, oracle=first.oracle,
                 band=(first.oracle - first.floor, first.oracle + first.floor))


def strip(score: RowScore, scale: Scale, *, near: bool = False) -> str:
    """Return the strip of one cell as SVG markup; the dot is hollow when the score is ``near`` the oracle.

    A score is drawn by its distance to its own oracle: another run may have had others.
    """
    shift = 0.0 if score.target == "lower" else scale.oracle - score.oracle
    value = score.value + shift
    middle = HEIGHT / 2
    left, right = map(scale.x, scale.band)
    parts = [element("rect", class_="floor", x=left, y=0.0, width=max(right - left, 1.0), height=HEIGHT),
             element("path", class_="oracle", d=f"M{scale.x(scale.oracle):.1f} 0V{HEIGHT:.0f}")]
    if score.low is not None and score.high is not None:
        parts.append(element("path", class_="range",
                             d=f"M{scale.x(score.low + shift):.1f} {middle:.0f}H{scale.x(score.high + shift):.1f}"))
    x = scale.x(value)
    if scale.low <= value <= scale.high:
        parts.append(element("circle", class_="dot near" if near else "dot", cx=x, cy=middle, r=3.2))
    else:
        step = 4 if value > scale.high else -4
        parts.append(element("path", class_="dot", d=f"M{x - step:.1f} 2.5L{x + step / 2:.1f} 6L{x - step:.1f} 9.5z"))
    return text_of(element("svg", *parts, class_="strip", viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}", aria_hidden="true"))
