"""The two methods of the challenge."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch
from torch import nn

from reference_methods.unlearners.challenge import ConvolutionTranspose, MaskedSmallGradients
from reference_methods.unlearners.native.scaled import fine_tune_with_scaled_gradients, rise_and_fall
from tests.reference_methods.unlearners.torch_tasks import RECIPE, torch_task


def test_kernels_are_transposed_and_nothing_else_is() -> None:
    task = torch_task("normalised", "sample")
    before = task.original.parameters()

    start = ConvolutionTranspose().training(task).start.parameters()

    for name, array in before.items():
        expected = array.transpose(0, 1, 3, 2) if array.ndim == 4 else array
        assert np.array_equal(start[name], expected)


def test_transposing_twice_is_doing_nothing() -> None:
    task, method = torch_task("convolutional", "sample"), ConvolutionTranspose()

    twice = method.transposed(method.transposed(task.original)).parameters()

    assert all(np.array_equal(twice[name], array) for name, array in task.original.parameters().items())


@pytest.mark.parametrize("method", [ConvolutionTranspose(), MaskedSmallGradients()])
def test_a_network_without_convolutions_is_refused(method: ConvolutionTranspose | MaskedSmallGradients) -> None:
    with pytest.raises(ValueError, match="the model has no convolution kernel"):
        method.unlearn(torch_task("perceptron", "sample"))


@pytest.mark.parametrize(("kernel", "message"), [(1, "its own transpose"), ((1, 3), "not square")])
def test_kernels_without_a_transpose_of_their_own_are_refused(kernel: int | tuple[int, int], message: str) -> None:
    task = torch_task("convolutional", "sample")
    network = nn.Sequential(nn.Conv2d(1, 2, kernel), nn.Flatten(), nn.LazyLinear(3))
    network(torch.zeros(1, 1, 6, 6))

    with pytest.raises(ValueError, match=message):
        ConvolutionTranspose().unlearn(attrs.evolve(task, original=task.original.with_native(network)))


def test_the_weights_with_the_smallest_score_are_chosen_over_all_kernels() -> None:
    task = torch_task("convolutional", "sample")

    chosen = MaskedSmallGradients(reset_share=0.3).chosen(task)

    assert set(chosen) == {"conv1.weight", "conv2.weight"}
    total = sum(entries.size for entries in chosen.values())
    assert sum(entries.sum() for entries in chosen.values()) == round(0.3 * total)


def test_chosen_weights_begin_afresh() -> None:
    task = torch_task("convolutional", "sample")
    method = MaskedSmallGradients(epochs=0)

    after, chosen = method.unlearn(task).parameters(), method.chosen(task)

    before, fresh = task.original.parameters(), task.build(task.seed).parameters()
    for name, entries in chosen.items():
        assert np.array_equal(after[name], np.where(entries, fresh[name], before[name]))
    assert np.array_equal(after["head.weight"], before["head.weight"])


def test_other_weights_learn_at_a_tenth_of_the_rate() -> None:
    task = torch_task("convolutional", "sample")
    options = attrs.evolve(RECIPE, epochs=1, batch_size=len(task.retain), lr=0.1, weight_decay=0.0)
    full = {"conv1.weight": np.arange(36).reshape(4, 1, 3, 3) % 2 == 0}

    before = task.original.parameters()
    fast, slow = (fine_tune_with_scaled_gradients(task.original, task.retain, full, scale, options, 0).parameters()
                  for scale in (1.0, 0.1))

    moved = {name: (fast[name] - before[name], slow[name] - before[name]) for name in before}
    even, odd = full["conv1.weight"], ~full["conv1.weight"]
    # Differences of 32-bit weights; the largest moves decide.
    assert moved["conv1.weight"][1][even] == pytest.approx(moved["conv1.weight"][0][even], abs=1e-6)
    assert moved["conv1.weight"][1][odd] == pytest.approx(0.1 * moved["conv1.weight"][0][odd], abs=1e-6)
    assert moved["head.weight"][1] == pytest.approx(0.1 * moved["head.weight"][0], abs=1e-6)


def test_the_rate_rises_for_an_epoch_and_then_falls() -> None:
    rates = [rise_and_fall(step, steps_per_epoch=4, epochs=3) for step in range(12)]

    assert rates == pytest.approx([0.25, 0.5, 0.75, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])
