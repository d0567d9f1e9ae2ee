"""Saliency masks."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from harness import TrainingSet, UnlearnTask
from reference_methods.unlearners.masks import saliency_mask
from tests.reference_methods.unlearners.numpy_model import NumpyModel


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 1.0])
def test_exactly_the_given_share_of_all_weights_may_move(ratio: float, sample_task: UnlearnTask) -> None:
    mask = saliency_mask(sample_task, ratio)

    total = sum(entries.size for entries in mask.values())
    assert sum(entries.sum() for entries in mask.values()) == round(ratio * total)


def test_the_quantile_is_one_for_all_weights_together(sample_task: UnlearnTask) -> None:
    forget = sample_task.forget
    gradients = sample_task.original.loss_gradients(TrainingSet(inputs=forget.inputs, targets=forget.labels))

    mask = saliency_mask(sample_task, 0.3)

    chosen = np.concatenate([np.abs(gradients[name][mask[name]]) for name in mask])
    left = np.concatenate([np.abs(gradients[name][~mask[name]]) for name in mask])
    assert chosen.min() >= left.max()


def test_equal_gradients_are_not_all_chosen(sample_task: UnlearnTask) -> None:
    arrays = NumpyModel.build(0).parameters() | {"head.weight": np.zeros((3, 16), dtype=np.float32)}
    dead = attrs.evolve(sample_task, original=NumpyModel(arrays))

    mask = saliency_mask(dead, 0.9)

    # A head of zeros passes no gradient to the hidden layer, so most magnitudes are 0 and a threshold would tie.
    total = sum(entries.size for entries in mask.values())
    assert sum(entries.sum() for entries in mask.values()) == round(0.9 * total)
