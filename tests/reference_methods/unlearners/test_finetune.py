"""Fine-tuning and gradient ascent, and the hyper-parameters they share."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from harness import Examples, FitOptions, UnlearnTask
from reference_methods.unlearners.finetune import FineTune, GradientAscent, NegGradPlus
from tests.reference_methods.unlearners.numpy_model import NumpyModel, softmax


def losses(model: NumpyModel, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return -np.log(softmax(model.logits(inputs))[np.arange(len(labels)), labels])


def cross_entropy(model: NumpyModel, examples: Examples) -> float:
    return float(losses(model, examples.inputs, examples.labels).mean())


def test_fine_tuning_trains_on_the_retain_set_alone(sample_task: UnlearnTask) -> None:
    data = FineTune().training(sample_task).data

    assert np.array_equal(data.inputs, sample_task.retain.inputs)
    assert np.array_equal(data.targets, sample_task.retain.labels)
    assert data.weights is None


def test_fine_tuning_lowers_the_loss_on_the_retain_set(sample_task: UnlearnTask) -> None:
    before = cross_entropy(sample_task.original, sample_task.retain)
    after = cross_entropy(FineTune(lr=0.1, weight_decay=0.0).unlearn(sample_task), sample_task.retain)

    assert after < before


def test_gradient_ascent_raises_the_loss_on_the_forget_set(sample_task: UnlearnTask) -> None:
    before = cross_entropy(sample_task.original, sample_task.forget)
    after = cross_entropy(GradientAscent(lr=1e-2).unlearn(sample_task), sample_task.forget)

    assert after > before


def test_gradient_ascent_negates_the_loss_of_the_forget_set_only(sample_task: UnlearnTask) -> None:
    data = GradientAscent(with_retain=True).training(sample_task).data

    forgotten = len(sample_task.forget)
    assert (data.weights[:forgotten] == -1).all()
    assert (data.weights[forgotten:] == 1).all()


def test_gradient_ascent_needs_no_retain_set(forget_only_task: UnlearnTask) -> None:
    data = GradientAscent(with_retain=True).training(forget_only_task).data

    assert len(data) == len(forget_only_task.forget)


def test_batch_size_weight_decay_and_augmentation_are_those_of_the_recipe(sample_task: UnlearnTask) -> None:
    task = attrs.evolve(sample_task, recipe=FitOptions(epochs=1, batch_size=17, weight_decay=0.03,
                                                       augmentation=("flip",)))

    options = FineTune().training(task).options

    assert (options.batch_size, options.weight_decay, options.augmentation) == (17, 0.03, ("flip",))
    assert FineTune(batch_size=5, weight_decay=0.0).training(task).options.batch_size == 5
    assert FineTune(batch_size=5, weight_decay=0.0).training(task).options.weight_decay == 0


def test_the_rate_is_divided_by_ten_after_every_lr_step_epochs(sample_task: UnlearnTask) -> None:
    options = FineTune(lr_step=3).training(sample_task).options

    assert (options.schedule, options.step_size, options.gamma) == ("step", 3, 0.1)


def test_a_step_that_would_never_come_is_refused() -> None:
    with pytest.raises(ValueError, match="lr_step 10 never takes effect in 10 epochs"):
        FineTune(epochs=10, lr_step=10)


@pytest.mark.parametrize("wrong", [{"lr": -0.1}, {"epochs": -1}, {"batch_size": 0}, {"weight_decay": -1.0}])
def test_impossible_hyper_parameters_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FineTune(**wrong)


def test_neggrad_plus_weighs_the_mean_losses_of_both_sets(sample_task: UnlearnTask) -> None:
    task, alpha = sample_task, 0.7
    data = NegGradPlus(alpha=alpha).training(task).data

    loss = float(np.mean(data.weights * losses(task.original, data.inputs, data.targets)))

    on_retain, on_forget = (cross_entropy(task.original, part) for part in (task.retain, task.forget))
    expected = alpha * on_retain - (1 - alpha) * on_forget
    # D_F is 12 samples repeated 9 times to the 108 of D_R, so both means are exact up to 32 bits.
    assert loss == pytest.approx(expected, rel=1e-4)


def test_neggrad_plus_repeats_the_forget_set_to_the_length_of_the_retain_set(sample_task: UnlearnTask) -> None:
    fit = NegGradPlus().training(sample_task)

    assert len(fit.data) == 2 * len(sample_task.retain)
    assert (fit.data.weights < 0).sum() == len(sample_task.retain)
    assert fit.options.batch_size == 2 * sample_task.recipe.batch_size


@pytest.mark.parametrize("alpha", [-0.1, 1.1])
def test_neggrad_plus_refuses_an_alpha_outside_the_unit_interval(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        NegGradPlus(alpha=alpha)
