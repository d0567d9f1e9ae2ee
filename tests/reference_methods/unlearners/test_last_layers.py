"""Unlearning in the last layers, and which layers those are."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from harness import UnlearnTask
from reference_methods.unlearners.last_layers import CatastrophicForgetting, ExactUnlearning
from reference_methods.unlearners.masks import last_layers
from tests.reference_methods.unlearners.numpy_model import NumpyModel
from tests.reference_methods.unlearners.torch_tasks import normalised


@pytest.mark.parametrize(("count", "layers"), [
    (1, ("head",)), (2, ("conv2", "bn2", "head")), (3, ("conv1", "bn1", "conv2", "bn2", "head"))])
def test_batch_norm_among_the_last_layers_is_listed_but_not_counted(count: int, layers: tuple[str, ...]) -> None:
    assert last_layers(normalised(0).parameters(), count) == layers


def test_more_layers_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match="the last 4 layers were asked for, but the model has 3"):
        last_layers(normalised(0).parameters(), 4)


def test_arrays_without_a_dot_in_their_names_are_layers_of_their_own() -> None:
    assert last_layers({"coef": np.zeros((3, 2)), "intercept": np.zeros(3)}, 1) == ("coef", "intercept")


def test_catastrophic_forgetting_moves_the_last_layers_only(sample_task: UnlearnTask) -> None:
    before = sample_task.original.parameters()

    after = CatastrophicForgetting(epochs=2).unlearn(sample_task).parameters()

    assert np.array_equal(before["hidden.weight"], after["hidden.weight"])
    assert not np.array_equal(before["head.weight"], after["head.weight"])


def test_catastrophic_forgetting_anneals_the_rate_in_a_cosine(sample_task: UnlearnTask) -> None:
    options = CatastrophicForgetting().training(sample_task).options

    assert (options.schedule, options.epochs, options.lr, options.batch_size) == ("cosine", 62, 0.1, 64)


def test_exact_unlearning_starts_the_last_layers_afresh_and_keeps_the_others(sample_task: UnlearnTask) -> None:
    start = ExactUnlearning().training(sample_task).start.parameters()

    original, fresh = sample_task.original.parameters(), NumpyModel.build(sample_task.seed).parameters()
    assert np.array_equal(start["head.weight"], fresh["head.weight"])
    assert np.array_equal(start["head.bias"], fresh["head.bias"])
    assert np.array_equal(start["hidden.weight"], original["hidden.weight"])


def test_exact_unlearning_follows_the_recipe_but_for_what_is_trained(sample_task: UnlearnTask) -> None:
    options = ExactUnlearning().training(sample_task).options

    assert options == attrs.evolve(sample_task.recipe, trainable=("head",))


def test_exact_unlearning_of_every_layer_is_retraining(sample_task: UnlearnTask) -> None:
    start = ExactUnlearning(k=2).training(sample_task).start.parameters()

    fresh = NumpyModel.build(sample_task.seed).parameters()
    assert all(np.array_equal(start[name], fresh[name]) for name in fresh)
