"""A plot of what references cost, by their number and by the number of samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from leaderboard.axes import Axis, linear_axis
from leaderboard.svg import element, text_of

Curves = Mapping[str, Sequence[tuple[int, float]]]


def plot(curves: Curves) -> str:
    """Return an SVG of CPU seconds against the number of references, and of samples."""
    parts = []
    for index, (what, points) in enumerate(curves.items()):
        left = 60.0 + 340 * index
        x = linear_axis([0.0, *(float(p[0]) for p in points)], left, left + 260, from_zero=True)
        y = linear_axis([0.0, *(p[1] for p in points)], 220.0, 20.0, from_zero=True)
        parts += [*_frame(x, y, what), element("polyline", fill="none", stroke="#205080", stroke_width=2,
                                               points=" ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in points))]
        parts += [element("circle", cx=x.at(a), cy=y.at(b), r=3, fill="#205080") for a, b in points]
    title = "CPU seconds of training digits references on one core"
    return text_of(element("svg", element("title", title), *parts, xmlns="http://www.w3.org/2000/svg",
                           viewBox="0 0 700 280", role="img", font_family="sans-serif", font_size=12))


def _frame(x: Axis, y: Axis, what: str) -> Iterator[Any]:
    yield element("path", d=f"M{x.start} {y.stop}V{y.start}H{x.stop}", fill="none", stroke="#444")
    for value, label in x.ticks:
        yield element("text", label, x=x.at(value), y=y.start + 16, text_anchor="middle")
    for value, label in y.ticks:
        yield element("text", label, x=x.start - 6, y=y.at(value) + 4, text_anchor="end")
    yield element("text", f"{what} (CPU s above)", x=(x.start + x.stop) / 2, y=y.start + 40, text_anchor="middle")
