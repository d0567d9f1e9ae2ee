"""UNSIR."""

from __future__ import annotations

import attrs
import numpy as np

from harness import Examples, UnlearnTask
from reference_methods.unlearners.unsir import Unsir
from tests.reference_methods.unlearners.numpy_model import softmax

METHOD = Unsir(noise_images=8, copies=3)


def test_noise_is_what_the_original_takes_least_for_the_class(class_task: UnlearnTask) -> None:
    noise = METHOD.noise(class_task, 1)
    start = attrs.evolve(METHOD, noise_steps=0).noise(class_task, 1)

    def confidence(inputs: np.ndarray) -> float:
        return float(softmax(class_task.original.logits(inputs))[:, 1].mean())

    assert noise.shape == (8, 2)
    assert confidence(noise) < confidence(start)


def test_a_penalty_keeps_noise_small(class_task: UnlearnTask) -> None:
    small, large = (np.abs(attrs.evolve(METHOD, noise_penalty=penalty).noise(class_task, 1)).mean()
                    for penalty in (10.0, 0.0))

    assert small < large


def test_impairing_trains_on_labelled_noise_beside_retain_samples(class_task: UnlearnTask) -> None:
    impair, repair = METHOD.stages(class_task)

    assert (impair.data.targets == 1).sum() == 8 * 3
    assert set(repair.data.targets) == {0, 2}
    assert (impair.options.optimizer, impair.options.lr, repair.options.lr) == ("adam", 0.02, 0.01)
    assert (impair.options.epochs, repair.options.epochs) == (1, 1)
    assert not impair.data.augment[-24:].any()


def test_every_forgotten_class_has_noise_with_its_own_label(class_task: UnlearnTask) -> None:
    request = attrs.evolve(class_task.request, classes=(0, 1))

    impair, _ = METHOD.stages(attrs.evolve(class_task, request=request))

    assert (impair.data.targets[80:] == 0).sum() == 24
    assert (impair.data.targets[80:] == 1).sum() == 24


def test_retain_samples_are_limited_per_class(class_task: UnlearnTask) -> None:
    _, repair = attrs.evolve(METHOD, samples_per_class=5).stages(class_task)

    assert np.bincount(repair.data.targets, minlength=3).tolist() == [5, 0, 5]


def test_no_image_of_the_forget_set_is_used(class_task: UnlearnTask) -> None:
    blank = Examples(inputs=np.zeros_like(class_task.forget.inputs), labels=class_task.forget.labels)

    first, second = (METHOD.unlearn(task).parameters() for task in (class_task, attrs.evolve(class_task, forget=blank)))

    assert all(np.array_equal(first[name], second[name]) for name in first)
