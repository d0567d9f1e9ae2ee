"""The six sets of AMUN's ablation."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from harness import Examples, UnlearnTask
from reference_methods.unlearners.ablation import AdversarialAblation
from reference_methods.unlearners.amun import Amun
from tests.reference_methods.unlearners.numpy_model import NumpyModel

SETS = ["adv", "adv-rs", "adv-rl", "orig-rl", "orig-advl", "orig"]


@pytest.fixture
def wide_task(forget_only_task: UnlearnTask) -> UnlearnTask:
    """The forget-only task with a fourth class that nobody belongs to, so that a random label has a choice."""
    arrays = forget_only_task.original.parameters()
    arrays["head.weight"] = np.concatenate([arrays["head.weight"], np.zeros((1, 16), dtype=np.float32)])
    arrays["head.bias"] = np.append(arrays["head.bias"], np.float32(-9))
    return attrs.evolve(forget_only_task, original=NumpyModel(arrays), num_classes=4)


@pytest.mark.parametrize("name", SETS)
def test_inputs_are_those_of_the_set(name: str, wide_task: UnlearnTask) -> None:
    method = AdversarialAblation(set=name)
    adversarial = method.adversarial_set(wide_task)

    inputs, _ = method.replacement(wide_task, adversarial)

    clean = wide_task.forget.inputs[adversarial.found]
    if name == "adv-rs":
        distance = np.linalg.norm(inputs - clean, axis=1)
        assert distance == pytest.approx(adversarial.distance[adversarial.found], rel=1e-4, abs=1e-6)
        assert not np.allclose(inputs, adversarial.inputs[adversarial.found])
    else:
        assert np.array_equal(inputs, clean if name.startswith("orig") else adversarial.inputs[adversarial.found])


@pytest.mark.parametrize("name", SETS)
def test_labels_are_those_of_the_set(name: str, wide_task: UnlearnTask) -> None:
    method = AdversarialAblation(set=name)
    adversarial = method.adversarial_set(wide_task)

    _, labels = method.replacement(wide_task, adversarial)

    true, wrong = wide_task.forget.labels[adversarial.found], adversarial.labels[adversarial.found]
    if name.endswith("-rl"):
        assert not ((labels == true) | (labels == wrong)).any()
        assert len(np.unique(labels)) > 1
    else:
        assert np.array_equal(labels, true if name == "orig" else wrong)


@pytest.mark.parametrize(("with_forget", "with_retain", "size"), [
    (True, True, 132), (True, False, 24), (False, False, 12), (False, True, 120)])
def test_the_set_is_used_alone_with_the_forget_set_or_with_everything(
        with_forget: bool, with_retain: bool, size: int, sample_task: UnlearnTask) -> None:
    method = AdversarialAblation(set="adv", with_forget=with_forget, with_retain=with_retain)

    assert len(method.training(sample_task).data) == size


def test_the_adversarial_set_itself_gives_the_training_set_of_amun(sample_task: UnlearnTask) -> None:
    ablation, amun = AdversarialAblation().training(sample_task).data, Amun().training(sample_task).data

    assert np.array_equal(ablation.inputs, amun.inputs)
    assert np.array_equal(ablation.targets, amun.targets)
    assert np.array_equal(ablation.augment, amun.augment)


def test_alone_only_the_adversarial_set_keeps_test_accuracy(
        forget_only_task: UnlearnTask, unseen: Examples) -> None:
    def accuracy(name: str) -> float:
        method = AdversarialAblation(set=name, with_forget=False, lr=0.1, lr_step=None, epochs=60)
        logits = method.unlearn(forget_only_task).model.logits(unseen.inputs)
        return float((logits.argmax(axis=1) == unseen.labels).mean())

    assert accuracy("adv") > 0.9
    assert accuracy("adv-rs") < 0.3
    assert accuracy("orig-advl") < 0.3


def test_random_labels_need_a_third_class(sample_task: UnlearnTask) -> None:
    task = attrs.evolve(sample_task, num_classes=2, forget=sample_task.forget.take(
        np.flatnonzero(sample_task.forget.labels < 2)))
    method = AdversarialAblation(set="orig-rl")
    adversarial = Amun().adversarial_set(task)
    two = attrs.evolve(adversarial, labels=1 - task.forget.labels)

    with pytest.raises(ValueError, match="no label is left to draw"):
        method.replacement(task, two)
