"""Sequences of requests as a line chart: a measure against the number of requests that a model has been through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from harness.rows import Row, RowScore
from harness.sequences import step_name
from leaderboard.axes import Axis, linear_axis
from leaderboard.formats import interval, number
from leaderboard.names import kind_of
from leaderboard.svg import Element, element, text_of
from leaderboard.tables import Link

WIDTH, HEIGHT = 560.0, 380.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 112.0, 18.0, 46.0
LABEL_HEIGHT = 14.0
# Whichever of them a suite has is drawn: AMUN's measure of section 6.3, or what it is made of.
MEASURES = ("FR-FT AUC", "FT AUC")
COLOURS = 8


@frozen(kw_only=True)
class Track:
    """One row's way through the steps.

    Attributes:
        row: the row.
        scores: of the measure, step by step.
        style: class of its colour.
    """

    row: Row
    scores: tuple[RowScore, ...]
    style: str


def measure_by_step(rows: Sequence[Row]) -> str:
    """Return the name of what is drawn against the step; empty where no row is of a sequence."""
    return next((name for name in MEASURES if any(_by_step(row, name) for row in rows)), "")


def steps_plot(rows: Sequence[Row], link: Link, name: str = "steps", titles: Sequence[str] = ()) -> str:
    """Return the chart as SVG, one line a row, with the oracle's as a band of its interval; empty without a sequence.

    Args:
        rows: of one access mode.
        link: where a row's line leads.
        name: for ids inside the page.
        titles: of all methods that share a page, so that each has one colour in all charts; those of ``rows`` when empty.
    """
    measure = measure_by_step(rows)
    tracks = _tracks(rows, measure, list(dict.fromkeys(titles or [row.method.title for row in rows])))
    if not tracks:
        return ""
    length = max(score.step for track in tracks for score in track.scores)
    y = linear_axis([score.value for track in tracks for score in track.scores], HEIGHT - BOTTOM, TOP)
    x = linear_axis([1.0, float(max(length, 2))], LEFT, WIDTH - RIGHT)
    title = f"{measure} after each request"
    parts = [element("title", title, id=f"{name}-title"), element("desc", _in_words(tracks), id=f"{name}-description"),
             *_frame(x, y, length, measure)]
    places = dict(_label_places([y.at(track.scores[-1].value) for track in tracks]))
    for index, track in enumerate(tracks):
        parts.append(_line(track, x, y, places[index], link))
    return text_of(element("svg", *parts, class_="plot steps-plot", viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}",
                           role="group", aria_labelledby=f"{name}-title", aria_describedby=f"{name}-description"))


def _by_step(row: Row, measure: str) -> tuple[RowScore, ...]:
    found = [score for score in row.scores if score.step and score.name == step_name(measure, score.step)]
    return tuple(sorted(found, key=lambda score: score.step))


def _tracks(rows: Sequence[Row], measure: str, titles: Sequence[str]) -> list[Track]:
    found = []
    for row in rows:
        scores = _by_step(row, measure) if measure else ()
        if scores:
            kind = kind_of(row)
            style = f"track-{titles.index(row.method.title) % COLOURS}" if kind == "method" else kind
            found.append(Track(row=row, scores=scores, style=style))
    return found


def _frame(x: Axis, y: Axis, length: int, measure: str) -> Iterator[Element]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value, label in y.ticks:
        yield element("path", class_="grid", d=f"M{LEFT:.0f} {y.at(value):.1f}H{right:.0f}")
        yield element("text", label, class_="tick", x=LEFT - 8, y=y.at(value) + 4, text_anchor="end")
    for step in range(1, length + 1):
        yield element("path", class_="grid", d=f"M{x.at(step):.1f} {bottom:.0f}v5")
        yield element("text", str(step), class_="tick", x=x.at(step), y=bottom + 18, text_anchor="middle")
    yield element("path", class_="frame", d=f"M{LEFT:.0f} {bottom:.0f}H{right:.0f}")
    yield element("text", "requests so far →", class_="axis", x=right, y=HEIGHT - 8, text_anchor="end")
    yield element("text", measure, class_="axis", x=LEFT, y=TOP - 6)


def _line(track: Track, x: Axis, y: Axis, label_y: float, link: Link) -> Element:
    points = [(x.at(score.step), y.at(score.value)) for score in track.scores]
    parts = [element("title", _words(track)),
             element("path", class_="track", d="M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in points))]
    if track.style == "oracle":
        parts.insert(1, _band(track, x, y))
    parts += [element("circle", class_="dot", cx=px, cy=py, r=3.5) for px, py in points]
    parts.append(element("text", track.row.method.title, class_="label", x=WIDTH - RIGHT + 10, y=label_y + 4))
    return element("a", *parts, class_=track.style, href=link(track.row))


def _band(track: Track, x: Axis, y: Axis) -> Element:
    upper = [(x.at(s.step), y.at(s.value if s.high is None else s.high)) for s in track.scores]
    lower = [(x.at(s.step), y.at(s.value if s.low is None else s.low)) for s in reversed(track.scores)]
    return element("path", class_="floor", d="M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in upper + lower) + "z")


def _label_places(wanted: Sequence[float]) -> Iterator[tuple[int, float]]:
    """Yield (index, y) of labels pushed down until none covers the one above it, all moved up if they end too low."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed: list[float] = []
    for index in order:
        placed.append(max(wanted[index], placed[-1] + LABEL_HEIGHT if placed else 0.0))
    beyond = max(0.0, placed[-1] - (HEIGHT - BOTTOM))
    yield from ((index, place - beyond) for index, place in zip(order, placed, strict=True))


def _words(track: Track) -> str:
    figures = "; ".join(f"step {s.step}: {number(s.value, s.unit)} [{interval(s.low, s.high, s.unit)}]"
                        for s in track.scores)
    return f"{track.row.method.title}: {figures}"


def _in_words(tracks: Sequence[Track]) -> str:
    return ". ".join(_words(track) for track in tracks)
