"""The bound of a network's Lipschitz constant: exact where that is known, never below what is seen."""

import math

import pytest
import torch
from torch import nn

from reference_methods.training.clipping import FastClip
from reference_methods.training.lipschitz import lipschitz_bound

# Every singular value counts this much more than was found.
MARGIN = 1.001


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def linear(*diagonal):
    layer = nn.Linear(len(diagonal), len(diagonal))
    layer.weight.data = torch.diag(torch.tensor(diagonal))
    return layer


class Branches(nn.Module):
    """Combines what two layers make of one input."""

    def __init__(self, combine):
        super().__init__()
        self.left, self.right = linear(3.0, 1.0), linear(1.0, 4.0)
        self.combine = combine

    def forward(self, inputs):
        return self.combine(torch.relu(self.left(inputs)), torch.relu(self.right(inputs)))


@pytest.mark.parametrize(("network", "expected"), [
    (nn.Sequential(linear(3.0, 1.0), nn.ReLU(), linear(1.0, 2.0)), 6),
    (nn.Sequential(linear(3.0, 1.0), linear(1.0, 2.0)), 3),
    (nn.Sequential(linear(3.0, 1.0), nn.Dropout(), nn.LeakyReLU(0.2), nn.Tanh()), 3),
    (Branches(lambda left, right: left + right), 7),
    (Branches(lambda left, right: left - 0.5 * right), 5),
    (Branches(lambda left, right: torch.cat([left, right], dim=1)), 5),
    (Branches(lambda left, right: left / 2 + left), 4.5),
    (Branches(lambda left, right: left + left), 6)],
    ids=["product", "merged", "activations", "sum", "scaled", "concatenated", "divided", "doubled"])
def test_constants_compose(network, expected):
    assert lipschitz_bound(network, torch.zeros(1, 2)) == pytest.approx(expected, rel=2.5e-3)


def test_overlapping_windows_of_a_max_pool_count_by_their_root():
    image = torch.zeros(1, 1, 8, 8)

    assert lipschitz_bound(nn.MaxPool2d(2), image) == 1
    assert lipschitz_bound(nn.MaxPool2d(3, 2), image) == 2
    assert lipschitz_bound(nn.MaxPool2d(2, 1), image) == 2


def test_batch_norm_is_taken_with_its_convolution_in_evaluation_statistics():
    conv, norm = nn.Conv2d(1, 2, 1, bias=False), nn.BatchNorm2d(2, eps=0)
    conv.weight.data = torch.tensor([3.0, 4.0]).reshape(2, 1, 1, 1)
    norm.running_var = torch.tensor([9.0, 16.0])

    bound = lipschitz_bound(nn.Sequential(conv, norm), torch.zeros(1, 1, 4, 4))

    # Each channel becomes the image itself; apart, the layers would give 5 / 3.
    assert bound == pytest.approx(math.sqrt(2) * MARGIN)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)
        self.shortcut = nn.Conv2d(2, 2, 1)

    def forward(self, inputs):
        hidden = self.norm(self.conv(inputs).relu())
        hidden += self.shortcut(inputs)
        return torch.flatten(nn.functional.relu(hidden), 1)


def test_a_residual_network_never_stretches_more_than_the_bound():
    network = nn.Sequential(Residual(), nn.Linear(72, 3)).eval()
    bound = lipschitz_bound(network, torch.zeros(1, 2, 6, 6))

    points = torch.randn(50, 2, 6, 6)
    jacobians = torch.func.vmap(torch.func.jacrev(lambda point: network(point[None])[0]))(points)

    seen = torch.linalg.matrix_norm(jacobians.flatten(2), 2).max()
    assert 0.01 * bound < seen <= bound


def test_clipping_every_layer_bounds_a_plain_network():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(),
                            nn.Linear(64, 3))
    image = torch.zeros(1, 1, 8, 8)

    FastClip(network, image, limit=0.5).clip()

    assert lipschitz_bound(network, image) <= 0.5 ** 3 * (MARGIN * MARGIN) ** 3


def test_looking_leaves_modes_alone():
    network = Residual().train()

    lipschitz_bound(network, torch.zeros(1, 2, 6, 6))

    assert all(part.training for part in network.modules())


def test_what_is_not_known_is_named():
    network = nn.Sequential(nn.Linear(4, 4), nn.Softmax(dim=1))

    with pytest.raises(ValueError, match=r"the constant of Softmax \(at '_0_1'\) is not known"):
        lipschitz_bound(network, torch.zeros(1, 4))


def test_a_product_of_two_values_has_no_bound():
    with pytest.raises(ValueError, match="the constant of mul"):
        lipschitz_bound(Branches(lambda left, right: left * right), torch.zeros(1, 2))


def test_networks_that_branch_on_values_are_refused():
    with pytest.raises(ValueError, match="cannot be traced"):
        lipschitz_bound(Branches(lambda left, right: left if left.sum() > 0 else right), torch.zeros(1, 2))
