"""One step that lowers singular values, against what is known of it exactly."""

import pytest
import torch
from torch import nn

from reference_methods.training.affine import affine_layers
from reference_methods.training.lowering import lower, scale
from reference_methods.training.spectrum import dense_matrix, singular_values

IMAGE = (3, 7, 7)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def only_layer(module, shape):
    layer, = affine_layers(module.double(), torch.zeros(1, *shape, dtype=torch.float64))
    return layer


def values(layer):
    return torch.linalg.svdvals(dense_matrix(layer.module, layer.input_shape))


def top(layer, k):
    return singular_values(layer.module, layer.input_shape, k, tolerance=1e-9).vectors


def test_a_linear_layer_gets_the_nearest_matrix_of_smaller_norm():
    layer = only_layer(nn.Linear(12, 9), (12,))
    left, before, right = torch.linalg.svd(layer.weight.detach(), full_matrices=False)
    limit = float(before[3])

    lower(layer, top(layer, 4), limit)

    # The projection on a ball of the spectral norm clips singular values. 1e-5: the ridge of the small system.
    assert torch.allclose(layer.weight, left * before.clamp(max=limit) @ right, atol=1e-5)


def test_a_convolution_comes_nearer_to_every_kernel_of_smaller_norm():
    layer = only_layer(nn.Conv2d(3, 4, 3, padding=1), IMAGE)
    before = layer.weight.detach().clone()
    limit = 0.8 * float(values(layer)[0])
    admissible = []
    for _ in range(20):
        kernel = before + 0.1 * torch.randn_like(before)
        module = nn.Conv2d(3, 4, 3, padding=1, bias=False).double()
        module.weight.data = kernel
        admissible.append(kernel * (limit / torch.linalg.svdvals(dense_matrix(module, IMAGE))[0]).clamp(max=1))

    lower(layer, top(layer, 4), limit)

    assert all((layer.weight - kernel).norm() < (before - kernel).norm() for kernel in admissible)


def test_one_vector_never_takes_the_norm_below_the_limit():
    layer = only_layer(nn.Conv2d(3, 4, 3, padding=1, stride=2, padding_mode="reflect"), IMAGE)
    limit = 0.7 * float(values(layer)[0])

    norms = [float(values(layer)[0])]
    for _ in range(5):
        lower(layer, top(layer, 1), limit)
        norms.append(float(values(layer)[0]))

    # The ridge of the small system and the tolerance of the vectors are both below 1e-6.
    assert min(norms) >= limit * (1 - 1e-6)
    assert norms[-1] == pytest.approx(limit, rel=1e-2)


def test_a_layer_within_the_limit_is_not_moved():
    layer = only_layer(nn.Conv2d(3, 4, 3), IMAGE)
    before = layer.weight.detach().clone()

    lower(layer, top(layer, 2), 1.01 * float(values(layer)[0]))

    assert torch.equal(layer.weight, before)


def test_a_composition_is_lowered_through_its_batch_norm():
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))
    layer = only_layer(module, IMAGE)
    kernel, before = module[0].weight.detach().clone(), float(values(layer)[0])

    lower(layer, top(layer, 1), 0.9 * before)

    assert torch.equal(module[0].weight, kernel)
    # The first-order step has little left to do: 0.9 would be all of it.
    assert float(values(layer)[0]) < 0.93 * before


def test_scaling_scales_every_value():
    layer = only_layer(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), IMAGE)
    before = values(layer)

    scale(layer, 0.25)

    assert torch.allclose(values(layer), 0.25 * before)
