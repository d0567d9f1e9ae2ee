"""AMUN."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from harness import UnlearnTask
from reference_methods.unlearners.amun import Amun, AmunAdaptive
from reference_methods.unlearners.tasks import full_training_set
from tests.reference_methods.unlearners.numpy_model import NumpyModel


def rows(array: np.ndarray) -> set[tuple[float, ...]]:
    return {tuple(row) for row in array}


@pytest.mark.parametrize(("adv_only", "with_retain", "parts"), [
    (False, True, 12 + 12 + 108), (False, False, 12 + 12), (True, True, 12 + 108), (True, False, 12)])
def test_the_union_is_that_of_the_paper(adv_only: bool, with_retain: bool, parts: int,
                                        sample_task: UnlearnTask) -> None:
    task = sample_task if with_retain else attrs.evolve(sample_task, retain=None)

    data = Amun(adv_only=adv_only).training(task).data

    assert len(data) == parts
    correct = task.original.logits(task.forget.inputs).argmax(axis=1) == task.forget.labels
    assert rows(task.forget.inputs[correct]).isdisjoint(rows(data.inputs)) == adv_only


def test_forget_samples_keep_their_true_labels_and_examples_have_the_wrong_ones(forget_only_task: UnlearnTask) -> None:
    data = Amun().training(forget_only_task).data

    adversarial, true = data.targets[:12], data.targets[12:]
    assert np.array_equal(data.inputs[12:], forget_only_task.forget.inputs)
    assert np.array_equal(true, forget_only_task.forget.labels)
    assert (adversarial != true).all()


def test_adversarial_examples_are_not_augmented_and_everything_else_is(sample_task: UnlearnTask) -> None:
    data = Amun().training(sample_task).data

    assert not data.augment[:12].any()
    assert data.augment[12:].all()


def test_facts_tell_how_the_attack_went(sample_task: UnlearnTask) -> None:
    facts = Amun().unlearn(sample_task).facts

    assert facts["attack failure rate"] == 0
    assert 0 < facts["median delta"] < 0.5
    assert facts["gradient evaluations"] > 12
    assert set(facts) == {"attack failure rate", "median delta", "gradient evaluations", "already misclassified share"}


def test_failed_samples_are_left_out_of_the_adversarial_set(sample_task: UnlearnTask) -> None:
    flat = NumpyModel.build(0).parameters() | {"head.weight": np.zeros((3, 16), dtype=np.float32)}
    task = attrs.evolve(sample_task, original=NumpyModel.build(0).with_parameters(flat))
    predicted = task.original.logits(task.forget.inputs).argmax(axis=1)

    adversarial = Amun().adversarial_set(task)

    # Without gradients only what was wrong from the start is in D_A.
    assert np.array_equal(adversarial.found, predicted != task.forget.labels)
    assert len(Amun(adv_only=True).training(attrs.evolve(task, retain=None)).data) == adversarial.found.sum()


def test_adversarial_examples_alone_without_any_found_is_an_error(forget_only_task: UnlearnTask) -> None:
    flat = NumpyModel.build(0).parameters() | {"head.weight": np.zeros((3, 16), dtype=np.float32)}
    zeros = forget_only_task.forget.take(np.flatnonzero(forget_only_task.forget.labels == 0))
    task = attrs.evolve(forget_only_task, forget=zeros, original=NumpyModel.build(0).with_parameters(flat))

    with pytest.raises(ValueError, match="there is nothing to train on"):
        Amun(adv_only=True).unlearn(task)


def test_confidence_on_the_forget_set_falls(forget_only_task: UnlearnTask) -> None:
    forget = forget_only_task.forget

    def margin(model: NumpyModel) -> float:
        logits = np.sort(model.logits(forget.inputs), axis=1)
        return float((logits[:, -1] - logits[:, -2]).mean())

    unlearned = Amun(lr=0.05, lr_step=5).unlearn(forget_only_task).model

    assert margin(unlearned) < margin(forget_only_task.original)


def test_transferred_examples_are_made_on_another_original(sample_task: UnlearnTask) -> None:
    own = Amun().adversarial_set(sample_task)
    transferred = Amun(surrogate_seed=5).unlearn(sample_task)
    other = Amun(surrogate_seed=5).adversarial_set(sample_task)

    assert not np.array_equal(own.inputs, other.inputs)
    assert 0 <= transferred.facts["attack transfer rate"] <= 1


def test_a_surrogate_trained_like_the_original_is_the_original(sample_task: UnlearnTask) -> None:
    task = attrs.evolve(sample_task, seed=0)

    adversarial = Amun(surrogate_seed=0).adversarial_set(task)

    # Built and trained from the seeds of the original, on D in its own order.
    assert np.array_equal(adversarial.inputs, Amun().adversarial_set(task).inputs)


def test_transfer_needs_the_retain_set(forget_only_task: UnlearnTask) -> None:
    with pytest.raises(ValueError, match="gives no retain set"):
        Amun(surrogate_seed=1).unlearn(forget_only_task)


@pytest.mark.parametrize("attack", ["fgsm", "ffgsm"])
def test_weaker_attacks_need_fewer_gradients(attack: str, sample_task: UnlearnTask) -> None:
    strong, weak = Amun().unlearn(sample_task).facts, Amun(attack=attack).unlearn(sample_task).facts

    assert weak["gradient evaluations"] < strong["gradient evaluations"] / 10


def test_the_published_warm_start_gives_other_examples(sample_task: UnlearnTask) -> None:
    ours, published = (Amun(eps=0.01, attack_steps=5, as_published=flag).adversarial_set(sample_task)
                       for flag in (False, True))

    assert not np.array_equal(ours.inputs, published.inputs)
    # Continuing where the last ball ended saves the way there.
    assert published.gradient_evaluations < ours.gradient_evaluations


def test_a_model_without_input_gradients_is_refused(sample_task: UnlearnTask) -> None:
    class Served:
        def logits(self, inputs: np.ndarray) -> np.ndarray:
            return inputs

    with pytest.raises(TypeError, match="Served lacks the capability 'input-gradients'"):
        Amun().unlearn(attrs.evolve(sample_task, original=Served()))


def test_an_unknown_attack_is_refused() -> None:
    with pytest.raises(ValueError, match="'attack' must be in"):
        Amun(attack="deepfool")


def test_in_a_sequence_only_the_adaptive_form_attacks_what_the_last_request_left(sample_task: UnlearnTask) -> None:
    initial = Amun(epochs=2, lr=0.1).unlearn(sample_task).model
    later = attrs.evolve(sample_task, initial=initial)
    before = attrs.evolve(sample_task, original=initial)

    np.testing.assert_array_equal(Amun().adversarial_set(later).inputs, Amun().adversarial_set(before).inputs)
    np.testing.assert_array_equal(AmunAdaptive().adversarial_set(later).inputs,
                                  Amun().adversarial_set(sample_task).inputs)
    assert not np.array_equal(Amun().adversarial_set(later).inputs, AmunAdaptive().adversarial_set(later).inputs)


def test_examples_forgotten_before_have_no_place_in_what_a_surrogate_learns(sample_task: UnlearnTask) -> None:
    whole = full_training_set(sample_task)
    earlier = np.array([0, 40, 119])
    earlier = earlier[~np.isin(earlier, sample_task.request.forget)]
    request = attrs.evolve(sample_task.request, earlier=earlier)
    later = attrs.evolve(sample_task, request=request, retain=whole.take(np.flatnonzero(request.retain_mask(120))))

    left = np.setdiff1d(np.arange(120), earlier)
    np.testing.assert_array_equal(full_training_set(later).inputs, whole.inputs[left])
