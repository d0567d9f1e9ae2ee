"""SSD and its loss-free variant."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch

from harness import Examples, UnlearnTask
from reference_methods.unlearners.damping import LossFreeSsd, Ssd, dampened, importance
from tests.reference_methods.unlearners.torch_tasks import torch_task


def test_importance_is_the_mean_of_squared_batch_gradients() -> None:
    examples = Examples(inputs=np.array([[1.0], [3.0], [5.0]]), labels=np.zeros(3))

    result = importance(lambda batch: {"w": batch.inputs.mean(axis=0)}, examples, batch_size=2)

    assert result["w"] == pytest.approx([(2.0**2 + 5.0**2) / 2])


def test_importance_depends_on_the_batch_size() -> None:
    examples = Examples(inputs=np.array([[1.0], [3.0]]), labels=np.zeros(2))

    one, two = (importance(lambda batch: {"w": batch.inputs.mean(axis=0)}, examples, size)["w"] for size in (1, 2))

    assert one == pytest.approx([5.0])
    assert two == pytest.approx([4.0])


def test_weights_are_dampened_in_closed_form() -> None:
    parameters = {"w": np.array([1.0, 2.0, 3.0, 4.0]), "buffer": np.array([7.0])}
    forget, everything = {"w": np.array([10.0, 40.0, 3.0, 0.0])}, {"w": np.array([1.0, 1.0, 1.0, 0.0])}

    result, share = dampened(parameters, forget, everything, alpha=9.0, strength=2.0)

    # 10 > 9 and 40 > 9 are selected; factors 2/10 and 2/40; nothing is selected at 3 and at 0.
    assert result["w"] == pytest.approx([0.2, 0.1, 3.0, 4.0])
    assert result["buffer"] == pytest.approx([7.0])
    assert share == 0.5


def test_no_weight_grows() -> None:
    result, _ = dampened({"w": np.array([1.0])}, {"w": np.array([3.0])}, {"w": np.array([1.0])}, 2.0, strength=9.0)

    assert result["w"] == pytest.approx([1.0])


def test_a_huge_threshold_selects_nothing_and_says_so(sample_task: UnlearnTask) -> None:
    result = Ssd(alpha=1e9).unlearn(sample_task)

    assert result.facts == {"dampened share": 0.0}


def test_dampening_a_class_hurts_it_more_than_the_others(class_task: UnlearnTask) -> None:
    unlearned = Ssd(alpha=1.5).unlearn(class_task).model

    def accuracy(examples: Examples) -> float:
        return float((unlearned.logits(examples.inputs).argmax(axis=1) == examples.labels).mean())

    assert accuracy(class_task.forget) < accuracy(class_task.retain)


def test_the_loss_free_variant_uses_no_labels() -> None:
    task = torch_task("convolutional", "sample")
    zeros = [Examples(inputs=part.inputs, labels=np.zeros(len(part))) for part in (task.forget, task.retain)]

    first, second = (LossFreeSsd(alpha=1.1).unlearn(each).model.parameters()
                     for each in (task, attrs.evolve(task, forget=zeros[0], retain=zeros[1])))

    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_loss_free_gradients_are_those_of_the_mean_squared_norm() -> None:
    from reference_methods.unlearners.native.norms import logit_norm_gradients

    layer = torch.nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0], [0.0, -1.0]]))
    inputs = np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32)

    gradient = logit_norm_gradients(layer, inputs)["weight"]

    # d/dW of mean |W x|^2 is 2 W mean(x x^T), with mean(x x^T) = diag(0.5, 2).
    assert gradient == pytest.approx(np.array([[1.0, 8.0], [0.0, -4.0]]))
