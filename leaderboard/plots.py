"""The two plots of a suite: what forgetting costs, and what it costs the model's use."""

from __future__ import annotations

from collections.abc import Sequence

from harness.rows import Row, RowScore
from harness.utility_gate import UTILITY
from leaderboard.axes import focused_axis, linear_axis, time_axis, usual_reach
from leaderboard.charts import Entry, dot_chart
from leaderboard.formats import duration, interval, number, seconds_of
from leaderboard.names import kind_of
from leaderboard.ranking import Measure, main_measure, privacy_score
from leaderboard.scatter import X_PIXELS, Y_PIXELS, Plot, Point, draw
from leaderboard.tables import Link


def cost_plot(rows: Sequence[Row], link: Link, name: str = "cost") -> str:
    """Return the main measure against the seconds that one model takes; empty when no row has both."""
    measure = main_measure(rows)
    points = [point for row in rows if (point := _cost_point(row, measure, link))] if measure else []
    if measure is None or not points:
        return ""
    oracle = next((row for row in rows if kind_of(row) == "oracle"), None)
    read = measure.read(oracle) if oracle else None
    retraining = seconds_of(oracle.measured) if oracle else None
    seconds = [p.x for p in points] + ([retraining] if retraining else [])
    return draw(Plot(
        name=name, title=f"{measure.title} against cost",
        description=f"{len(points)} methods; lower is better on both axes. The band is what an oracle scores against "
                    "the others. Beyond the vertical line a method costs more than retraining.",
        x_title="time of one unlearning run →", y_title=f"{measure.title} (lower is better)",
        x=time_axis(seconds, *X_PIXELS),
        y=linear_axis([0.0, usual_reach([p.y for p in points], 2 * read[0] if read else 0.0)], *Y_PIXELS,
                      from_zero=True),
        bands=(("y", 0.0, read[0]),) if read else (),
        lines=(("x", retraining, "retraining"),) if retraining else (), points=tuple(points)))


def _cost_point(row: Row, measure: Measure | None, link: Link) -> Point | None:
    read = measure.read(row) if measure else None
    seconds = seconds_of(row.measured)
    if measure is None or read is None or not seconds or kind_of(row) == "oracle":
        return None
    value, low, high = read
    return Point(x=seconds, y=value, y_range=None if low is None or high is None else (low, high),
                 label=row.method.title, href=link(row), kind=kind_of(row),
                 about=f"{measure.title} {number(value, 'points')} [{interval(low, high, 'points')}], "
                       f"{duration(seconds)} a model")


def privacy_plot(rows: Sequence[Row], link: Link, name: str = "privacy") -> str:
    """Return a membership score against test accuracy, with the oracle as a cross; empty when no row has both."""
    column = privacy_score(rows)
    pairs = [(row, row.score(column), row.score(UTILITY)) for row in rows if kind_of(row) != "oracle"] if column else []
    full = [(row, privacy, utility) for row, privacy, utility in pairs if privacy and utility]
    if not full:
        return ""
    privacy, utility = full[0][1], full[0][2]
    return draw(Plot(
        name=name, title=f"{privacy.name} against {UTILITY}",
        description=f"{len(full)} methods; the lines cross at the oracle, the bands are its noise floor. "
                    "The nearer to the crossing, the more like retraining.",
        x_title=f"{privacy.name} (what an attacker still sees) →", y_title=f"{UTILITY}, accuracy on the test set",
        x=focused_axis([p.value for _, p, _ in full], privacy.oracle, privacy.floor, *X_PIXELS),
        y=focused_axis([u.value for _, _, u in full], utility.oracle, utility.floor, *Y_PIXELS),
        bands=(("x", privacy.oracle - privacy.floor, privacy.oracle + privacy.floor),
               ("y", utility.oracle - utility.floor, utility.oracle + utility.floor)),
        lines=(("x", privacy.oracle, "oracle"), ("y", utility.oracle, "oracle")),
        points=tuple(_privacy_point(row, p, u, link) for row, p, u in full)))


def _privacy_point(row: Row, privacy: RowScore, utility: RowScore, link: Link) -> Point:
    return Point(x=privacy.value, x_range=_range(privacy), y=utility.value, y_range=_range(utility),
                 label=row.method.title, href=link(row), kind=kind_of(row),
                 about=f"{privacy.name} {_with_interval(privacy)}, {utility.name} {_with_interval(utility)}")


def _range(score: RowScore) -> tuple[float, float] | None:
    return None if score.low is None or score.high is None else (score.low, score.high)


def _with_interval(score: RowScore) -> str:
    return f"{number(score.value, score.unit)} [{interval(score.low, score.high, score.unit)}]"


def ranking_chart(name: str, rows: Sequence[Row], link: Link, most: int = 12) -> str:
    """Return the ``most`` best rows by the main measure as a dot chart; empty when nothing can be ranked."""
    measure = main_measure(rows)
    if measure is None:
        return ""
    oracle = next((read for row in rows if kind_of(row) == "oracle" and (read := measure.read(row))), None)
    entries = [Entry(label=row.method.title, href=link(row), kind=kind_of(row), value=read[0], low=read[1],
                     high=read[2], text=number(read[0], "points"))
               for row in rows if kind_of(row) != "oracle" and (read := measure.read(row))]
    entries.sort(key=lambda entry: entry.value)
    if not entries:
        return ""
    return dot_chart(name, f"{measure.title} of {len(entries[:most])} methods, lower is better", entries[:most],
                     oracle[0] if oracle else 0.0)
