"""PowerQR against dense matrices, for every kind of convolution."""

import math
from itertools import product

import pytest
import torch
from torch import nn

from reference_methods.training.spectrum import dense_matrix, fourier_singular_values, singular_values, spectra

GRID = list(product((1, 3, 5), (1, 2), (0, 1, 2), ("zeros", "reflect", "replicate", "circular"), (1, 2), (1, 2)))
SHAPE = (2, 9, 9)


def convolution(seed, kernel, stride, padding, mode, dilation, groups):
    torch.manual_seed(seed)
    return nn.Conv2d(2, 4, kernel, stride=stride, padding=padding, padding_mode=mode, dilation=dilation,
                     groups=groups).double()


def dense_values(layer, shape, k):
    """Return the k largest singular values of the whole matrix, zeros where there are fewer."""
    values = torch.linalg.svdvals(dense_matrix(layer, shape))[:k]
    return nn.functional.pad(values, (0, k - len(values)))


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_five_values_of_every_convolution_are_those_of_its_matrix(kernel):
    for seed, settings in enumerate(setting for setting in GRID if setting[0] == kernel):
        layer = convolution(seed, *settings)
        expected = dense_values(layer, SHAPE, 5)

        found = singular_values(layer, SHAPE, 5)

        # The requirement is 1e-3; what is below a millionth of the largest is zero in a matrix of lower rank.
        assert found.converged, settings
        assert torch.allclose(found.values, expected, rtol=1e-4, atol=1e-6 * float(expected[0])), settings


@pytest.mark.parametrize("layer", [
    nn.Linear(30, 20), nn.Linear(20, 30, bias=False), nn.Linear(300, 7), nn.Linear(3, 5), nn.Linear(1, 1)],
    ids=repr)
def test_values_of_linear_layers_are_those_of_their_weights(layer):
    k = min(5, layer.in_features)

    found = singular_values(layer, (layer.in_features,), k)

    # float32 keeps about three digits of values a hundred times smaller than the largest.
    expected = nn.functional.pad(torch.linalg.svdvals(layer.weight.detach()), (0, k))[:k]
    assert torch.allclose(found.values, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("layer", "shape"), [
    (nn.Conv1d(3, 4, 3, stride=2, padding=1), (3, 12)),
    (nn.Conv3d(2, 2, 3, padding=1, padding_mode="replicate"), (2, 4, 4, 4)),
    (nn.ConvTranspose2d(3, 2, 3, stride=2), (3, 5, 5)),
    (nn.AvgPool2d(3, 2), (2, 9, 9))], ids=["conv1d", "conv3d", "transposed", "pool"])
def test_any_affine_module_will_do(layer, shape):
    expected = dense_values(layer, shape, 3)

    assert singular_values(layer, shape, 3, dtype=torch.float64).values == pytest.approx(expected, rel=1e-4)


def test_a_composition_with_batch_norm_is_taken_in_evaluation_statistics():
    norm = nn.BatchNorm2d(4)
    norm.running_var.uniform_(0.1, 2)
    norm.running_mean.normal_()
    norm.weight.data.normal_()
    layer = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), norm).double().train()
    before = norm.running_mean.clone()

    found = singular_values(layer, (3, 6, 6), 5)

    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    matrix = dense_matrix(layer[0], (3, 6, 6)).reshape(4, 36, -1) * scale[:, None, None]
    assert found.values == pytest.approx(torch.linalg.svdvals(matrix.flatten(0, 1))[:5].detach(), rel=1e-4)
    assert torch.equal(norm.running_mean, before)
    assert norm.training


def test_vectors_are_unit_and_stretched_by_their_values():
    layer = convolution(0, 3, 1, 1, "zeros", 1, 1)

    found = singular_values(layer, SHAPE, 3, tolerance=1e-6)

    assert found.vectors.flatten(1).norm(dim=1) == pytest.approx([1, 1, 1], rel=1e-9)
    stretched = (layer(found.vectors) - layer(torch.zeros(1, *SHAPE, dtype=torch.float64))).flatten(1).norm(dim=1)
    assert stretched.detach() == pytest.approx(found.values, rel=1e-9)


def test_layers_of_one_shape_have_together_what_each_has_alone():
    layers = [convolution(seed, 3, 2, 1, "reflect", 1, 2) for seed in range(4)]

    together = spectra(layers, SHAPE, 3)

    alone = [singular_values(layer, SHAPE, 3).values for layer in layers]
    assert torch.stack([one.values for one in together]) == pytest.approx(torch.stack(alone), rel=1e-4)


