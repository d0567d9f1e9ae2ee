"""Boundary shrinking and expanding."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from harness import Examples, UnlearnTask
from reference_methods.unlearners.boundary import BoundaryExpand, BoundaryShrink
from tests.reference_methods.unlearners.torch_tasks import torch_task


def test_neighbours_are_what_the_original_says_one_step_away(sample_task: UnlearnTask) -> None:
    forget, original = sample_task.forget, sample_task.original
    gradients, _ = original.input_gradients(forget.inputs, forget.labels)
    moved = np.clip(forget.inputs + 0.3 * np.sign(gradients), 0, 1)

    neighbours = BoundaryShrink(step=0.3).neighbours(sample_task)

    assert np.array_equal(neighbours, original.logits(moved).argmax(axis=1))


def test_the_hit_rate_counts_neighbours_with_another_class(sample_task: UnlearnTask) -> None:
    method = BoundaryShrink(step=0.3)

    facts = method.unlearn(sample_task).facts

    neighbours = method.neighbours(sample_task)
    assert facts["boundary hit rate"] == (neighbours != sample_task.forget.labels).mean()
    assert facts["boundary hit rate"] > 0


def test_a_small_step_hits_less_often(sample_task: UnlearnTask) -> None:
    small, large = (BoundaryShrink(step=step).unlearn(sample_task).facts["boundary hit rate"] for step in (0.01, 0.4))

    assert small < large


def test_shrinking_needs_no_retain_set_and_uses_it_when_asked(sample_task: UnlearnTask) -> None:
    assert len(BoundaryShrink().training(sample_task).data) == len(sample_task.forget)
    assert len(BoundaryShrink(with_retain=True).training(sample_task).data) == 120


def test_expanding_moves_the_forgotten_class_elsewhere_and_prunes_the_extra_class() -> None:
    task = torch_task("convolutional", "class")

    unlearned = BoundaryExpand(lr=1e-2).unlearn(task)

    logits = unlearned.logits(task.forget.inputs)
    assert logits.shape == (len(task.forget), 3)
    assert (logits.argmax(axis=1) == task.forget.labels).mean() < 0.5
    assert unlearned.parameters()["head.weight"].shape == (3, 54)


def test_expanding_ignores_the_labels_of_the_forget_set() -> None:
    task = torch_task("convolutional", "class")
    other = Examples(inputs=task.forget.inputs, labels=np.zeros(len(task.forget)))

    first, second = (BoundaryExpand(lr=1e-2).unlearn(each).parameters()
                     for each in (task, attrs.evolve(task, forget=other)))

    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_no_epochs_of_expanding_change_nothing() -> None:
    task = torch_task("convolutional", "class")

    unlearned = BoundaryExpand(epochs=0).unlearn(task).parameters()

    assert all(np.array_equal(array, unlearned[name]) for name, array in task.original.parameters().items())


def test_expanding_a_network_without_a_linear_layer_is_an_error() -> None:
    from torch import nn

    task = torch_task("convolutional", "class")
    headless = task.original.with_native(nn.Sequential(nn.Conv2d(1, 3, 6), nn.Flatten()))

    with pytest.raises(ValueError, match="no linear layer"):
        BoundaryExpand().unlearn(attrs.evolve(task, original=headless))
