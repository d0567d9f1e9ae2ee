"""TRADES: its divergence, its ball and its loss."""

import math

import pytest
import torch
from torch import nn

from reference_methods.training.aids import TradesAid
from reference_methods.training.trades import divergences, trades_loss, worst_inputs


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))


@pytest.fixture
def inputs():
    return torch.rand(6, 3, 2, 2)


LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def seed(number=0):
    return torch.Generator().manual_seed(number)


def test_the_divergence_is_kullback_leiblers_from_clean_to_perturbed():
    clean = torch.tensor([[math.log(3.0), 0.0]])
    other = torch.tensor([[0.0, 0.0]])

    assert divergences(clean, other).item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), rel=1e-6)
    assert divergences(clean, clean + 5).item() == pytest.approx(0, abs=1e-6)


def test_the_divergence_over_the_batch_is_torchs_batchmean():
    clean, other = torch.randn(5, 4), torch.randn(5, 4)

    expected = nn.functional.kl_div(other.log_softmax(1), clean.softmax(1), reduction="batchmean")

    assert divergences(clean, other).mean().item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("pixels", [True, False])
def test_perturbed_inputs_stay_in_the_ball_and_among_pixels(network, inputs, norm, pixels):
    settings = TradesAid(norm=norm, epsilon=0.4, pixels=pixels)

    worst = worst_inputs(network, inputs, settings=settings, generator=seed())

    order = math.inf if norm == "linf" else 2
    lengths = torch.linalg.vector_norm((worst - inputs).flatten(1), ord=order, dim=1)
    # Single precision.
    assert lengths.max() <= 0.4 * (1 + 1e-5)
    assert lengths.max() > 0.2
    assert bool(((worst >= 0) & (worst <= 1)).all()) == pixels


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_perturbed_inputs_change_predictions_more_than_random_ones(network, inputs, norm):
    network.eval()
    settings = TradesAid(norm=norm, epsilon=0.2, pixels=False)

    worst = worst_inputs(network, inputs, settings=settings, generator=seed())

    noise = torch.randn(inputs.shape)
    noise = noise.sign() if norm == "linf" else noise / noise.flatten(1).norm(dim=1)[:, None, None, None]
    random = divergences(network(inputs), network(inputs + 0.2 * noise)).mean()
    assert divergences(network(inputs), network(worst)).mean() > 2 * random


def test_the_search_ends_on_the_boundary_of_the_ball(network, inputs):
    worst = worst_inputs(network, inputs, settings=TradesAid(epsilon=0.1, pixels=False), generator=seed())

    # Ten steps of 7/31 of the radius reach it wherever the gradient keeps its sign.
    assert ((worst - inputs).abs() > 0.099).float().mean() > 0.8


def test_without_a_robust_term_the_loss_is_cross_entropy(network, inputs):
    network.eval()

    loss = trades_loss(network, inputs, LABELS, settings=TradesAid(beta=0), generator=seed())

    assert loss.item() == pytest.approx(nn.functional.cross_entropy(network(inputs), LABELS).item())


def test_the_loss_is_clean_plus_beta_times_robust(network, inputs):
    network.eval()
    settings = TradesAid(beta=3, epsilon=0.2)
    worst = worst_inputs(network, inputs, settings=settings, generator=seed())

    loss = trades_loss(network, inputs, LABELS, settings=settings, generator=seed())

    robust = divergences(network(inputs), network(worst)).mean()
    assert loss.item() == pytest.approx((nn.functional.cross_entropy(network(inputs), LABELS) + 3 * robust).item())


def test_weights_are_signed_and_divided_by_the_batch(network, inputs):
    network.eval()
    settings = TradesAid(epsilon=0.2)
    weights = torch.tensor([1.0, 0, 0, 0, 0, -2])

    def losses(rows):
        return trades_loss(network, inputs[rows], LABELS[rows], weights[rows], settings=settings, generator=seed())

    # The search starts elsewhere for another batch, which moves its end a little.
    expected = (losses(slice(0, 1)) + losses(slice(5, 6))) / 6
    assert losses(slice(0, 6)).item() == pytest.approx(expected.item(), rel=0.02)


def test_soft_targets_are_taken(network, inputs):
    network.eval()
    soft = nn.functional.one_hot(LABELS, 3).float()

    losses = [trades_loss(network, inputs, targets, settings=TradesAid(), generator=seed()).item()
              for targets in (LABELS, soft)]

    assert losses[0] == pytest.approx(losses[1])


def test_gradients_flow_through_clean_and_perturbed_predictions(network, inputs):
    network.eval()
    settings = TradesAid(beta=1, epsilon=0.2)
    worst = worst_inputs(network, inputs, settings=settings, generator=seed())

    trades_loss(network, inputs, LABELS, settings=settings, generator=seed()).backward()

    parameters = list(network.parameters())
    clean, other = network(inputs), network(worst)
    expected = torch.autograd.grad(nn.functional.cross_entropy(clean, LABELS) + divergences(clean, other).mean(),
                                   parameters)
    assert all(torch.allclose(parameter.grad, gradient, atol=1e-6)
               for parameter, gradient in zip(parameters, expected, strict=True))


def test_the_search_leaves_gradients_modes_and_statistics_alone(inputs):
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3)).train()
    network[1].eval()
    before = network[1].running_mean.clone()

    worst_inputs(network, inputs, settings=TradesAid(), generator=seed())

    assert all(parameter.grad is None for parameter in network.parameters())
    assert network.training
    assert not network[1].training
    assert torch.equal(network[1].running_mean, before)


def test_the_generator_decides(network, inputs):
    draws = [worst_inputs(network, inputs, settings=TradesAid(steps=1), generator=seed(number)) for number in (0, 0, 1)]

    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_the_default_step_is_that_of_the_released_code(network, inputs):
    settings = TradesAid(pixels=False, steps=1)

    worst = worst_inputs(network, inputs, settings=settings, generator=seed())

    start = 1e-3 * torch.randn(inputs.shape, generator=seed())
    # 0.007 in each direction, from the start.
    assert (worst - inputs - start).abs().max().item() == pytest.approx(0.007, rel=1e-4)
