"""Adversarial examples."""

from __future__ import annotations

import numpy as np
import pytest

from harness import Examples, UnlearnTask
from reference_methods.unlearners.attacks import ProjectedGradient, SignWalk

ATTACKS = [ProjectedGradient(), ProjectedGradient(warm_start=True), ProjectedGradient(bisections=4),
           SignWalk(), SignWalk(random_start=True)]


class Linear:
    """Logits x W: the nearest adversarial example is known."""

    def __init__(self, weight: np.ndarray) -> None:
        self.weight = weight.astype(np.float32)
        self.calls: list[int] = []

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        return inputs @ self.weight

    def input_gradients(self, inputs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.calls.append(len(inputs))
        logits = self.logits(inputs)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        return (probabilities - np.eye(logits.shape[1], dtype=np.float32)[labels]) @ self.weight.T, logits


class Flat(Linear):
    """Says class 0 whatever it is shown, with gradients of zero."""

    def __init__(self) -> None:
        super().__init__(np.zeros((2, 2)))


def two_class() -> Linear:
    """The boundary is x0 = x1."""
    return Linear(np.array([[1.0, 0.0], [0.0, 1.0]]))


def points(*rows: tuple[float, float, int]) -> Examples:
    return Examples(inputs=np.array([row[:2] for row in rows]), labels=np.array([row[2] for row in rows]))


@pytest.mark.parametrize("attack", ATTACKS)
def test_examples_are_found_within_their_radius_and_in_the_order_of_the_forget_set(
        attack: ProjectedGradient | SignWalk, sample_task: UnlearnTask) -> None:
    clean, model = sample_task.forget, sample_task.original

    found = attack.find(model, clean, seed=0)

    assert found.found.all()
    assert (found.labels != clean.labels).all()
    assert np.array_equal(model.logits(found.inputs).argmax(axis=1), found.labels)
    offset = np.linalg.norm(found.inputs - clean.inputs, axis=1)
    assert found.distance == pytest.approx(offset)
    # Projection is computed in 32 bits.
    assert (offset <= found.radius * (1 + 1e-5)).all()
    assert found.inputs.min() >= 0
    assert found.inputs.max() <= 1


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if isinstance(attack, ProjectedGradient)])
def test_examples_do_not_depend_on_their_batch(attack: ProjectedGradient) -> None:
    clean = points((0.6, 0.3, 0), (0.2, 0.9, 1), (0.55, 0.5, 0))

    together = attack.find(two_class(), clean, seed=0)
    alone = attack.find(two_class(), clean.take(np.array([1])), seed=0)

    assert np.array_equal(together.inputs[1:2], alone.inputs)


def test_the_ball_grows_by_doubling_until_it_reaches_the_boundary() -> None:
    clean = points((0.51, 0.5, 0), (0.7, 0.5, 0))

    found = ProjectedGradient(eps=0.04).find(two_class(), clean, seed=0)

    # The boundary is at 0.01 / sqrt(2) = 0.007 and 0.2 / sqrt(2) = 0.141: within 0.04, and between 0.08 and 0.16.
    assert found.radius == pytest.approx([0.04, 0.16])
    assert (found.distance >= np.array([0.0070, 0.1414])).all()
    # A step is a tenth of the radius, so the boundary is overstepped by less than that.
    assert (found.distance <= np.array([0.0071 + 0.004, 0.1415 + 0.016])).all()


def test_bisection_shortens_distances_and_never_lengthens_one(sample_task: UnlearnTask) -> None:
    plain = ProjectedGradient().find(sample_task.original, sample_task.forget, seed=0)
    refined = ProjectedGradient(bisections=6).find(sample_task.original, sample_task.forget, seed=0)

    assert (refined.distance <= plain.distance).all()
    assert np.median(refined.distance) < np.median(plain.distance)
    assert refined.gradient_evaluations > plain.gradient_evaluations


