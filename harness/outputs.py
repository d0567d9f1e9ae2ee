"""What models and plugins give back, checked before it is believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data import Dataset, Floats
from harness.measure import measured
from harness.models import HasParameters, Model
from harness.tasks import Unlearned, Unlearner, UnlearnTask


class BadResult(Exception):
    """A plugin returned something that is no result."""


def checked_logits(logits: Any, count: int, num_classes: int) -> Floats:
    """Return logits as (``count``, ``num_classes``) float32.

    Raises:
        BadResult: if the shape is another or a value is NaN or infinite.
    """
    array = np.asarray(logits, dtype=np.float32)
    if array.shape != (count, num_classes):
        raise BadResult(f"logits have shape {array.shape}, expected ({count}, {num_classes})")
    broken = int(np.count_nonzero(~np.isfinite(array).all(axis=1)))
    if broken:
        raise BadResult(f"the model returns NaN or infinite logits for {broken} of {count} examples")
    return array


def signals_of(model: Model, data: Dataset) -> dict[str, Floats]:
    """Return the checked logits of a model on the training and the test set."""
    return {part: checked_logits(model.logits(examples.inputs), len(examples), data.num_classes)
            for part, examples in (("train", data.train), ("test", data.test))}


def weights_of(model: Model) -> dict[str, NDArray[Any]]:
    """Return the parameters of a model, or nothing if it has none."""
    return dict(model.parameters()) if isinstance(model, HasParameters) else {}


def finite(value: Any) -> float:
    """Return a reported number.

    Raises:
        BadResult: if it is NaN or infinite.
    """
    number = float(value)
    if not np.isfinite(number):
        raise BadResult(f"a reported number is {number}")
    return number


def run_unlearner(unlearner: Unlearner, task: UnlearnTask) -> tuple[Unlearned, Mapping[str, float]]:
    """Return what ``unlearner`` makes of ``task``, and what that alone cost.

    Raises:
        BadResult: if that is no model, or the original was changed.
    """
    with untouched(task.original), measured() as costs:
        result = unlearner.unlearn(task)
    unlearned = result if isinstance(result, Unlearned) else Unlearned(model=result)
    if not isinstance(unlearned.model, Model):
        raise BadResult(f"unlearn returned {type(unlearned.model).__name__}, which is not a model")
    return unlearned, costs


@contextmanager
def untouched(original: Model) -> Iterator[None]:
    """Run the block, in which a method has ``original`` in its hands.

    Raises:
        BadResult: if its parameters are others afterwards.
    """
    before = weights_of(original)
    yield
    if not _same(before, weights_of(original)):
        raise BadResult("unlearn changed the original model; it must return a new one")


def _same(left: Mapping[str, NDArray[Any]], right: Mapping[str, NDArray[Any]]) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)
