"""Histograms of per-sample values, and the curve of an attack on them, as inline SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from attrs import frozen

from leaderboard.axes import linear_axis
from leaderboard.samples import Groups, Values
from leaderboard.svg import Element, element, text_of

WIDTH, HEIGHT = 250.0, 120.0
BOTTOM = 20.0


def histogram(name: str, title: str, groups: Groups, bins: Values) -> str:
    """Return the distributions of forget, retain and test set, each with the same area.

    Heights are square roots of densities: the retain set's peak would hide the others.
    """
    shares = {part: _share(getattr(groups, part), bins) for part in ("retain", "test", "forget")}
    top = max(float(share.max()) for share in shares.values()) or 1.0
    axis = linear_axis([float(bins[0]), float(bins[-1])], 4.0, WIDTH - 4.0)
    parts: list[Element] = [element("title", title, id=f"{name}-title")]
    for part, share in shares.items():
        parts.append(element("path", class_=f"area {part}", d=_outline(share / top, bins, axis.at)))
    parts += [element("path", class_="frame", d=f"M0 {HEIGHT - BOTTOM:.0f}H{WIDTH:.0f}")]
    for value, label in axis.ticks[::2]:
        parts.append(element("text", label, class_="tick", x=axis.at(value), y=HEIGHT - 5, text_anchor="middle"))
    return text_of(element("svg", *parts, class_="plot histogram", viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}", role="img",
                           aria_labelledby=f"{name}-title"))


def _share(values: Values, bins: Values) -> Values:
    """Return the square root of the share of values in each bin; what lies outside counts in the outermost."""
    inside = np.clip(values[~np.isnan(values)], bins[0], bins[-1])
    counts, _ = np.histogram(inside, bins)
    found: Values = np.sqrt(counts / max(len(inside), 1))
    return found


def _outline(heights: Values, bins: Values, at: Callable[[float], float]) -> str:
    base = HEIGHT - BOTTOM
    steps = "".join(f"V{base - height * (base - 6):.1f}H{at(float(right)):.1f}"
                    for height, right in zip(heights, bins[1:], strict=True))
    return f"M{at(float(bins[0])):.1f} {base:.0f}{steps}V{base:.0f}z"


@frozen(kw_only=True, eq=False)
class Curve:
    """One line of a plot of true against false positives: what it is called, how it is drawn, its scores."""

    label: str
    kind: str
    positive: Values
    negative: Values


SIDE = 260.0
MARGIN = 34.0


def roc(name: str, title: str, curves: Sequence[Curve]) -> str:
    """Return curves of true positives (forget set) against false positives (test set), both on logarithmic axes.

    The corner at low false positives is where an attacker names somebody with confidence (Carlini et al. 2022).
    """
    low = 1e-3
    parts: list[Element] = [element("title", title, id=f"{name}-title")]
    for exponent in (-3, -2, -1, 0):
        place = _log(10.0**exponent, low)
        label = {0: "100 %", -1: "10 %", -2: "1 %", -3: "0.1 %"}[exponent]
        parts += [element("path", class_="grid", d=f"M{MARGIN + place:.1f} 4V{SIDE + 4:.0f}"),
                  element("path", class_="grid", d=f"M{MARGIN:.0f} {SIDE + 4 - place:.1f}h{SIDE:.0f}"),
                  element("text", label, class_="tick", x=MARGIN + place, y=SIDE + 20, text_anchor="middle"),
                  element("text", label, class_="tick", x=MARGIN - 5, y=SIDE + 8 - place, text_anchor="end")]
    parts.append(element("path", class_="grid chance", d=f"M{MARGIN:.0f} {SIDE + 4:.0f}L{MARGIN + SIDE:.0f} 4"))
    for curve in curves:
        parts.append(element("path", element("title", curve.label), class_=f"curve {curve.kind}",
                             d=_path(curve, low)))
    return text_of(element("svg", *parts, class_="plot roc", viewBox=f"-16 0 {SIDE + MARGIN + 24:.0f} {SIDE + 28:.0f}",
                           role="img", aria_labelledby=f"{name}-title"))


def _log(rate: float, low: float) -> float:
    return float(SIDE * (1 - np.log10(max(rate, low)) / np.log10(low)))


def _path(curve: Curve, low: float) -> str:
    negative = np.sort(curve.negative)[::-1]
    positive = np.sort(curve.positive)
    rates = np.unique(np.geomspace(max(1 / len(negative), low), 1.0, 60))
    points = []
    for rate in rates:
        allowed = min(int(rate * len(negative) + 1e-9), len(negative) - 1)
        hits = len(positive) - np.searchsorted(positive, negative[allowed], side="right")
        reached = 1.0 if rate >= 1.0 else float(hits) / len(positive)
        points.append(f"{MARGIN + _log(float(rate), low):.1f} {SIDE + 4 - _log(reached, low):.1f}")
    return "M" + "L".join(points)
