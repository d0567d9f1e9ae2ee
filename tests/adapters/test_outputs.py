"""Logits from whatever models return."""

from __future__ import annotations

import numpy as np
import pytest

from adapters.arrays import softmax
from adapters.outputs import FLOOR, as_logits, kind_of, logits_from_probabilities


def test_probabilities_become_logits_with_the_same_softmax() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5), 20)

    logits = logits_from_probabilities(probabilities)

    assert logits.dtype == np.float32
    np.testing.assert_allclose(softmax(logits).astype(np.float64), probabilities, atol=1e-6)  # float32
    np.testing.assert_allclose(logits.mean(axis=1), 0, atol=1e-6)


def test_centred_logits_come_back_as_they_were() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (20, 5)).astype(np.float32)
    logits -= logits.mean(axis=1, keepdims=True)

    np.testing.assert_allclose(logits_from_probabilities(softmax(logits)), logits, atol=1e-5)  # float32


def test_a_probability_of_zero_is_the_floor() -> None:
    logits = logits_from_probabilities(np.array([[1.0, 0.0]]))

    assert logits[0, 0] - logits[0, 1] == pytest.approx(-np.log(FLOOR))


@pytest.mark.parametrize(("values", "kind"), [
    ([[0.2, 0.8], [1.0, 0.0]], "probabilities"),
    ([[0.2, 0.8], [0.5, 0.6]], "logits"),
    ([[-0.2, 1.2]], "logits"),
    ([[0.3334, 0.3333, 0.3333]], "probabilities"),
    (np.zeros((0, 2)), "logits"),
])
def test_probabilities_are_told_from_logits(values: list[list[float]], kind: str) -> None:
    assert kind_of(np.asarray(values)) == kind


def test_logits_stay_as_they_are() -> None:
    values = np.array([[1.0, -2.0]])

    np.testing.assert_array_equal(as_logits(values, "logits"), values)
