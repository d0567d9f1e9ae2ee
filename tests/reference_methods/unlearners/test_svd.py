"""Deep Unlearning's projections."""

from __future__ import annotations

from collections import OrderedDict

import attrs
import numpy as np
import pytest
import torch
from torch import nn

from harness import Examples, ForgetRequest
from reference_methods.unlearners.native.projection import directions, layer_inputs
from reference_methods.unlearners.svd import Svd
from tests.reference_methods.unlearners.torch_tasks import torch_task


def test_directions_weigh_shares_of_the_energy() -> None:
    inputs = torch.tensor([[2.0, 0.0], [0.0, 1.0]])  # energies 4 and 1: shares 0.8 and 0.2

    projector = directions(inputs, alpha=10.0)

    def weight(share: float) -> float:
        return 10 * share / (9 * share + 1)

    assert projector.numpy() == pytest.approx(np.diag([weight(0.8), weight(0.2)]))


def test_a_large_alpha_gives_a_projection() -> None:
    inputs = torch.tensor([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0]])

    projector = directions(inputs, alpha=1e12).numpy()

    assert projector == pytest.approx(projector @ projector, abs=1e-6)
    assert projector == pytest.approx(np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 0]]), abs=1e-6)


def test_no_activation_gives_no_direction() -> None:
    assert directions(torch.zeros(3, 2), alpha=5.0).abs().max() == 0


def test_inputs_of_a_convolution_are_its_patches() -> None:
    network = nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 2, 3, bias=False)))
    examples = Examples(inputs=np.arange(16.0).reshape(1, 1, 4, 4), labels=np.array([0]))

    patches = layer_inputs(network, examples, limit=100, seed=0)["conv"]

    outputs = patches @ network.conv.weight.detach().flatten(1).T
    direct = network(torch.tensor(examples.inputs)).detach().flatten(2)[0].T
    assert np.sort(outputs.numpy(), axis=0) == pytest.approx(np.sort(direct.numpy(), axis=0), rel=1e-5)


def test_patches_are_limited() -> None:
    task = torch_task("convolutional", "class")

    inputs = layer_inputs(task.original.native, task.retain, limit=50, seed=0)

    assert {name: len(rows) for name, rows in inputs.items()} == {"conv1": 50, "conv2": 50, "head": 32}


def test_a_direction_of_the_forget_set_alone_is_removed_and_the_others_stay() -> None:
    task = torch_task("perceptron", "class")
    network = nn.Sequential(OrderedDict(flatten=nn.Flatten(), head=nn.Linear(3, 3, bias=False)))
    with torch.no_grad():
        network.head.weight.copy_(torch.eye(3))
    axes = np.eye(3, dtype=np.float32)
    request = ForgetRequest(name="r", scope="class", forget=np.array([2]), classes=(2,), generator="test", seed=0)
    task = attrs.evolve(task, original=task.original.with_native(network), request=request,
                        forget=Examples(inputs=axes[2:], labels=np.array([2])),
                        retain=Examples(inputs=axes[:2], labels=np.array([0, 1])))

    weight = Svd(alpha_retain=1e9, alpha_forget=1e9).unlearn(task).parameters()["head.weight"]

    # P_f is the projection on the third axis, and P_r on the first two.
    assert weight == pytest.approx(np.diag([1.0, 1.0, 0.0]), abs=1e-6)


def test_a_direction_that_both_sets_use_stays() -> None:
    task = torch_task("convolutional", "class")
    same = attrs.evolve(task, forget=task.retain)

    before, after = task.original.parameters(), Svd(alpha_retain=1e12, alpha_forget=1e12).unlearn(same).parameters()

    # P_f = P_r = P, a projection, so P_f - P_f P_r = 0 up to the tails of the spectrum.
    inputs = task.retain.inputs
    changed = task.original.with_parameters(after).logits(inputs)
    assert changed == pytest.approx(task.original.with_parameters(before).logits(inputs), abs=1e-2)


def test_convolutions_in_groups_are_refused() -> None:
    task = torch_task("convolutional", "class")
    grouped = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3, groups=2), nn.Flatten(), nn.Linear(8, 3))

    with pytest.raises(ValueError, match="svd handles convolutions with one group"):
        Svd().unlearn(attrs.evolve(task, original=task.original.with_native(grouped)))
