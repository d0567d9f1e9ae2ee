"""Mixtures, stages and the full training set."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from harness import Examples, Fit, FitOptions, UnlearnTask
from reference_methods.unlearners.fits import Part, generator, mixture, one_epoch, run_fit, run_stages
from reference_methods.unlearners.tasks import full_training_set


def test_labels_become_one_hot_beside_soft_targets() -> None:
    hard = Part(inputs=np.zeros((2, 1), dtype=np.float32), targets=np.array([1, 0]))
    soft = Part(inputs=np.ones((1, 1), dtype=np.float32), targets=np.array([[0.3, 0.7]], dtype=np.float32))

    data = mixture([hard, soft], num_classes=2)

    assert data.targets == pytest.approx(np.array([[0, 1], [1, 0], [0.3, 0.7]]))


def test_parts_carry_their_weight_and_augmentation() -> None:
    zeros = np.zeros((1, 1), dtype=np.float32)
    first = Part(inputs=zeros, targets=np.array([1]), weight=-2.0, augment=False)

    data = mixture([first, Part(inputs=zeros, targets=np.array([0]))], num_classes=2)

    assert data.weights.tolist() == [-2, 1]
    assert data.augment.tolist() == [False, True]


def test_nothing_to_train_on_is_an_error() -> None:
    with pytest.raises(ValueError, match="there is nothing to train on"):
        mixture([Part(inputs=np.zeros((0, 1), dtype=np.float32), targets=np.zeros(0, dtype=np.int64))], num_classes=2)


def test_one_epoch_has_the_rate_of_its_place_in_the_schedule() -> None:
    options = FitOptions(epochs=6, lr=1.0, schedule="step", step_size=2)

    assert [one_epoch(options, epoch).lr for epoch in range(6)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    assert one_epoch(options, 3).epochs == 1


def test_stages_follow_each_other(sample_task: UnlearnTask) -> None:
    data = mixture([Part(inputs=sample_task.retain.inputs, targets=sample_task.retain.labels)], 3)
    fit = Fit(data=data, options=FitOptions(epochs=1, lr=0.1, batch_size=200, momentum=0.0))

    once, twice = (run_stages(sample_task, [fit] * count).parameters()["head.weight"] for count in (1, 2))
    in_one = run_fit(sample_task, attrs.evolve(fit, options=attrs.evolve(fit.options, epochs=2)))

    # Without momentum and with one batch an epoch, two stages are two epochs.
    assert twice == pytest.approx(in_one.parameters()["head.weight"], rel=1e-5)
    assert not np.array_equal(once, twice)


def test_generators_depend_on_the_seed_and_the_purpose(sample_task: UnlearnTask) -> None:
    first = generator(sample_task, "labels").random()

    assert first == generator(sample_task, "labels").random()
    assert first != generator(sample_task, "noise").random()
    assert first != generator(attrs.evolve(sample_task, seed=8), "labels").random()


def test_the_full_training_set_is_in_its_own_order(sample_task: UnlearnTask, train: Examples) -> None:
    assert full_training_set(sample_task).digest == train.digest
