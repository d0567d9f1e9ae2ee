"""Random labels and the policies behind them."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from harness import UnlearnTask
from reference_methods.unlearners.labels import other_labels, random_labels
from reference_methods.unlearners.relabel import RandomLabels


def test_labels_among_the_other_classes_are_never_true() -> None:
    true = np.repeat(np.arange(4), 500)

    drawn = random_labels(true, 4, np.random.default_rng(0), exclude_true=True)

    assert not (drawn == true).any()
    # Each of 4 labels has 500 expected draws with standard deviation 18; 100 is beyond five of them.
    assert np.abs(np.bincount(drawn, minlength=4) - 500).max() < 100


def test_labels_among_all_classes_are_true_once_in_c_draws() -> None:
    true = np.zeros(4000, dtype=np.int64)

    drawn = random_labels(true, 4, np.random.default_rng(0), exclude_true=False)

    # Standard deviation of the share is 0.7 %.
    assert (drawn == true).mean() == pytest.approx(0.25, abs=0.035)


def test_other_labels_avoid_every_taken_class() -> None:
    taken = np.array([[0, 1], [2, 2], [1, 0]])

    drawn = [other_labels(taken, 3, np.random.default_rng(seed)) for seed in range(50)]

    assert {row[0] for row in drawn} == {2}
    assert {row[1] for row in drawn} == {0, 1}
    assert {row[2] for row in drawn} == {2}


def test_drawing_where_no_class_is_left_is_an_error() -> None:
    with pytest.raises(ValueError, match="no label is left to draw: 2 of 2 classes are taken"):
        other_labels(np.array([[0, 1]]), 2, np.random.default_rng(0))


def test_fixed_labels_are_the_same_in_every_epoch(sample_task: UnlearnTask) -> None:
    first, second = islice(RandomLabels(labels="fixed").labels_of_epochs(sample_task), 2)

    assert np.array_equal(first, second)


def test_redrawn_labels_differ_between_epochs_and_come_from_the_seed(sample_task: UnlearnTask) -> None:
    method = RandomLabels(labels="redrawn")
    first, second, third = islice(method.labels_of_epochs(sample_task), 3)

    assert not (np.array_equal(first, second) and np.array_equal(second, third))
    assert np.array_equal(first, next(method.labels_of_epochs(sample_task)))


def test_redrawn_labels_cannot_be_said_in_one_fit(sample_task: UnlearnTask) -> None:
    assert RandomLabels(labels="redrawn").training(sample_task) is None


def test_retain_samples_keep_their_labels(sample_task: UnlearnTask) -> None:
    data = RandomLabels().training(sample_task).data

    forgotten = len(sample_task.forget)
    assert not (data.targets[:forgotten] == sample_task.forget.labels).any()
    assert np.array_equal(data.targets[forgotten:], sample_task.retain.labels)


def test_without_retain_only_the_forget_set_is_trained_on(sample_task: UnlearnTask) -> None:
    data = RandomLabels(with_retain=False).training(sample_task).data

    assert np.array_equal(data.inputs, sample_task.forget.inputs)


@pytest.mark.parametrize("labels", ["fixed", "redrawn"])
def test_random_labels_mislead_the_model(labels: str, forget_only_task: UnlearnTask) -> None:
    unlearned = RandomLabels(labels=labels, lr=0.1, epochs=30).unlearn(forget_only_task)

    forget = forget_only_task.forget
    assert (unlearned.logits(forget.inputs).argmax(axis=1) == forget.labels).mean() < 0.8


def test_redrawn_fits_follow_the_schedule(sample_task: UnlearnTask) -> None:
    still = RandomLabels(labels="redrawn", epochs=2, lr_step=1, lr=0.0).unlearn(sample_task)

    original = sample_task.original.parameters()
    assert all(np.array_equal(array, original[name]) for name, array in still.parameters().items())
