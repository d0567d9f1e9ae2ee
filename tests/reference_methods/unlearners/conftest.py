"""A small problem that every unlearner can be run on."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from harness import Examples, FitOptions, ForgetRequest, TrainingSet, UnlearnTask
from tests.reference_methods.unlearners.numpy_model import NumpyModel

RECIPE = FitOptions(epochs=40, batch_size=32, lr=0.1, weight_decay=5e-4)


def blobs(count: int, seed: int) -> Examples:
    """Return three noisy clusters in the unit square, with labels in turn."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    centres = np.array([[0.25, 0.25], [0.75, 0.3], [0.5, 0.75]])
    return Examples(inputs=np.clip(centres[labels] + random.normal(0, 0.1, (count, 2)), 0, 1), labels=labels)


def task_on(train: Examples, forget: np.ndarray, classes: tuple[int, ...] = ()) -> UnlearnTask:
    """Return a task on a NumPy model trained on ``train``."""
    request = ForgetRequest(name="test", scope="class" if classes else "sample", forget=forget, classes=classes,
                            generator="class" if classes else "random", seed=0)
    retain = request.retain_mask(len(train))
    original = NumpyModel.build(0).fit(TrainingSet(inputs=train.inputs, targets=train.labels), RECIPE, seed=0)
    return UnlearnTask(original=original, forget=train.take(request.forget), retain=train.take(np.flatnonzero(retain)),
                       request=request, num_classes=3, recipe=RECIPE, build=NumpyModel.build, seed=7)


@pytest.fixture(scope="session")
def train() -> Examples:
    return blobs(120, seed=1)


@pytest.fixture(scope="session")
def unseen() -> Examples:
    return blobs(300, seed=2)


@pytest.fixture(scope="session")
def sample_task(train: Examples) -> UnlearnTask:
    """Forget twelve random samples."""
    return task_on(train, np.random.default_rng(3).choice(len(train), 12, replace=False))


@pytest.fixture(scope="session")
def class_task(train: Examples) -> UnlearnTask:
    """Forget class 1."""
    return task_on(train, np.flatnonzero(train.labels == 1), classes=(1,))


@pytest.fixture(scope="session")
def forget_only_task(sample_task: UnlearnTask) -> UnlearnTask:
    """The same twelve samples, without the retain set."""
    return attrs.evolve(sample_task, retain=None)
