"""The controls."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from harness import Examples, UnlearnTask
from reference_methods.unlearners.controls import Original, Perturb, Retrain
from tests.reference_methods.unlearners.numpy_model import NumpyModel


def accuracy(model: NumpyModel, examples: Examples) -> float:
    return float((model.logits(examples.inputs).argmax(axis=1) == examples.labels).mean())


def test_original_is_returned_as_it_is(sample_task: UnlearnTask) -> None:
    assert Original().unlearn(sample_task) is sample_task.original


def test_retrain_starts_from_fresh_parameters(sample_task: UnlearnTask) -> None:
    fit = Retrain().training(sample_task)

    original, start = sample_task.original.parameters(), fit.start.parameters()
    fresh = NumpyModel.build(sample_task.seed).parameters()
    assert all(np.array_equal(start[name], fresh[name]) for name in fresh)
    # Biases of the head start at zero, so those of the trained original differ from them, too.
    assert not any(np.any(start[name] == original[name]) for name in original)


def test_retrain_sees_no_forget_sample(sample_task: UnlearnTask) -> None:
    seen = {tuple(row) for row in Retrain().training(sample_task).data.inputs}

    assert seen.isdisjoint(tuple(row) for row in sample_task.forget.inputs)
    assert len(seen) == len(sample_task.retain)


def test_retrain_follows_the_recipe(sample_task: UnlearnTask) -> None:
    assert Retrain().training(sample_task).options is sample_task.recipe


def test_retrain_refuses_to_run_without_the_retain_set(forget_only_task: UnlearnTask) -> None:
    with pytest.raises(ValueError, match="gives no retain set"):
        Retrain().unlearn(forget_only_task)


def test_perturb_loses_utility(sample_task: UnlearnTask, unseen: Examples) -> None:
    before = accuracy(sample_task.original, unseen)
    after = [accuracy(Perturb().unlearn(attrs.evolve(sample_task, seed=seed)), unseen) for seed in range(5)]

    assert before > 0.95
    assert np.mean(after) < before - 0.1


def test_perturb_adds_noise_in_units_of_each_arrays_spread(sample_task: UnlearnTask) -> None:
    wide = NumpyModel.build(0, size=400, hidden=300)
    noisy = Perturb(scale=0.5).unlearn(attrs.evolve(sample_task, original=wide)).parameters()

    before = wide.parameters()
    added = noisy["hidden.weight"] - before["hidden.weight"]
    # 120 000 draws: their standard deviation is exact to about 0.2 %.
    assert added.std() == pytest.approx(0.5 * before["hidden.weight"].std(), rel=0.02)
    assert np.array_equal(noisy["hidden.bias"], before["hidden.bias"])


def test_perturb_wants_parameters(sample_task: UnlearnTask) -> None:
    class Served:
        def logits(self, inputs: np.ndarray) -> np.ndarray:
            return inputs

    with pytest.raises(TypeError, match="Served lacks the capability 'parameters'"):
        Perturb().unlearn(attrs.evolve(sample_task, original=Served()))
