"""One score of a model beside those of oracles and original, drawn to scale on one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from markupsafe import Markup

from harness.auditing.judgement import Compared, detectable

WIDTH, HEIGHT, MARGIN = 240.0, 26.0, 8.0
Place = Callable[[float], float]


def strip(one: Compared) -> Markup:
    """Return an SVG: a band where a retrained model's score would lie, oracles, original, and the audited model.

    The band is that of the score alone, at the 5 % level; the verdict also counts how many scores were looked at.
    """
    reach = detectable(one) or 0.0
    score = one.score
    ends = [one.oracle - reach, one.oracle + reach]
    known = [*one.oracles, *ends, score.value, *(end for end in (score.low, score.high, one.original) if end is not None)]
    place = _scale(known)
    middle = HEIGHT / 2
    parts = [_band(*map(place, ends))] if reach else []
    parts.append(f'<path class="axis" d="M0 {middle}H{WIDTH}"/>')
    parts += [f'<path class="oracle" d="M{place(value):.1f} {middle - 7}v14"/>' for value in one.oracles]
    if score.low is not None and score.high is not None:
        parts.append(f'<path class="audited" d="M{place(score.low):.1f} {middle}H{place(score.high):.1f}"/>')
    if one.original is not None:
        parts.append(_diamond(place(one.original), middle))
    parts.append(f'<circle class="audited" cx="{place(score.value):.1f}" cy="{middle}" r="4.5"/>')
    # Every part is made of numbers.
    return Markup(f'<svg class="strip" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" aria-hidden="true">{"".join(parts)}</svg>')


def _scale(values: Iterable[float]) -> Place:
    listed = list(values)
    low, high = min(listed), max(listed)
    if high == low:
        return lambda value: WIDTH / 2
    return lambda value: MARGIN + (value - low) / (high - low) * (WIDTH - 2 * MARGIN)


def _band(start: float, end: float) -> str:
    return f'<rect class="band" x="{start:.1f}" y="1" width="{end - start:.1f}" height="{HEIGHT - 2:g}" rx="3"/>'


def _diamond(x: float, y: float) -> str:
    return f'<path class="original" d="M{x:.1f} {y - 6}l6 6l-6 6l-6 -6z"/>'
