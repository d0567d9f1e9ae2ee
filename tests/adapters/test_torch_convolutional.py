"""Training without autograd: which networks it takes, its gradients and its results against autograd."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from adapters.torch_convolutional import ConvolutionalNetwork, convolutions, train_convolutional
from adapters.torch_data import tensor_set
from adapters.torch_training import train
from harness.models import FitOptions
from tests.adapters.conftest import factory_of, random_set

CPU = torch.device("cpu")


def _network(*convolutional: nn.Module, size: int = 8) -> nn.Sequential:
    return nn.Sequential(*convolutional, nn.Flatten(), nn.Linear(size, 3))


def _hooked(where: int) -> nn.Module:
    network = _network(nn.Conv2d(1, 2, 3, 2), nn.ReLU())
    network[where].register_forward_hook(lambda module, inputs, output: 2 * output)
    return network


def _shared() -> nn.Module:
    layer = nn.Conv2d(2, 2, 1)
    return _network(layer, nn.ReLU(), layer, nn.ReLU())


def test_networks_named_small_cnn_are_plain() -> None:
    assert len(convolutions(factory_of("small-cnn").build(0).native)) == 2
    assert len(convolutions(factory_of("small-cnn", channels=[4]).build(0).native)) == 1


@pytest.mark.parametrize("module", [
    nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), _network(nn.Conv2d(1, 2, 3)),
    _network(nn.Conv2d(1, 2, 3), nn.Tanh()), _network(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)),
    _network(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()), _network(nn.Conv2d(2, 2, 3, groups=2), nn.ReLU()),
    _network(nn.Conv2d(1, 2, 3, padding="same"), nn.ReLU()), nn.Conv2d(1, 2, 3),
    _network(nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), nn.ReLU()),
    _network(nn.Conv2d(1, 2, 3), nn.ReLU()).double(), _network(nn.Conv2d(1, 2, 3), nn.ReLU()).requires_grad_(False),
    nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten()), _hooked(0), _hooked(1), _hooked(3), _shared()])
def test_networks_that_may_compute_anything_else_are_not_plain(module: nn.Module) -> None:
    assert convolutions(module) == []


@pytest.mark.parametrize("layers", [
    [nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(5, 4, 3, stride=2, padding=1), nn.ReLU(),
     nn.Flatten(), nn.Linear(16, 6), nn.ReLU(), nn.Linear(6, 4)],
    [nn.Conv2d(3, 5, (2, 3), dilation=2, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(120, 4, bias=False)],
], ids=["small", "odd"])
def test_gradients_are_those_of_autograd(layers: list[nn.Module]) -> None:
    module = nn.Sequential(*layers)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(10, 3, 8, 8, generator=generator)
    targets = torch.softmax(torch.randn(4, 10, generator=generator), dim=0)
    weights = torch.randn(10, generator=generator)
    network = ConvolutionalNetwork(module, inputs[:1])

    with torch.no_grad():
        network.set_gradients(inputs, targets, weights)
        network.values.copy_(network.gradient)
    (nn.functional.cross_entropy(module(inputs), targets.t(), reduction="none") * weights).mean().backward()
    expected = [parameter.grad for parameter in module.parameters()]

    with torch.no_grad():
        network.write_back()
    for mine, grad in zip(module.parameters(), expected, strict=True):
        torch.testing.assert_close(mine.detach(), grad)  # torch's tolerance for float32


@pytest.mark.parametrize("options", [
    FitOptions(epochs=2, batch_size=7, lr=0.1),
    FitOptions(epochs=2, batch_size=8, weight_decay=0.01, nesterov=True, schedule="cosine", l1=1e-3),
    FitOptions(epochs=1, batch_size=8, clip_gradient=0.05, augmentation=("flip", "crop")),
    FitOptions(epochs=1, batch_size=8, optimizer="adam", lr=0.001),
], ids=["sgd", "everything", "augmented", "adam"])
@pytest.mark.parametrize("channels", [1, 3])
def test_training_gives_the_network_that_autograd_gives(channels: int, options: FitOptions) -> None:
    factory = factory_of("small-cnn", (channels, 8, 8))
    data = tensor_set(random_set(40, (channels, 8, 8), weights=torch.linspace(0.5, 1.5, 40).numpy(),
                                 augment=torch.arange(40).numpy() % 2 == 0), 4, CPU)
    rows = [torch.arange(0, 40, 2), torch.arange(1, 40, 3)]
    mine, theirs = ([factory.build(seed).native for seed in (0, 1)] for _ in range(2))

    train_convolutional(mine, data, rows, options, [3, 4])
    for module, own, seed in zip(theirs, rows, (3, 4), strict=True):
        train(module, data, own, options, seed)

    for one, other in zip(mine, theirs, strict=True):
        for left, right in zip(one.parameters(), other.parameters(), strict=True):
            # Sums in another order; Adam divides small gradients by their own size and so shows more of it.
            torch.testing.assert_close(left, right, rtol=0, atol=1e-4 if options.optimizer == "adam" else 1e-6)


def test_parameters_keep_their_shapes_and_soft_targets_are_taken() -> None:
    factory, data = factory_of("small-cnn"), random_set(20)
    soft = torch.eye(4)[torch.tensor(data.targets)]
    hard = factory.build(0).fit(data, FitOptions(epochs=1), 0)
    same = factory.build(0).fit(random_set(20, targets=soft.numpy()), FitOptions(epochs=1), 0)

    for name, value in hard.parameters().items():
        assert value.shape == factory.build(0).parameters()[name].shape
        assert same.parameters()[name] == pytest.approx(value, abs=1e-7)  # one rounding of a softmax less one
