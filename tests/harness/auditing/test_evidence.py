"""What takes part in an audit, and what a model says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.auditing.evidence import ask, select
from harness.audits import References, Signals
from harness.data import Dataset, Examples
from harness.errors import DataError


@pytest.fixture
def data() -> Dataset:
    """Return nine training and six test examples of three classes in turn; each input is its index."""
    def examples(size: int) -> Examples:
        return Examples(inputs=np.arange(size, dtype=np.float32)[:, None], labels=np.arange(size) % 3)
    return Dataset(name="d", version="1", num_classes=3, train=examples(9), test=examples(6), source="test")


class Function:
    """A function as a model."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def logits(self, inputs: Any) -> Any:
        """Return what the function returns."""
        return self.function(inputs)


def test_everything_that_is_not_forgotten_is_retained(data: Dataset) -> None:
    selection = select(data, np.array([1, 5]))

    assert selection.data.digest == data.digest
    np.testing.assert_array_equal(selection.request.forget, [1, 5])
    assert selection.request.scope == "sample"


def test_examples_in_neither_set_take_no_part(data: Dataset) -> None:
    selection = select(data, np.array([1, 5]), retain=np.array([2, 7, 8]), test=np.array([0, 3]))

    np.testing.assert_array_equal(selection.data.train.inputs[:, 0], [1, 2, 5, 7, 8])
    np.testing.assert_array_equal(selection.request.forget, [0, 2])
    np.testing.assert_array_equal(selection.data.test.inputs[:, 0], [0, 3])
    whole = Signals(train=data.train.inputs.repeat(3, 1), test=data.test.inputs.repeat(3, 1), digest="s")
    np.testing.assert_array_equal(selection.of(whole).train, selection.data.train.inputs.repeat(3, 1))
    np.testing.assert_array_equal(selection.of(whole).test, selection.data.test.inputs.repeat(3, 1))
    pool = np.concatenate([whole.train, whole.test])
    references = References(logits=np.stack([pool, -pool]), membership=np.stack([pool[:, 0] > 2] * 2), digest="r")
    chosen = selection.of_references(references)
    np.testing.assert_array_equal(chosen.logits[0, :, 0], [1, 2, 5, 7, 8, 0, 3])
    np.testing.assert_array_equal(chosen.membership[0], [False, False, True, True, True, False, True])


def test_whole_classes_are_a_class_request(data: Dataset) -> None:
    assert select(data, np.array([1, 4, 7])).request.classes == (1,)
    assert select(data, np.array([1, 4, 7])).request.scope == "class"
    assert select(data, np.array([1, 4])).request.scope == "sample"
    # Of class 1 nothing else takes part.
    assert select(data, np.array([1, 4]), retain=np.array([0, 2])).request.scope == "class"


def test_a_forget_set_leaves_something_and_is_not_retained(data: Dataset) -> None:
    with pytest.raises(DataError, match="the forget set is all of the 9 training examples"):
        select(data, np.arange(9))
    with pytest.raises(DataError, match="training example 5 is in the forget set and in the retain set"):
        select(data, np.array([1, 5]), retain=np.array([5, 6]))


def test_a_model_is_asked_twice(data: Dataset) -> None:
    def steady(inputs: Any) -> Any:
        return inputs.repeat(3, 1)

    def fickle(inputs: Any) -> Any:
        return inputs.repeat(3, 1) + inputs.mean() / 100

    answers = ask("steady", Function(steady), data)
    np.testing.assert_array_equal(answers.signals.test, data.test.inputs.repeat(3, 1))
    assert answers.unsteadiness == 0
    # The mean of six inputs is 2.5, that of the first three is 1.
    assert ask("fickle", Function(fickle), data).unsteadiness == pytest.approx(0.015, rel=1e-5)  # float32

    calls = iter(range(10))
    assert ask("dice", Function(lambda inputs: steady(inputs) + next(calls)), data).unsteadiness == 1


@pytest.mark.parametrize(("function", "message"), [
    (lambda inputs: np.zeros((1, 3)), r"m answers 9 inputs with logits of shape \(1, 3\), expected \(9, 3\)"),
    (lambda inputs: np.full((len(inputs), 3), np.nan), "m answers 9 of 9 inputs with NaN or infinity"),
])
def test_answers_that_are_none_are_refused(function: Callable[[Any], Any], message: str, data: Dataset) -> None:
    with pytest.raises(DataError, match=message):
        ask("m", Function(function), data)
