"""What is searched: an interval or a list of values for each hyper-parameter, and points spread evenly over them.

One notation serves the command line, a method's own ``space`` and the rows::

    1e-4:1:log      between 1e-4 and 1, evenly in the logarithm
    1:20            between 1 and 20, evenly; whole numbers where the hyper-parameter is one
    fixed,redrawn   one of these
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs
import numpy as np
from attrs import field, frozen, validators

from harness.digests import derive_seed
from harness.errors import BadSetting
from harness.subsets import permutation
from harness.tasks import Unlearner

DECADES = 2


class Dimension(Protocol):
    """The values of one hyper-parameter."""

    @property
    def size(self) -> int | None:
        """Number of values; None when there is no end of them."""
        ...

    def at(self, place: float) -> Any:
        """Return the value at ``place``, from 0 for the first to just below 1 for the last."""
        ...


@frozen
class Interval:
    """Numbers between two ends, rounded to two digits or to whole numbers.

    Attributes:
        low, high: the ends.
        log: spread evenly in the logarithm.
        whole: whole numbers only.
    """

    low: float
    high: float = field()
    log: bool = False
    whole: bool = False

    @high.validator
    def _above(self, attribute: Any, value: float) -> None:
        if not (math.isfinite(self.low) and math.isfinite(value) and self.low < value):
            raise ValueError(f"expected a lower and a higher end, got {self.low} and {value}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic interval begins above zero, got {self.low}")

    @property
    def size(self) -> int | None:
        """None: there is no end of numbers, and whole ones are too many to list."""
        return None

    def at(self, place: float) -> float:
        """Return the number at ``place``."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = low + place * (high - low)
        value = math.exp(value) if self.log else value
        return round(value) if self.whole else float(f"{value:.2g}")


@frozen
class Choices:
    """A list of values."""

    values: tuple[Any, ...] = field(validator=validators.min_len(1))

    @property
    def size(self) -> int | None:
        """Number of values."""
        return len(self.values)

    def at(self, place: float) -> Any:
        """Return the value at ``place``."""
        return self.values[int(place * len(self.values))]


Space = Mapping[str, Dimension]


def read_space(kind: type[Unlearner], texts: Mapping[str, str]) -> dict[str, Dimension]:
    """Return the space that ``texts`` describe, for the hyper-parameters of ``kind``.

    Raises:
        BadSetting: for an unknown hyper-parameter or a text of another form.
    """
    known = {one.name: one for one in attrs.fields(kind)}  # type: ignore[arg-type]
    space: dict[str, Dimension] = {}
    for name, text in texts.items():
        if name not in known:
            raise BadSetting(f"space of '{kind.name}': no parameter is called '{name}'; known: "
                             f"{', '.join(known) or 'none'}")
        try:
            space[name] = _dimension(text, whole="float" not in str(known[name].type))
        except ValueError as error:
            raise BadSetting(f"space of '{kind.name}': {name}={text}: {error}") from error
    return space


def default_space(kind: type[Unlearner]) -> dict[str, str]:
    """Return the space that a method states, or two decades of ``lr`` on either side of its default, or nothing."""
    stated: Mapping[str, str] | None = getattr(kind, "space", None)
    if stated is not None:
        return dict(stated)
    rate = next((one.default for one in attrs.fields(kind) if one.name == "lr"), None)  # type: ignore[arg-type]
    if not isinstance(rate, float) or rate <= 0:
        return {}
    return {"lr": f"{rate / 10**DECADES:.2g}:{rate * 10**DECADES:.2g}:log"}


def parse_space(text: str) -> tuple[str, str]:
    """Return (parameter, description) from ``parameter=description``.

    Raises:
        BadSetting: if the text has another form.
    """
    name, equals, description = text.partition("=")
    if not (equals and name.strip() and description.strip()):
        raise BadSetting(f"--space '{text}': expected PARAM=LOW:HIGH, PARAM=LOW:HIGH:log or PARAM=A,B,C")
    return name.strip(), description.strip()


def points(space: Space, trials: int, seed: int) -> list[dict[str, Any]]:
    """Return at most ``trials`` different points.

    Every combination where only lists are searched and there are few enough of them; otherwise a Latin hypercube:
    each dimension is cut into ``trials`` slices, and each slice has one point, in its middle. With one dimension this
    is an even grid. Points that rounding or short lists make equal are tried once.
    """
    sizes = [dimension.size for dimension in space.values()]
    if all(sizes) and math.prod(size or 0 for size in sizes) <= trials:
        places = np.stack(np.meshgrid(*(np.arange(size or 0) / (size or 1) for size in sizes), indexing="ij"), axis=-1)
        return _unique(space, places.reshape(-1, len(sizes)))
    columns = [np.arange(trials) if index == 0 else permutation(trials, derive_seed(seed, "space", name))
               for index, name in enumerate(space)]
    return _unique(space, (np.stack(columns, axis=1) + 0.5) / trials)


def _unique(space: Space, places: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for row in places.tolist():
        point = {name: dimension.at(place) for (name, dimension), place in zip(space.items(), row, strict=True)}
        if point not in found:
            found.append(point)
    return found


def at_edge(space: Space, point: Mapping[str, Any], tried: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the hyper-parameters of an interval whose lowest or highest tried value is that of ``point``."""
    return [name for name, dimension in space.items() if isinstance(dimension, Interval)
            and point[name] in (min(one[name] for one in tried), max(one[name] for one in tried))]


def _dimension(text: str, whole: bool) -> Dimension:
    ends = text.split(":")
    if len(ends) == 1:
        return Choices(tuple(_value(part.strip()) for part in text.split(",")))
    if len(ends) > 3 or (len(ends) == 3 and ends[2].strip() != "log"):
        raise ValueError("expected LOW:HIGH, LOW:HIGH:log or A,B,C")
    low, high = (_value(end.strip()) for end in ends[:2])
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in (low, high)):
        raise ValueError("the ends of an interval are numbers")
    return Interval(float(low), float(high), log=len(ends) == 3, whole=whole)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
