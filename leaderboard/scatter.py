"""Scatter plots with intervals as inline SVG, every point a link to its row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from attrs import field, frozen

from leaderboard.axes import Axis
from leaderboard.svg import Element, element, text_of

WIDTH, HEIGHT = 560.0, 380.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 16.0, 14.0, 46.0
X_PIXELS = (LEFT, WIDTH - RIGHT)
Y_PIXELS = (HEIGHT - BOTTOM, TOP)
MOST_LABELS = 40
Box = tuple[float, float, float, float]


@frozen(kw_only=True)
class Point:
    """One row in a plot.

    Attributes:
        x, y: its place; ``x_range`` and ``y_range`` are intervals.
        label: beside it.
        href: where it leads.
        about: the figures in words.
        kind: ``method``, ``control`` or ``oracle``.
    """

    x: float
    y: float
    label: str
    href: str
    about: str
    kind: str
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None


@frozen(kw_only=True)
class Plot:
    """A plot before it is drawn.

    Attributes:
        name: for ids inside the page.
        title, description: for those who cannot see it.
        x_title, y_title: of the axes.
        x, y: the axes.
        bands: noise floors: (axis, low, high).
        lines: the oracle: (axis, value, label).
        points: the rows.
    """

    name: str
    title: str
    description: str
    x_title: str
    y_title: str
    x: Axis
    y: Axis
    bands: tuple[tuple[Literal["x", "y"], float, float], ...] = ()
    lines: tuple[tuple[Literal["x", "y"], float, str], ...] = ()
    points: tuple[Point, ...] = field(default=())


def draw(plot: Plot) -> str:
    """Return a plot as SVG markup."""
    names = f"{plot.name}-title", f"{plot.name}-description"
    return text_of(element(
        "svg", element("title", plot.title, id=names[0]), element("desc", plot.description, id=names[1]),
        *_bands(plot), *_grid(plot), *_lines(plot), *_points(plot),
        class_="plot", viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}", role="group", aria_labelledby=names[0],
        aria_describedby=names[1]))


def _bands(plot: Plot) -> Iterator[Element]:
    for axis, low, high in plot.bands:
        scale = plot.x if axis == "x" else plot.y
        a, b = sorted((scale.at(low), scale.at(high)))
        if axis == "x":
            yield element("rect", class_="floor", x=a, y=TOP, width=max(b - a, 1.0), height=HEIGHT - TOP - BOTTOM)
        else:
            yield element("rect", class_="floor", x=LEFT, y=a, width=WIDTH - LEFT - RIGHT, height=max(b - a, 1.0))


def _grid(plot: Plot) -> Iterator[Element]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value, label in plot.y.ticks:
        y = plot.y.at(value)
        yield element("path", class_="grid", d=f"M{LEFT:.0f} {y:.1f}H{right:.0f}")
        yield element("text", label, class_="tick", x=LEFT - 8, y=y + 4, text_anchor="end")
    for value, label in plot.x.ticks:
        x = plot.x.at(value)
        yield element("path", class_="grid", d=f"M{x:.1f} {bottom:.0f}v5")
        yield element("text", label, class_="tick", x=x, y=bottom + 18, text_anchor="middle")
    yield element("path", class_="frame", d=f"M{LEFT:.0f} {bottom:.0f}H{right:.0f}")
    yield element("text", plot.x_title, class_="axis", x=right, y=HEIGHT - 8, text_anchor="end")
    yield element("text", plot.y_title, class_="axis", x=LEFT, y=TOP - 3)


def _lines(plot: Plot) -> Iterator[Element]:
    for axis, value, label in plot.lines:
        if axis == "x":
            x = plot.x.at(value)
            yield element("path", class_="oracle", d=f"M{x:.1f} {HEIGHT - BOTTOM:.0f}V{TOP:.0f}")
            anchor, shift = ("end", -5) if x > (LEFT + WIDTH) / 2 else ("start", 5)
            yield element("text", label, class_="oracle-label", x=x + shift, y=TOP + 10, text_anchor=anchor)
        else:
            y = plot.y.at(value)
            yield element("path", class_="oracle", d=f"M{LEFT:.0f} {y:.1f}H{WIDTH - RIGHT:.0f}")
            yield element("text", label, class_="oracle-label", x=WIDTH - RIGHT - 3, y=y - 5, text_anchor="end")


def _points(plot: Plot) -> Iterator[Element]:
    places = [(plot.x.at(p.x), plot.y.at(p.y)) for p in plot.points]
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in places]
    taken += [_line_label(plot, axis, value, label) for axis, value, label in plot.lines]
    for index, (point, (x, y)) in enumerate(zip(plot.points, places, strict=True)):
        parts = [element("title", f"{point.label}: {point.about}")]
        if point.y_range:
            parts.append(element("path", class_="range",
                                 d=f"M{x:.1f} {plot.y.at(point.y_range[0]):.1f}V{plot.y.at(point.y_range[1]):.1f}"))
        if point.x_range:
            parts.append(element("path", class_="range",
                                 d=f"M{plot.x.at(point.x_range[0]):.1f} {y:.1f}H{plot.x.at(point.x_range[1]):.1f}"))
        parts.append(_mark(point, plot, x, y))
        if index < MOST_LABELS:
            parts += _label(point.label, x, y, taken)
        yield element("a", *parts, class_=point.kind, href=point.href)


def _mark(point: Point, plot: Plot, x: float, y: float) -> Element:
    right = (point.x > plot.x.high) - (point.x < plot.x.low)
    down = (point.y < plot.y.low) - (point.y > plot.y.high)
    if right or down:
        # Outside of what is shown: an arrowhead at the edge.
        across, along = 5 * down, 5 * right
        return element("path", class_="dot", d=f"M{x + along:.1f} {y + across:.1f}L{x - along - across:.1f} "
                       f"{y - across - along:.1f}L{x - along + across:.1f} {y - across + along:.1f}z")
    return _shape(point.kind, x, y)


def _shape(kind: str, x: float, y: float) -> Element:
    if kind == "control":
        return element("rect", class_="dot", x=x - 4, y=y - 4, width=8.0, height=8.0)
    if kind == "oracle":
        return element("path", class_="dot", d=f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z")
    return element("circle", class_="dot", cx=x, cy=y, r=5.0)


def _line_label(plot: Plot, axis: str, value: float, label: str) -> Box:
    width = 6.0 * len(label)
    if axis == "x":
        x = plot.x.at(value)
        left = x - 5 - width if x > (LEFT + WIDTH) / 2 else x + 5
        return left, TOP, left + width, TOP + 14
    y = plot.y.at(value)
    return WIDTH - RIGHT - 3 - width, y - 16, WIDTH - RIGHT, y - 2


def _label(text: str, x: float, y: float, taken: list[Box]) -> Iterator[Element]:
    """Yield the label where it covers no other label and no point; where there is no room, none."""
    width, height = 6.6 * len(text), 13.0
    for left, base in ((x + 9, y + 4), (x - 9 - width, y + 4), (x - width / 2, y - 9), (x - width / 2, y + 18),
                       (x + 7, y - 7), (x + 7, y + 16), (x - 7 - width, y - 7), (x - 7 - width, y + 16)):
        box = (left, base - height + 3, left + width, base + 3)
        inside = box[0] > LEFT - 20 and box[2] < WIDTH and box[1] > 0 and box[3] < HEIGHT - BOTTOM + 4
        if inside and not any(_overlap(box, other) for other in taken):
            taken.append(box)
            yield element("text", text, class_="label", x=left, y=base)
            return


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
