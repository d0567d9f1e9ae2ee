"""Soft targets in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from harness import ForgetRequest
from reference_methods.unlearners.targets import (
    class_similarity,
    forgotten_classes,
    head_weight,
    softmax,
    targets_without,
)

REQUEST = ForgetRequest(name="r", scope="sample", forget=np.array([0]), generator="test", seed=0)
CLASSES = ForgetRequest(name="r", scope="class", forget=np.array([0]), classes=(0, 2), generator="test", seed=0)


def test_delete_renormalises_the_other_classes() -> None:
    probabilities = np.array([[0.5, 0.3, 0.2]])

    targets = targets_without(np.log(probabilities), np.array([[True, False, False]]))

    assert targets == pytest.approx(np.array([[0, 0.6, 0.4]]))


def test_a_saturated_teacher_still_gives_a_distribution() -> None:
    logits = np.array([[1000.0, 2.0, 1.0]])  # p(0) is exactly 1, so p / (1 - p(0)) would be 0 / 0

    targets = targets_without(logits, np.array([[True, False, False]]))

    assert targets[0, 1] == pytest.approx(1 / (1 + np.exp(-1)))
    assert targets.sum() == pytest.approx(1)


def test_a_tilt_multiplies_odds_by_its_exponential() -> None:
    logits, tilt = np.zeros((1, 3)), np.array([[0.0, np.log(3), 0.0]])

    targets = targets_without(logits, np.array([[True, False, False]]), tilt)

    assert targets == pytest.approx(np.array([[0, 0.75, 0.25]]))


def test_softmax_takes_no_notice_of_a_constant() -> None:
    assert softmax(np.array([[1e4, 1e4]])) == pytest.approx(np.array([[0.5, 0.5]]))


def test_a_sample_forgets_its_own_class_and_a_class_request_all_of_its_classes() -> None:
    own = forgotten_classes(np.array([1, 0]), REQUEST, 4)
    every = forgotten_classes(np.array([2, 0]), CLASSES, 4)

    assert own.tolist() == [[False, True, False, False], [True, False, False, False]]
    assert every.tolist() == [[True, False, True, False]] * 2


def test_forgetting_every_class_leaves_no_target() -> None:
    with pytest.raises(ValueError, match="forgets all 3 classes"):
        forgotten_classes(np.array([1]), CLASSES, 3)


def test_similar_rows_get_the_larger_similarity() -> None:
    head = np.array([[1.0, 0.1], [1.0, 0.0], [-1.0, 0.3], [-1.0, -0.4]], dtype=np.float32)

    similarity = class_similarity(head, components=None, temperature=0.1)

    assert np.diag(similarity) == pytest.approx(np.zeros(4))
    assert similarity.sum(axis=1) == pytest.approx(np.ones(4))
    assert list(similarity.argmax(axis=1)) == [1, 0, 3, 2]


def test_similarity_in_closed_form_for_two_directions() -> None:
    head = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], dtype=np.float32)  # centred already

    similarity = class_similarity(head, components=None, temperature=1.0)

    # Cosines of row 0 to rows 1 and 2 are 0 and -1 / sqrt(2).
    powers = np.exp([0, -1 / np.sqrt(2)])
    assert similarity[0, 1:] == pytest.approx(powers / powers.sum(), rel=1e-6)


def test_one_component_leaves_cosines_of_plus_and_minus_one() -> None:
    head = np.array([[2.0, 0.1], [1.0, 0.0], [-3.0, -0.1]], dtype=np.float32)

    similarity = class_similarity(head, components=1, temperature=1.0)

    powers = np.exp([1, -1])
    assert similarity[0, 1:] == pytest.approx(powers / powers.sum(), rel=1e-6)


def test_the_head_is_the_last_matrix_with_a_row_per_class() -> None:
    arrays = {"a": np.zeros((3, 9)), "b": np.ones((3, 4)), "c": np.zeros(3)}

    assert head_weight(arrays, 3) is arrays["b"]
    with pytest.raises(ValueError, match="a row for each of 5 classes"):
        head_weight(arrays, 5)
