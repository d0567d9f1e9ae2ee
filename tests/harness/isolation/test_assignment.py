"""What a child is given: its task and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import numpy as np
import pytest
from safetensors.numpy import load_file

from adapters.linear_model import LinearFactory
from harness import FitOptions, ForgetRequest, TrainingSet, UnlearnTask
from harness.conformance.problem import patterns
from harness.isolation.assignment import Assignment, _task, carry_out
from harness.plugins import load_registry
from harness.settings import as_json

RECIPE = FitOptions(epochs=2, lr=0.1)
ASSIGNMENT = Assignment(
    method={"name": "ft", "settings": {"epochs": 1, "lr": 0.01}}, recipe=as_json(RECIPE), plugins=(), device="cpu",
    model={"adapter": "linear", "architecture": "linear", "settings": {}}, input_shape=(1, 12, 12))


@pytest.fixture
def task() -> UnlearnTask:
    data, factory = patterns(), LinearFactory(input_shape=(1, 12, 12), num_classes=3, scale=1.0)
    request = ForgetRequest(name="some", scope="sample", forget=np.arange(10), generator="test", seed=0)
    original = factory.build(0).fit(TrainingSet(inputs=data.train.inputs, targets=data.train.labels), RECIPE, 1)
    return UnlearnTask(original=original, forget=data.train.take(request.forget),
                       retain=data.train.take(np.arange(10, len(data.train))), request=request, num_classes=3,
                       recipe=RECIPE, build=factory.build, seed=7)


def test_a_task_is_three_files(task: UnlearnTask, tmp_path: Path) -> None:
    ASSIGNMENT.write(tmp_path, task)

    assert {path.name for path in tmp_path.iterdir()} == {"task.json", "original.safetensors", "examples.safetensors"}
    assert set(load_file(tmp_path / "examples.safetensors")) == {
        "forget.inputs", "forget.labels", "retain.inputs", "retain.labels", "indices"}
    assert set(json.loads((tmp_path / "task.json").read_text())) == {
        "method", "model", "recipe", "plugins", "device", "input_shape", "num_classes", "request", "seed"}


def test_without_the_retain_set_there_is_none_to_be_found(task: UnlearnTask, tmp_path: Path) -> None:
    ASSIGNMENT.write(tmp_path, attrs.evolve(task, retain=None))

    assert set(load_file(tmp_path / "examples.safetensors")) == {"forget.inputs", "forget.labels", "indices"}


def test_carrying_it_out_gives_the_same_weights_as_the_method_itself(task: UnlearnTask, tmp_path: Path) -> None:
    from reference_methods.unlearners.finetune import FineTune

    (tmp_path / "task").mkdir()
    (tmp_path / "out").mkdir()
    ASSIGNMENT.write(tmp_path / "task", task)
    with (tmp_path / "ready").open("wb") as ready:
        carry_out(tmp_path / "task", tmp_path / "out", ready.fileno())

    here = FineTune(epochs=1, lr=0.01).unlearn(task)
    there = load_file(tmp_path / "out" / "weights.safetensors")
    assert all(np.array_equal(there[name], value) for name, value in here.parameters().items())  # type: ignore[attr-defined]
    assert (tmp_path / "ready").read_bytes() == b"!"


def test_a_model_without_parameters_cannot_be_handed_over(task: UnlearnTask, tmp_path: Path) -> None:
    class Sealed:
        def logits(self, inputs: object) -> object:
            return inputs

    with pytest.raises(TypeError, match="run this method without --isolate"):
        ASSIGNMENT.write(tmp_path, attrs.evolve(task, original=Sealed()))


def test_a_later_step_of_a_sequence_is_told_what_was_forgotten_and_from_what(task: UnlearnTask, tmp_path: Path) -> None:
    initial = task.build(3)
    later = attrs.evolve(task, initial=initial, request=attrs.evolve(
        task.request, earlier=np.array([20, 30]), earlier_classes=(1,)))
    ASSIGNMENT.write(tmp_path, later)

    found = _task(json.loads((tmp_path / "task.json").read_text()), tmp_path, load_registry(installed=False))

    assert found.request.earlier.tolist() == [20, 30]
    assert found.request.earlier_classes == (1,)
    assert found.request.forget.tolist() == task.request.forget.tolist()
    inputs = task.forget.inputs
    assert found.initial is not None
    np.testing.assert_array_equal(found.initial.logits(inputs), initial.logits(inputs))
    np.testing.assert_array_equal(found.original.logits(inputs), task.original.logits(inputs))
