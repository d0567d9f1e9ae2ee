"""A plot of what references cost, by their number and by the number of samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from leaderboard.axes import Axis, linear_axis
from leaderboard.svg import element, text_of

Curves = Mapping[str, Sequence[tuple[int, float]]]
_AXES = {"references": "references", "samples": "samples in the pool, for 64 references"}


def plot(curves: Curves) -> str:
    """Return an SVG of CPU seconds against the number of references, and of samples."""
    title = "CPU seconds of training digits references on one core"
    parts = [element("title", title), element("text", title, x=60, y=24, font_size=14, font_weight="bold")]
    for index, (what, points) in enumerate(curves.items()):
        left = 60.0 + 340 * index
        x = linear_axis([0.0, *(float(p[0]) for p in points)], left, left + 260, from_zero=True)
        y = linear_axis([0.0, *(p[1] for p in points)], 250.0, 60.0, from_zero=True)
        parts += [*_frame(x, y, what), element("polyline", fill="none", stroke="#205080", stroke_width=2,
                                               points=" ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in points))]
        parts += [element("circle", element("title", f"{a} {what}: {b:.2f} s"), cx=x.at(a), cy=y.at(b), r=3,
                          fill="#205080") for a, b in points]
    return text_of(element("svg", element("rect", width=700, height=310, fill="#fff"), *parts,
                           xmlns="http://www.w3.org/2000/svg", viewBox="0 0 700 310", role="img",
                           font_family="sans-serif", font_size=12))


def _frame(x: Axis, y: Axis, what: str) -> Iterator[Any]:
    yield element("path", d=f"M{x.start} {y.stop}V{y.start}H{x.stop}", fill="none", stroke="#444")
    yield element("text", "CPU s", x=x.start - 6, y=y.stop - 8, text_anchor="end")
    for value, label in x.ticks:
        yield element("text", label, x=x.at(value), y=y.start + 16, text_anchor="middle")
    for value, label in y.ticks:
        yield element("text", label, x=x.start - 6, y=y.at(value) + 4, text_anchor="end")
    yield element("text", _AXES[what], x=(x.start + x.stop) / 2, y=y.start + 40, text_anchor="middle")