def test_bisection_closes_in_on_the_boundary() -> None:
    found = ProjectedGradient(bisections=12).find(two_class(), points((0.7, 0.5, 0)), seed=0)

    assert found.distance[0] == pytest.approx(0.2 / np.sqrt(2), rel=1e-3)  # 2^-12 of a gap of 0.08


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_model_without_gradients_ends_the_search_with_failures(attack: ProjectedGradient | SignWalk) -> None:
    clean = points((0.6, 0.3, 0), (0.2, 0.9, 0))

    found = attack.find(Flat(), clean, seed=0)

    assert found.facts["attack failure rate"] == 1
    assert "median delta" not in found.facts
    assert np.array_equal(found.inputs, clean.inputs)
    assert np.array_equal(found.labels, clean.labels)


def test_a_boundary_outside_the_cube_ends_the_search_at_its_diagonal() -> None:
    beyond = Linear(np.array([[0.0, 0.0], [-1.0, -2.0]]).T @ np.eye(2))
    clean = points((0.6, 0.3, 0))

    found = ProjectedGradient(eps=0.04, steps=5).find(beyond, clean, seed=0)

    assert not found.found.any()
    # 0.04 * 2^6 = 2.56 is the first radius beyond sqrt(2): seven rounds of five steps, and the first gradient.
    assert found.gradient_evaluations <= 7 * 5 + 1


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_misclassified_sample_is_its_own_example(attack: ProjectedGradient | SignWalk) -> None:
    clean = points((0.6, 0.3, 1), (0.6, 0.3, 0))

    found = attack.find(two_class(), clean, seed=0)

    assert list(found.already) == [True, False]
    assert np.array_equal(found.inputs[0], clean.inputs[0])
    assert list(found.labels) == [0, 1]
    assert found.distance[0] == 0
    assert found.facts["already misclassified share"] == 0.5


def test_finished_samples_leave_the_batch() -> None:
    model = two_class()

    ProjectedGradient(eps=0.04, steps=10).find(model, points((0.51, 0.5, 0), (0.7, 0.5, 0)), seed=0)

    assert model.calls[0] == 2
    assert model.calls[-1] == 1
    assert model.calls == sorted(model.calls, reverse=True)


def test_gradient_evaluations_are_counted_per_sample() -> None:
    model = two_class()

    found = ProjectedGradient(batch_size=1).find(model, points((0.51, 0.5, 0), (0.7, 0.5, 0)), seed=0)

    assert set(model.calls) == {1}
    assert found.gradient_evaluations == len(model.calls)


def test_a_sign_walk_takes_one_gradient_a_round() -> None:
    model = two_class()

    found = SignWalk(step=0.01, steps=30).find(model, points((0.51, 0.5, 0), (0.71, 0.5, 0)), seed=0)

    assert found.gradient_evaluations == 2
    # Along the signs both coordinates move by 0.01 a step: 0.71 - 0.5 is crossed after 11.
    assert found.distance == pytest.approx([0.01 * np.sqrt(2), 0.11 * np.sqrt(2)], rel=1e-4)


def test_a_sign_walk_is_farther_than_projected_gradients_where_few_inputs_matter() -> None:
    weight = np.zeros((50, 2))
    weight[:2], weight[2:] = np.eye(2), [[0, 1e-3]]
    clean = Examples(inputs=np.full((1, 50), 0.5) + 0.2 * (np.arange(50) == 0), labels=np.array([0]))

    near, far = (attack.find(Linear(weight), clean, seed=0) for attack in (ProjectedGradient(), SignWalk()))

    # The boundary is at most 0.2 / sqrt(2) = 0.14 away, but along the signs all 50 inputs move.
    assert near.distance[0] < 0.16
    assert far.distance[0] > 0.5


def test_inputs_outside_the_unit_cube_are_refused_unless_unbounded() -> None:
    clean = points((2.0, 1.0, 0))

    with pytest.raises(ValueError, match=r"inputs lie in \[1, 2\], not in \[0, 1\]"):
        ProjectedGradient().find(two_class(), clean, seed=0)
    assert ProjectedGradient(bounded=False).find(two_class(), clean, seed=0).found.all()


def test_a_model_that_returns_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="returns NaN"):
        ProjectedGradient().find(Linear(np.full((2, 2), np.nan)), points((0.6, 0.3, 0)), seed=0)
