"""SCRUB and Bad Teacher."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch

from harness import Examples, UnlearnTask
from reference_methods.unlearners.distillation import BadTeacher, Scrub, ScrubRewind
from reference_methods.unlearners.native.training import temperature_kl
from tests.reference_methods.unlearners.numpy_model import softmax
from tests.reference_methods.unlearners.torch_tasks import torch_task


def divergence(teacher: np.ndarray, student: np.ndarray, temperature: float) -> float:
    wanted, said = softmax(teacher / temperature), softmax(student / temperature)
    return float(temperature**2 * np.mean(np.sum(wanted * np.log(wanted / said), axis=1)))


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_the_divergence_is_summed_over_classes_and_averaged_over_examples(temperature: float) -> None:
    random = np.random.default_rng(0)
    teacher, student = random.normal(0, 2, (5, 7)), random.normal(0, 2, (5, 7))

    value = temperature_kl(torch.tensor(teacher), torch.tensor(student), temperature)

    assert float(value) == pytest.approx(divergence(teacher, student, temperature))


def test_a_student_that_is_its_teacher_has_no_divergence() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0]])

    assert float(temperature_kl(logits, logits, 4.0)) == pytest.approx(0, abs=1e-6)


def test_scrub_moves_away_from_its_teacher_on_the_forget_set_in_the_first_epochs() -> None:
    task = torch_task("convolutional", "sample")
    method = Scrub(lr=5e-3, weight_decay=0.0, max_steps=3)

    def distance(model: object) -> float:
        inputs = task.forget.inputs
        return divergence(task.original.logits(inputs), model.logits(inputs), 1.0)

    ascending, descending = method.unlearn(task), attrs.evolve(method, max_steps=0).unlearn(task)
    assert distance(ascending) > distance(descending)


def test_scrub_keeps_the_retain_loss_low() -> None:
    task = torch_task("convolutional", "sample")

    unlearned = Scrub().unlearn(task)

    assert (unlearned.logits(task.retain.inputs).argmax(axis=1) == task.retain.labels).mean() > 0.9


def test_scrub_does_not_use_the_labels_of_the_forget_set() -> None:
    task = torch_task("convolutional", "sample")
    other = Examples(inputs=task.forget.inputs, labels=np.zeros(len(task.forget)))

    first, second = (Scrub().unlearn(each).parameters() for each in (task, attrs.evolve(task, forget=other)))

    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_scrub_gives_a_student_for_each_epoch_and_each_is_its_own() -> None:
    students = Scrub(epochs=3).students(torch_task("convolutional", "sample"))

    weights = [student.parameters()["head.weight"] for student in students]
    assert len(students) == 3
    assert not np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[1], weights[2])


def test_a_decay_that_never_comes_is_refused() -> None:
    with pytest.raises(ValueError, match="a decay outside never takes effect"):
        Scrub(epochs=5, decay_epochs=(3, 9))


def test_rewinding_chooses_the_student_with_the_nearest_forget_error() -> None:
    task = torch_task("convolutional", "class")
    method = ScrubRewind(lr=2e-2, epochs=4, max_steps=4)
    errors = [np.mean(student.logits(task.forget.inputs).argmax(axis=1) != 1) for student in method.students(task)]

    for reference in (0.0, 1.0):
        result = attrs.evolve(method, reference_error=reference).unlearn(task)

        gaps = np.abs(np.array(errors) - reference)
        assert abs(result.facts["forget error"] - reference) == gaps.min()
        assert result.facts["rewound to epoch"] == np.argmin(gaps) + 1


def test_rewinding_a_class_aims_at_an_error_of_one_when_not_told() -> None:
    task = torch_task("convolutional", "class")

    told, untold = (ScrubRewind(reference_error=reference).unlearn(task).facts for reference in (1.0, None))

    assert told == untold


def test_rewinding_samples_needs_the_reference_error() -> None:
    with pytest.raises(ValueError, match="needs reference_error"):
        ScrubRewind().unlearn(torch_task("convolutional", "sample"))


def test_the_bad_teacher_is_fresh_on_the_forget_set_and_good_on_the_rest(sample_task: UnlearnTask) -> None:
    data = BadTeacher().training(sample_task).data

    forgotten = len(sample_task.forget)
    good = softmax(sample_task.original.logits(data.inputs))
    assert not np.allclose(data.targets[:forgotten], good[:forgotten], atol=0.05)
    assert data.targets[forgotten:] == pytest.approx(good[forgotten:], abs=1e-5)  # 32 bits
    assert len(data) == forgotten + round(0.3 * len(sample_task.retain))


def test_the_bad_teacher_needs_no_labels(sample_task: UnlearnTask) -> None:
    other = Examples(inputs=sample_task.forget.inputs, labels=np.zeros(12))

    first, second = (BadTeacher().training(task).data.targets
                     for task in (sample_task, attrs.evolve(sample_task, forget=other)))

    assert np.array_equal(first, second)


def test_the_published_loss_is_smaller_by_the_number_of_classes(sample_task: UnlearnTask) -> None:
    assert BadTeacher().training(sample_task).data.weights is None
    assert BadTeacher(as_published=True).training(sample_task).data.weights == pytest.approx(1 / 3)
