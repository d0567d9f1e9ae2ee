"""Checks for bugs that public unlearning code has had, one each; a method that passes does not have the bug.

Each takes a method and a task that it can serve, and raises AssertionError with what is wrong.
"""

from __future__ import annotations

import builtins
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any
from unittest import mock

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch.optim.optimizer import register_optimizer_step_pre_hook

from harness import Examples, ForgetRequest, Model, Unlearned, Unlearner, UnlearnTask
from tests.reference_methods.unlearners.numpy_model import NumpyModel

Arrays = Mapping[str, NDArray[Any]]

MOST_ATTACK_CALLS = 2000


def model_of(result: Model | Unlearned) -> Any:
    """Return the model in what ``unlearn`` returns."""
    return result.model if isinstance(result, Unlearned) else result


def run(method: Unlearner, task: UnlearnTask) -> Any:
    """Return the unlearned model."""
    return model_of(method.unlearn(task))


def same(left: Arrays, right: Arrays) -> bool:
    """Return whether two sets of arrays are bit-identical."""
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


def check_student_is_not_teacher(method: Unlearner, task: UnlearnTask) -> None:
    """1. Training changes the unlearned model and leaves the original bit-identical."""
    before = task.original.parameters()

    unlearned = run(method, task)

    assert same(before, task.original.parameters()), "the original has changed"
    assert not same(before, unlearned.parameters()), "the unlearned model is the original"


def check_masked_weights_stay(method: Any, task: UnlearnTask) -> None:
    """2. Weights that a mask forbids to move are bit-identical afterwards, and others are not."""
    before, mask = task.original.parameters(), method.mask(task)

    after = run(method, task).parameters()

    forbidden = {name: ~allowed for name, allowed in mask.items()}
    assert any(entries.any() for entries in forbidden.values()), "the mask allows everything"
    for name, entries in forbidden.items():
        assert np.array_equal(before[name][entries], after[name][entries]), f"masked weights of {name} have moved"
    assert any(not np.array_equal(before[name][mask[name]], after[name][mask[name]]) for name in mask), \
        "no allowed weight has moved"


def check_adversarial_set_is_aligned(method: Any, task: UnlearnTask) -> None:
    """3. Row i of D_A is near row i of D_F, and the model says of it what its label says: not the true class."""
    found = method.adversarial_set(task)

    distance = np.linalg.norm((found.inputs - task.forget.inputs).reshape(len(task.forget), -1), axis=1)
    assert found.found.any(), "no example was found"
    # Radii are kept in 32 bits.
    assert (distance <= found.radius * (1 + 1e-5)).all(), "an example is farther from its sample than its radius"
    rows = found.found
    assert (found.labels[rows] != task.forget.labels[rows]).all(), "an example has its sample's label"
    predicted = task.original.logits(found.inputs[rows]).argmax(axis=1)
    assert (predicted == found.labels[rows]).all(), "an example's label is not what the original says"


def check_search_ends_without_gradients(method: Unlearner, task: UnlearnTask) -> None:
    """4. A model whose input gradients are zero ends the search, with the failures reported."""
    flat = _Flat.over(task)
    zeros = Examples(inputs=task.forget.inputs, labels=np.zeros(len(task.forget), dtype=np.int64))

    result = method.unlearn(attrs.evolve(task, original=flat, forget=zeros))

    facts = result.facts if isinstance(result, Unlearned) else {}
    assert facts.get("attack failure rate") == 1 or facts.get("boundary hit rate") == 0, \
        "the row does not tell that every search has failed"


