"""Check the arrays every audit takes: one clear error for NaN, a wrong shape, nothing at all or too few models.

A shape is written with letters for free lengths and numbers for fixed ones: ``("R", 500)`` is any number of
references of exactly 500 samples. A leading ``...`` allows any further axes in front.
"""

import math
from collections.abc import Sequence
from types import EllipsisType
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.intp]
Mask: TypeAlias = NDArray[np.bool_]
Shape: TypeAlias = Sequence[int | str | EllipsisType]


# Where the published logit scaling, log(p + 1e-45) - log(1 - p + 1e-45), ends.
INFINITE_CONFIDENCE: Final = -math.log(1e-45)


def check_numbers(name: str, values: ArrayLike, shape: Shape) -> Floats:
    """Return ``values`` as float64, without a copy where they are already.

    Infinities pass: each audit says what it makes of them.

    Raises:
        ValueError: if the shape is another, an axis is empty, or a value is NaN.
    """
    array = np.asarray(values, dtype=np.float64)
    check_shape(name, array.shape, shape)
    # The minimum is NaN exactly when a value is, and costs a fraction of isnan over the whole array.
    if np.isnan(np.min(array)):
        where = tuple(int(axis[0]) for axis in np.nonzero(np.isnan(array)))
        raise ValueError(f"{name} is NaN at index {where}; every value must be a number")
    return array


def check_mask(name: str, values: ArrayLike, shape: Shape) -> Mask:
    """Return ``values``, which must be booleans of this shape.

    Raises:
        ValueError: if the shape is another or the entries are not booleans; 0 and 1 would be taken for indices.
    """
    array = np.asarray(values)
    check_shape(name, array.shape, shape)
    if array.dtype != np.bool_:
        raise ValueError(f"{name} holds {array.dtype}; expected bool")
    return array


def check_shape(name: str, found: tuple[int, ...], expected: Shape) -> None:
    """Raise ValueError unless ``found`` fits ``expected`` and no axis is empty."""
    tail = [length for length in expected if length is not ...]
    compared = found[len(found) - len(tail) :] if ... in expected else found
    fits = len(compared) == len(tail) and all(
        isinstance(want, str) or want == have for want, have in zip(tail, compared, strict=True)
    )
    if not fits:
        written = ", ".join("..." if length is ... else str(length) for length in expected)
        raise ValueError(f"{name} has shape {found}; expected ({written})")
    if 0 in found:
        raise ValueError(f"{name} is empty: its shape is {found}")


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless ``low <= value < high``; NaN never is."""
    if not low <= value < high:
        raise ValueError(f"{name} is {value}; expected at least {low} and below {high}")


def check_choice(name: str, value: str, known: Sequence[str]) -> None:
    """Raise ValueError unless ``value`` is one of ``known``."""
    if value not in known:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(known)}")


def check_enough(audit: str, side: str, counts: Integers) -> None:
    """Raise ValueError if a sample has no model on this side, naming the first such sample."""
    if not counts.all():
        lacking = int(np.flatnonzero(counts == 0)[0])
        raise ValueError(f"{audit} needs at least one model {side} each sample; sample {lacking} has none")


def replace_infinite(*confidences: Floats) -> tuple[Floats, ...]:
    """Return the arrays with each infinity replaced by one finite bound of its sign, the same in all of them.

    The bound is 103.6, where the published logit scaling ends, or the largest finite magnitude if that is more,
    so that the order of the values stays. Arrays without an infinity come back as they are.
    """
    if all(np.isfinite(values).all() for values in confidences):
        return confidences
    largest = max(np.abs(values[np.isfinite(values)]).max(initial=0.0) for values in confidences)
    bound = max(INFINITE_CONFIDENCE, float(largest))
    return tuple(np.clip(values, -bound, bound) for values in confidences)
