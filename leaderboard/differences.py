"""Where two JSON values differ, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

# Sums in another order, or another processor, move the last digits only.
TOLERANCE = 1e-9


def differences(given: Any, right: Any, tolerance: float = TOLERANCE, path: str = "") -> Iterator[str]:
    """Yield ``path is X, expected Y`` for every place where ``given`` is not ``right``.

    Args:
        given, right: plain JSON values.
        tolerance: by which numbers may differ, relative and absolute.
        path: of the values.
    """
    if isinstance(given, dict) and isinstance(right, dict):
        for key in sorted({*given, *right}):
            where = f"{path}.{key}" if path else str(key)
            if key not in given or key not in right:
                yield f"{where} is {'missing' if key not in given else 'not expected'}"
            else:
                yield from differences(given[key], right[key], tolerance, where)
    elif isinstance(given, list) and isinstance(right, list) and len(given) == len(right):
        for index, (left, other) in enumerate(zip(given, right, strict=True)):
            yield from differences(left, other, tolerance, f"{path}[{index}]")
    elif not _equal(given, right, tolerance):
        yield f"{path} is {_short(given)}, expected {_short(right)}"


def _equal(given: Any, right: Any, tolerance: float) -> bool:
    if _is_number(given) and _is_number(right):
        return math.isclose(given, right, rel_tol=tolerance, abs_tol=tolerance)
    return type(given) is type(right) and bool(given == right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