class _Flat(NumpyModel):
    """Says class 0 of everything, and loses patience with those who keep asking for gradients."""

    calls = 0

    @classmethod
    def over(cls, task: UnlearnTask) -> _Flat:
        arrays = NumpyModel.build(0, size=task.forget.inputs[0].size, classes=task.num_classes).parameters()
        arrays["head.weight"] *= 0
        arrays["head.bias"][0] = 200
        cls.calls = 0
        return cls(arrays)

    def input_gradients(self, inputs: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        type(self).calls += 1
        assert type(self).calls < MOST_ATTACK_CALLS, "the search goes on without gradients"
        return super().input_gradients(inputs, labels)


def check_forget_set_matters(method: Unlearner, task: UnlearnTask) -> None:
    """5. Other forget samples give another model: no loss term is clamped to a constant."""
    other = Examples(inputs=np.clip(task.forget.inputs * 0.8 + 0.1, 0, 1), labels=task.forget.labels)

    assert not same(run(method, task).parameters(), run(method, attrs.evolve(task, forget=other)).parameters()), \
        "the forget set does not matter"


def check_retain_set_matters(method: Unlearner, task: UnlearnTask) -> None:
    """5. Other retain samples give another model."""
    other = Examples(inputs=np.clip(task.retain.inputs * 0.8 + 0.1, 0, 1), labels=task.retain.labels)

    assert not same(run(method, task).parameters(), run(method, attrs.evolve(task, retain=other)).parameters()), \
        "the retain set does not matter"


def check_returned_model_is_what_was_made(method: Unlearner, task: UnlearnTask) -> None:
    """6. The returned model computes with the weights that it shows, and evaluating it changes none of them."""
    unlearned = run(method, task)
    shown = unlearned.parameters()
    rebuilt = task.original.with_parameters(shown)

    first = unlearned.logits(task.forget.inputs)

    # Two networks in different memory formats may round differently.
    assert np.allclose(first, rebuilt.logits(task.forget.inputs), atol=1e-4), "logits are not of the weights shown"
    assert np.array_equal(first, unlearned.logits(task.forget.inputs)), "evaluating twice gives two results"
    assert same(shown, unlearned.parameters()), "evaluating changes the weights"


def check_rates_follow_the_schedule(method: Any, task: UnlearnTask) -> None:
    """7. Learning rates and penalties fall, or stay where no schedule was asked for; none rises after its peak."""
    with _learning_rates() as rates:
        method.unlearn(task)
    tail = np.array(rates[int(np.argmax(rates)):] if rates else [0.0])
    assert (np.diff(tail) <= 0).all(), "the learning rate rises after its peak"
    if getattr(method, "lr_step", None) is not None or _scheduled(method, task):
        assert tail[-1] < tail[0], "the schedule never takes effect"
    if hasattr(method, "strengths"):
        assert (np.diff(list(method.strengths())) < 0).all(), "the penalty does not decay"


def _scheduled(method: Any, task: UnlearnTask) -> bool:
    fit = method.training(task) if hasattr(method, "training") else None
    return fit is not None and fit.options.schedule != "constant"


@contextmanager
def _learning_rates() -> Iterator[list[float]]:
    rates: list[float] = []
    handle = register_optimizer_step_pre_hook(
        lambda optimizer, *_: rates.append(float(optimizer.param_groups[0]["lr"])))
    try:
        yield rates
    finally:
        handle.remove()


def check_outputs_keep_their_number(method: Unlearner, task: UnlearnTask) -> None:
    """8. The unlearned model has as many outputs, and arrays of the same shapes, as the original."""
    unlearned = run(method, task)

    assert unlearned.logits(task.forget.inputs[:1]).shape == (1, task.num_classes), "the number of outputs has changed"
    shapes = {name: array.shape for name, array in task.original.parameters().items()}
    assert {name: array.shape for name, array in unlearned.parameters().items()} == shapes, "a shape has changed"


def check_divergence_is_per_example(method: Any, task: UnlearnTask) -> None:
    """9. The loss of soft targets is their divergence summed over classes: not divided by C ('mean')."""
    data = method.training(task).data
    said = _log_softmax(task.original.logits(data.inputs))
    weights = np.ones(len(data)) if data.weights is None else data.weights

    cross_entropy = -np.sum(data.targets * said, axis=1)
    entropy = -np.sum(data.targets * np.log(np.maximum(data.targets, 1e-30)), axis=1)
    loss, expected = np.mean(weights * (cross_entropy - entropy)), np.mean(cross_entropy - entropy)

    # Targets are in 32 bits.
    assert np.isclose(loss, expected, rtol=1e-3), f"the loss is {loss / expected:.3f} of the divergence"


def _log_softmax(logits: NDArray[Any]) -> NDArray[Any]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: NDArray[Any] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def check_layers_run_in_the_declared_mode(method: Any, task: UnlearnTask) -> None:
    """10. Batch norm's statistics move exactly when the method says that it trains in training mode."""
    before = task.original.parameters()

    after = run(method, task).parameters()

    statistics = [name for name in before if name.endswith("running_mean")]
    assert statistics, "the network has no batch norm"
    moved = any(not np.array_equal(before[name], after[name]) for name in statistics)
    assert moved == (method.layer_mode == "train"), \
        f"declared mode is '{method.layer_mode}', but batch norm's statistics {'moved' if moved else 'stayed'}"


def check_nothing_but_the_task_is_read(method: Unlearner, task: UnlearnTask) -> None:
    """11. No file is opened while unlearning: there is no test set to choose a checkpoint on."""
    method.unlearn(task)  # imports what it needs

    def refuse(file: object, *arguments: object, **options: object) -> None:
        raise AssertionError(f"{file} was opened while unlearning")

    with mock.patch.object(builtins, "open", refuse), mock.patch.object(io, "open", refuse):
        method.unlearn(task)


def check_settings_are_strict(method: Any, task: UnlearnTask) -> None:
    """12. The string "False" is no truth value, and "3" no number."""
    for field in attrs.fields(type(method)):
        value = getattr(method, field.name)
        if isinstance(value, bool | int | float):
            wrong = "False" if isinstance(value, bool) else "3"
            try:
                attrs.evolve(method, **{field.name: wrong})
            except (TypeError, ValueError):
                continue
            raise AssertionError(f"{field.name}={wrong!r} is accepted")


def check_labels_are_drawn_as_declared(method: Any, task: UnlearnTask) -> None:
    """13. Labels come from C - 1 or from C classes, once or in each epoch, as the settings say."""
    many = Examples(inputs=np.repeat(task.forget.inputs[:1], 300, axis=0), labels=np.arange(300) % task.num_classes)
    whole = ForgetRequest(name="many", scope="sample", forget=np.arange(300), generator="test", seed=0)
    large = attrs.evolve(task, forget=many, request=whole)
    for exclude_true in (True, False):
        for policy in ("fixed", "redrawn"):
            variant = attrs.evolve(method, exclude_true=exclude_true, labels=policy)
            first, second = islice(variant.labels_of_epochs(large), 2)
            assert (first == many.labels).any() != exclude_true, f"exclude_true={exclude_true} is not what is drawn"
            assert np.array_equal(first, second) == (policy == "fixed"), f"labels='{policy}' is not what is drawn"


def check_never_a_silent_no_op(method: Unlearner, task: UnlearnTask) -> None:
    """14. On a network without convolutions a method does something or says that it cannot."""
    try:
        unlearned = run(method, task)
    except ValueError:
        return
    before, after = task.original.parameters(), unlearned.parameters()
    assert not same(before, after), "nothing has changed, and nothing was said"


def check_random_state_is_untouched(method: Unlearner, task: UnlearnTask) -> None:
    """The global generators of NumPy and PyTorch are where they were, and the seed decides the result."""
    before, legacy = torch.random.get_rng_state(), np.random.get_state()[1].copy()

    first, second = run(method, task).parameters(), run(method, task).parameters()

    assert torch.equal(before, torch.random.get_rng_state()), "PyTorch's global generator was used"
    assert np.array_equal(legacy, np.random.get_state()[1]), "NumPy's global generator was used"
    assert same(first, second), "the same seed gives two models"
