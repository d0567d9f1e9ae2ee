"""What a provider may do besides unlearning."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from harness import Examples, UnlearnTask
from reference_methods.unlearners.afterwards import FineTuneAll, RandomPrune, Relearn
from tests.reference_methods.unlearners.numpy_model import NumpyModel


def loss(model: NumpyModel, examples: Examples) -> float:
    logits = model.logits(examples.inputs).astype(np.float64)
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(examples)), examples.labels]))


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_pruning_zeroes_its_share_of_every_matrix_and_no_vector(sample_task: UnlearnTask, share: float) -> None:
    before = sample_task.original.parameters()
    after = RandomPrune(share=share).unlearn(sample_task).parameters()

    for name, array in before.items():
        if array.ndim >= 2:
            assert np.count_nonzero(array != after[name]) == round(share * array.size)
            assert not after[name][array != after[name]].any()
        else:
            assert np.array_equal(array, after[name])


def test_pruning_is_decided_by_the_seed(sample_task: UnlearnTask) -> None:
    name = next(name for name, array in sample_task.original.parameters().items() if array.ndim >= 2)
    first, again, other = (RandomPrune().unlearn(attrs.evolve(sample_task, seed=seed)).parameters()[name]
                           for seed in (1, 1, 2))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_fine_tuning_goes_on_with_the_recipe_on_every_sample(sample_task: UnlearnTask) -> None:
    fit = FineTuneAll(epochs=3).training(sample_task)

    assert len(fit.data) == len(sample_task.forget) + len(sample_task.retain)
    assert fit.options == attrs.evolve(sample_task.recipe, epochs=3)
    assert fit.start is None


def test_relearning_without_further_epochs_is_retraining(sample_task: UnlearnTask) -> None:
    retrained = Relearn(epochs=0).unlearn(sample_task)
    relearnt = Relearn(epochs=40).unlearn(sample_task)

    assert loss(relearnt, sample_task.forget) < loss(retrained, sample_task.forget)