def test_a_value_that_has_overtaken_the_vectors_to_start_from_is_found():
    layer = nn.Linear(40, 40, bias=False)
    layer.weight.data = torch.diag(torch.linspace(1, 0.5, 40))
    start = singular_values(layer, (40,), 2, tolerance=1e-6).vectors
    layer.weight.data[30, 30] = 2

    found = singular_values(layer, (40,), 2, start=start)

    assert found.values == pytest.approx([2, 1], rel=1e-3)


def test_starting_from_singular_vectors_saves_products():
    layer = nn.Conv2d(8, 8, 3, padding=1)
    cold = singular_values(layer, (8, 12, 12), 2, tolerance=1e-5)

    warm = singular_values(layer, (8, 12, 12), 2, tolerance=1e-5, start=cold.vectors)

    assert warm.products < cold.products


@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("k", [1, 3, 8])
def test_values_beyond_the_rank_are_zero(rank, k):
    layer = nn.Linear(50, 40, bias=False).double()
    layer.weight.data = torch.randn(40, rank, dtype=torch.float64) @ torch.randn(rank, 50, dtype=torch.float64)

    found = singular_values(layer, (50,), k)

    # The square of a value is found to sixteen digits, so a zero to eight.
    assert found.values == pytest.approx(dense_values(layer, (50,), k), rel=1e-4, abs=1e-6)


def test_an_identity_has_values_one():
    layer = nn.Conv2d(2, 2, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight)

    assert singular_values(layer, (2, 7, 7), 5).values == pytest.approx([1] * 5, rel=1e-5)


def test_double_precision_finds_small_values_that_single_precision_does_not():
    layer = nn.Linear(30, 30, bias=False)
    layer.weight.data = torch.diag(10.0 ** -torch.arange(30))

    found = singular_values(layer, (30,), 5, dtype=torch.float64, tolerance=1e-6)

    assert found.values == pytest.approx([1, 1e-1, 1e-2, 1e-3, 1e-4], rel=1e-3)
    assert layer.weight.dtype == torch.float32


def test_the_limit_on_products_is_kept_and_reported():
    layer = nn.Conv2d(16, 16, 3, padding=1)

    found = singular_values(layer, (16, 12, 12), 1, limit=3)

    assert found.products == 3
    assert not found.converged
    assert found.values[0] < singular_values(layer, (16, 12, 12)).values[0]


def test_gradients_and_random_state_are_left_alone():
    layer = nn.Linear(5, 5)
    layer.weight.grad = torch.ones(5, 5)
    state = torch.get_rng_state()

    with torch.no_grad():
        singular_values(layer, (5,), 2)

    assert torch.equal(layer.weight.grad, torch.ones(5, 5))
    assert torch.equal(torch.get_rng_state(), state)


def test_mixed_precision_does_not_reach_the_computation():
    layer = nn.Linear(40, 40)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = singular_values(layer, (40,))

    assert found.values == pytest.approx(dense_values(layer, (40,), 1), rel=1e-4)


@pytest.mark.parametrize("k", [0, 4])
def test_more_values_than_inputs_are_refused(k):
    with pytest.raises(ValueError, match=rf"at most 3 singular values, asked for {k}"):
        singular_values(nn.Linear(3, 9), (3,), k)


def test_a_matrix_is_what_the_layer_does_without_its_bias():
    layer = nn.Linear(4, 3).double()

    assert torch.allclose(dense_matrix(layer, (4,)), layer.weight)


def test_a_matrix_too_large_to_form_is_refused():
    with pytest.raises(ValueError, match="16384 x 16384: too large"):
        dense_matrix(nn.Conv2d(16, 16, 1), (16, 32, 32))


def test_fourier_values_are_exact_for_circular_padding_and_stride_one():
    layer = convolution(0, 3, 1, 1, "circular", 1, 1)

    found = fourier_singular_values(layer.weight, (9, 9))

    assert found[:20] == pytest.approx(dense_values(layer, SHAPE, 20), rel=1e-9)


@pytest.mark.parametrize(("mode", "stride", "wrong_by"), [("zeros", 1, 0.01), ("circular", 2, 0.1)])
def test_fourier_values_are_wrong_elsewhere_where_power_qr_is_not(mode, stride, wrong_by):
    layer = convolution(0, 3, stride, 1, mode, 1, 1)
    expected = float(dense_values(layer, SHAPE, 1)[0])

    fourier = float(fourier_singular_values(layer.weight, (9, 9))[0])

    assert abs(fourier / expected - 1) > wrong_by
    assert singular_values(layer, SHAPE).values == pytest.approx([expected], rel=1e-3)


def test_the_largest_value_does_not_depend_on_the_seed():
    layer = nn.Conv2d(8, 8, 3, padding=1)

    values = [float(singular_values(layer, (8, 10, 10), seed=seed).values[0]) for seed in range(5)]

    assert max(values) - min(values) < 1e-3 * math.fsum(values) / 5
