"""Every reference unlearner against the bugs of public code, and every check against a method that has its bug."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from harness import UnlearnTask
from reference_methods.unlearners.saliency import SalUn
from tests.reference_methods.unlearners import broken
from tests.reference_methods.unlearners.checks import (
    check_adversarial_set_is_aligned,
    check_divergence_is_per_example,
    check_forget_set_matters,
    check_labels_are_drawn_as_declared,
    check_layers_run_in_the_declared_mode,
    check_masked_weights_stay,
    check_never_a_silent_no_op,
    check_nothing_but_the_task_is_read,
    check_outputs_keep_their_number,
    check_random_state_is_untouched,
    check_rates_follow_the_schedule,
    check_retain_set_matters,
    check_returned_model_is_what_was_made,
    check_search_ends_without_gradients,
    check_settings_are_strict,
    check_student_is_not_teacher,
)
from tests.reference_methods.unlearners.methods import (
    METHODS,
    USES_FORGET_SET,
    USES_RETAIN_SET,
    task_for,
    those,
)
from tests.reference_methods.unlearners.torch_tasks import on_device, torch_task

CHANGING = those(lambda method: method.name != "original")
ALL = those(lambda method: True)


@pytest.mark.parametrize("method", CHANGING)
def test_the_student_is_not_the_teacher(method: Any) -> None:
    check_student_is_not_teacher(method, task_for(method))


@pytest.mark.parametrize("method", those(lambda method: hasattr(method, "mask_ratio")))
def test_masked_weights_stay(method: Any) -> None:
    check_masked_weights_stay(method, task_for(method))


@pytest.mark.parametrize("method", those(lambda method: hasattr(method, "adversarial_set")))
def test_the_adversarial_set_is_aligned(method: Any) -> None:
    check_adversarial_set_is_aligned(method, task_for(method))


@pytest.mark.parametrize("method", those(
    lambda method: method.name == "boundary-shrink" or hasattr(method, "adversarial_set")))
def test_a_search_ends_without_gradients(method: Any, sample_task: UnlearnTask) -> None:
    check_search_ends_without_gradients(method, sample_task)


@pytest.mark.parametrize("method", those(lambda method: method.name in USES_FORGET_SET))
def test_the_forget_set_matters(method: Any) -> None:
    check_forget_set_matters(method, task_for(method))


@pytest.mark.parametrize("method", those(lambda method: method.name in USES_RETAIN_SET))
def test_the_retain_set_matters(method: Any) -> None:
    check_retain_set_matters(method, task_for(method))


@pytest.mark.parametrize("method", ALL)
def test_the_returned_model_is_what_was_made(method: Any) -> None:
    check_returned_model_is_what_was_made(method, task_for(method, "normalised"))


@pytest.mark.parametrize("method", ALL)
def test_rates_follow_the_schedule(method: Any) -> None:
    check_rates_follow_the_schedule(method, task_for(method, "normalised"))


@pytest.mark.parametrize("method", those(lambda method: hasattr(method, "lr_step")))
def test_a_stepped_rate_falls(method: Any) -> None:
    check_rates_follow_the_schedule(attrs.evolve(method, epochs=2, lr_step=1), task_for(method, "normalised"))


@pytest.mark.parametrize("method", ALL)
def test_outputs_keep_their_number(method: Any) -> None:
    check_outputs_keep_their_number(method, task_for(method))


@pytest.mark.parametrize("method", those(lambda method: method.name in {"delete", "bad-teacher"}))
def test_a_divergence_is_per_example(method: Any) -> None:
    check_divergence_is_per_example(method, task_for(method))


@pytest.mark.parametrize("method", ALL)
def test_layers_run_in_the_declared_mode(method: Any) -> None:
    check_layers_run_in_the_declared_mode(method, task_for(method, "normalised"))


@pytest.mark.parametrize("method", ALL)
def test_nothing_but_the_task_is_read(method: Any) -> None:
    check_nothing_but_the_task_is_read(method, task_for(method))


@pytest.mark.parametrize("method", ALL)
def test_settings_are_strict(method: Any) -> None:
    check_settings_are_strict(method, task_for(method))


@pytest.mark.parametrize("method", those(lambda method: hasattr(method, "exclude_true")))
def test_labels_are_drawn_as_declared(method: Any) -> None:
    check_labels_are_drawn_as_declared(method, task_for(method))


@pytest.mark.parametrize("method", CHANGING)
def test_no_method_is_a_silent_no_op(method: Any) -> None:
    check_never_a_silent_no_op(method, task_for(method, "perceptron"))


@pytest.mark.parametrize("method", ALL)
def test_the_seed_decides_and_the_global_state_is_untouched(method: Any) -> None:
    check_random_state_is_untouched(method, task_for(method))


@pytest.mark.parametrize("method", those(lambda method: "forget-only" in method.access))
def test_methods_for_forget_only_need_no_retain_set(method: Any) -> None:
    task = attrs.evolve(task_for(method), retain=None)

    check_outputs_keep_their_number(method, task)


@pytest.mark.parametrize("method", those(lambda method: "class" in method.scopes))
def test_methods_for_classes_run_on_a_class(method: Any) -> None:
    check_outputs_keep_their_number(method, torch_task("convolutional", "class"))


@pytest.mark.gpu
@pytest.mark.parametrize("method", ALL)
def test_methods_run_where_the_original_computes(method: Any) -> None:
    check_outputs_keep_their_number(method, on_device(task_for(method, "normalised"), "cuda"))


def test_names_and_aliases_are_unique() -> None:
    names = [name for method in METHODS for name in (method.name, *getattr(method, "aliases", ()))]

    assert len(names) == len(set(names))
    assert all(name == name.lower() for name in names)


Check = Callable[[Any, UnlearnTask], None]

BROKEN: list[tuple[Check, Any, str, str]] = [
    (check_student_is_not_teacher, broken.TeacherIsStudent(), "convolutional", "the original has changed"),
    (check_student_is_not_teacher, broken.OptimizerOnTeacher(), "convolutional", "the unlearned model is the original"),
    (check_masked_weights_stay, SalUn(legacy_leak=True), "convolutional", "masked weights of .* have moved"),
    (check_adversarial_set_is_aligned, broken.ShuffledAttack(), "convolutional", "farther from its sample"),
    (check_search_ends_without_gradients, broken.EndlessAttack(), "convolutional", "goes on without gradients"),
    (check_search_ends_without_gradients, broken.SilentFailures(), "convolutional", "does not tell"),
    (check_forget_set_matters, broken.ClampedForgetLoss(), "convolutional", "forget set does not matter"),
    (check_retain_set_matters, broken.ClampedRetainLoss(), "convolutional", "retain set does not matter"),
    (check_returned_model_is_what_was_made, broken.WrongModelEvaluated(), "convolutional", "logits are not of"),
    (check_returned_model_is_what_was_made, broken.LeftInTrainingMode(), "normalised", "evaluating|logits are not of"),
    (check_rates_follow_the_schedule, broken.MilestoneNeverReached(), "normalised", "never takes effect"),
    (check_rates_follow_the_schedule, broken.RISING_PENALTY, "normalised", "the penalty does not decay"),
    (check_outputs_keep_their_number, broken.NeverPruned(), "convolutional", "the number of outputs has changed"),
    (check_divergence_is_per_example, broken.DIVIDED_BY_CLASSES, "convolutional", "0.333 of the divergence"),
    (check_layers_run_in_the_declared_mode, broken.SilentEvaluationMode(), "normalised", "statistics stayed"),
    (check_settings_are_strict, broken.TypeBool(), "convolutional", "mix='False' is accepted"),
    (check_labels_are_drawn_as_declared, broken.LabelsFromAllClasses(), "convolutional", "exclude_true=True is not"),
    (check_never_a_silent_no_op, broken.ConvolutionsOnly(), "perceptron", "nothing was said"),
    (check_random_state_is_untouched, broken.GlobalDice(), "convolutional", "global generator was used"),
]


@pytest.mark.parametrize(("check", "method", "network", "complaint"), [
    pytest.param(*case, id=f"{case[0].__name__}-{type(case[1]).__name__}") for case in BROKEN])
def test_a_method_with_the_bug_fails_its_check(check: Check, method: Any, network: str, complaint: str) -> None:
    # A task of its own: some of these methods change the original.
    task = attrs.evolve(torch_task(network, "sample"))
    original = task.original.with_parameters(task.original.parameters())

    with pytest.raises(AssertionError, match=complaint):
        check(method, attrs.evolve(task, original=original))


def test_choosing_a_checkpoint_on_a_test_set_fails_its_check(tmp_path: Path) -> None:
    task = torch_task("convolutional", "sample")
    np.save(tmp_path / "test.npy", task.forget.inputs)

    with pytest.raises(AssertionError, match="was opened while unlearning"):
        check_nothing_but_the_task_is_read(broken.BestOnTest(test_set=tmp_path / "test.npy"), task)
