"""Charts of one measure: methods side by side, and every single model of one row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from harness.rows import RowScore
from leaderboard.axes import Axis, linear_axis, usual_reach
from leaderboard.formats import number
from leaderboard.svg import Element, element, text_of

LINE = 22.0
NAMES = 112.0
WIDTH = 400.0


@frozen(kw_only=True)
class Entry:
    """One line of a dot chart: what it is called, where it leads, its value with interval."""

    label: str
    href: str
    kind: str
    value: float
    low: float | None
    high: float | None
    text: str


def dot_chart(name: str, title: str, entries: Sequence[Entry], floor: float) -> str:
    """Return a chart of lower-is-better values, one line each, with the oracle's own value as a band from zero."""
    reach = usual_reach([entry.value for entry in entries], 2 * floor)
    axis = linear_axis([0.0, 1.2 * reach], NAMES, WIDTH - 50.0, from_zero=True)
    height = LINE * len(entries) + 26
    parts = [element("title", title, id=f"{name}-title"),
             element("rect", class_="floor", x=axis.at(0), y=0.0, width=axis.at(floor) - axis.at(0),
                     height=height - 22)]
    for value, label in axis.ticks:
        parts += [element("path", class_="grid", d=f"M{axis.at(value):.1f} 0V{height - 22:.0f}"),
                  element("text", label, class_="tick", x=axis.at(value), y=height - 8, text_anchor="middle")]
    for index, entry in enumerate(entries):
        parts.append(_line(entry, axis, LINE * index + LINE / 2))
    return text_of(element("svg", *parts, class_="plot chart", viewBox=f"0 0 {WIDTH:.0f} {height:.0f}", role="group",
                           aria_labelledby=f"{name}-title"))


def _line(entry: Entry, axis: Axis, y: float) -> Element:
    parts = [element("text", entry.label, class_="name", x=NAMES - 10, y=y + 4, text_anchor="end")]
    if entry.low is not None and entry.high is not None:
        parts.append(element("path", class_="range", d=f"M{axis.at(entry.low):.1f} {y:.1f}H{axis.at(entry.high):.1f}"))
    x = axis.at(entry.value)
    parts += [_mark(entry, axis, x, y),
              element("text", entry.text, class_="figure", x=WIDTH, y=y + 4, text_anchor="end")]
    return element("a", *parts, class_=entry.kind, href=entry.href)


def _mark(entry: Entry, axis: Axis, x: float, y: float) -> Element:
    if entry.value > axis.high:
        return element("path", class_="dot", d=f"M{x + 4:.1f} {y:.1f}l-8 -5v10z")
    if entry.kind == "control":
        return element("rect", class_="dot", x=x - 4, y=y - 4, width=8.0, height=8.0)
    return element("circle", class_="dot", cx=x, cy=y, r=5.0)


SWARM_WIDTH, SWARM_HEIGHT = 250.0, 150.0


def swarm(name: str, score: RowScore) -> str:
    """Return every model's value beside the oracles' of the same forget set, one column a forget set."""
    values = [[value for original in score.values for value in original[f] if value is not None]
              for f in range(len(score.oracle_values))]
    everything = [v for column in values for v in column] + [v for column in score.oracle_values for v in column]
    axis = linear_axis(everything, SWARM_HEIGHT - 22, 10.0)
    parts = [element("title", f"{score.name} of every model, by forget set", id=f"{name}-title"),
             element("desc", _in_words(score, values), id=f"{name}-description"), *_swarm_grid(axis)]
    step = (SWARM_WIDTH - 44) / max(len(values), 1)
    for f, column in enumerate(values):
        middle = 44 + step * (f + 0.5)
        parts += [element("path", class_="oracle", d=f"M{middle - step * 0.36:.1f} {axis.at(v):.1f}h{step * 0.72:.1f}")
                  for v in score.oracle_values[f]]
        parts += [element("circle", class_="dot", cx=middle + _spread(i, len(column), step), cy=axis.at(v), r=3.0)
                  for i, v in enumerate(column)]
        parts.append(element("text", str(f + 1), class_="tick", x=middle, y=SWARM_HEIGHT - 6, text_anchor="middle"))
    return text_of(element("svg", *parts, class_="plot swarm", viewBox=f"0 0 {SWARM_WIDTH:.0f} {SWARM_HEIGHT:.0f}",
                           role="img", aria_labelledby=f"{name}-title {name}-description"))


def _swarm_grid(axis: Axis) -> Iterator[Element]:
    for value, label in axis.ticks:
        yield element("path", class_="grid", d=f"M40 {axis.at(value):.1f}H{SWARM_WIDTH:.0f}")
        yield element("text", label, class_="tick", x=36.0, y=axis.at(value) + 4, text_anchor="end")


def _spread(index: int, count: int, step: float) -> float:
    return 0.0 if count < 2 else step * 0.44 * (index / (count - 1) - 0.5)


def _in_words(score: RowScore, values: Sequence[Sequence[float]]) -> str:
    parts = [f"forget set {f + 1}: models from {number(min(column), score.unit)} to {number(max(column), score.unit)}, "
             f"oracles from {number(min(oracles), score.unit)} to {number(max(oracles), score.unit)}"
             for f, (column, oracles) in enumerate(zip(values, score.oracle_values, strict=True)) if column and oracles]
    return "; ".join(parts)
