"""Methods written once, run on two frameworks: softmax regression in NumPy and the same network in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from adapters.linear_adapter import LINEAR, LinearAdapter
from harness.data import Examples, Floats
from harness.models import FitOptions, HasParameters, Model, TrainingSet
from harness.plugins import load_registry
from harness.settings import configure
from harness.tasks import ForgetRequest, Unlearned, UnlearnTask
from tests.adapters.conftest import factory_of, random_set

# One batch an epoch, so that the frameworks' different data orders make no difference.
RECIPE = FitOptions(epochs=200, batch_size=500, lr=2.0)
METHODS: dict[str, dict[str, Any]] = {
    "ft": {"epochs": 3}, "ga": {"epochs": 2, "lr": 0.5}, "rl": {"epochs": 3, "lr": 0.5},
    "neggrad+": {"epochs": 3, "lr": 0.5}, "amun": {"epochs": 3, "lr": 0.5, "eps": 0.5, "attack_steps": 12},
    "delete": {"epochs": 2, "lr": 0.5}, "trw": {"epochs": 2, "lr": 0.5},
}


def _task(build: Callable[[int], Model], original: Model) -> UnlearnTask:
    data = random_set(size=120)
    train = Examples(inputs=data.inputs, labels=data.targets)
    request = ForgetRequest(name="test", scope="class", forget=np.flatnonzero(train.labels == 1), classes=(1,),
                            generator="class", seed=0)
    retain = np.flatnonzero(request.retain_mask(len(train)))
    return UnlearnTask(original=original, forget=train.take(request.forget), retain=train.take(retain),
                       request=request, num_classes=4, recipe=RECIPE, build=build, seed=3)


@pytest.fixture(scope="module")
def tasks() -> tuple[UnlearnTask, UnlearnTask]:
    """Return the same task on the NumPy model and on the PyTorch model, with the same original."""
    data = random_set(size=120)
    factory = LinearAdapter().factory(LINEAR, (1, 8, 8), 4, {}, "cpu")
    start = cast(Any, factory.build(0))
    original = start.fit(TrainingSet(inputs=data.inputs, targets=data.targets), RECIPE, 0)
    network = factory_of("mlp", hidden=[])
    return (_task(factory.build, original),
            _task(network.build, network.build(0).with_parameters(original.parameters())))


def _unlearned(name: str, task: UnlearnTask) -> Model:
    unlearner = configure(load_registry(installed=False).unlearners[name], METHODS[name], name)
    result = unlearner.unlearn(task)
    return result.model if isinstance(result, Unlearned) else result


def _loss(model: Model, examples: Examples) -> float:
    logits: Floats = model.logits(examples.inputs).astype(np.float64)
    largest = logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(logits - largest).sum(axis=1)) + largest[:, 0]
    return float(np.mean(log_sum - logits[np.arange(len(examples)), examples.labels]))


@pytest.mark.parametrize("name", METHODS)
def test_a_method_ends_at_the_same_weights_in_both(name: str, tasks: tuple[UnlearnTask, UnlearnTask]) -> None:
    ours, theirs = (cast(HasParameters, _unlearned(name, task)).parameters() for task in tasks)

    before = cast(HasParameters, tasks[0].original).parameters()
    assert ours.keys() == theirs.keys()
    assert not np.array_equal(ours["output.weight"], before["output.weight"])
    for parameter in ours:
        # float32 sums in another order, over a few large steps.
        np.testing.assert_allclose(ours[parameter], theirs[parameter], atol=2e-5)


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"ft"}))
def test_the_forget_set_is_unlearned(name: str, tasks: tuple[UnlearnTask, UnlearnTask]) -> None:
    task = tasks[0]

    assert _loss(_unlearned(name, task), task.forget) > _loss(task.original, task.forget)
