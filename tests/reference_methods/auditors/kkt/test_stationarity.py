"""The closed form against automatic differentiation of a gradient, and against what the conditions say."""

from itertools import pairwise

import pytest
import torch

from reference_methods.auditors.kkt.network import ReluNetwork
from reference_methods.auditors.kkt.stationarity import Stationarity
from tests.reference_methods.auditors.kkt import double_backward

SHARPNESS = (3.0, 10.0, 50.0)


def draw(*widths, count=10, dtype=torch.float64, bias=True):
    """Return a network with random weights, and candidates, multipliers and labels for three restarts."""
    generator = torch.Generator().manual_seed(sum(widths))
    weights = tuple(torch.randn(b, a, generator=generator, dtype=dtype) / a**0.5
                    for a, b in pairwise(widths))
    first = torch.randn(widths[1], generator=generator, dtype=dtype) if bias else None
    network = ReluNetwork(weights=weights, bias=first)
    candidates = torch.randn(3, count, widths[0], generator=generator, dtype=dtype)
    multipliers = torch.rand(3, count, generator=generator, dtype=dtype)
    labels = torch.randint(0, network.classes, (count,), generator=generator)
    return network, candidates, multipliers, labels


def stationarity(network, labels, dtype=torch.float64, **given):
    return Stationarity(network=network, labels=labels, sharpness=torch.tensor(SHARPNESS, dtype=dtype)[:, None, None],
                        **given)


# Narrow layers are multiplied directly, wide ones through Gram matrices.
@pytest.mark.parametrize("widths", [(12, 1), (12, 9, 1), (12, 9, 8, 1), (12, 9, 8, 5), (12, 60, 50, 3)])
@pytest.mark.parametrize("prior", [0.0, 0.3])
def test_gradients_are_those_of_double_backward(widths, prior):
    network, candidates, multipliers, labels = draw(*widths)

    by_candidate, by_multiplier = stationarity(network, labels).gradients(candidates, multipliers, prior)

    for restart, sharpness in enumerate(SHARPNESS):
        x, weights = (value[restart].clone().requires_grad_() for value in (candidates, multipliers))
        double_backward.loss(network, x, weights, labels, sharpness, prior=prior).backward()
        # 1e-12: both sum the same few hundred products of order one in double precision.
        assert torch.allclose(by_candidate[restart], x.grad, atol=1e-12)
        assert torch.allclose(by_multiplier[restart], weights.grad, atol=1e-12)


def test_single_precision_agrees_to_five_digits():
    network, candidates, multipliers, labels = draw(30, 40, 40, 10, count=40, dtype=torch.float32)

    by_candidate, _ = stationarity(network, labels, torch.float32).gradients(candidates, multipliers)

    x = candidates[0].clone().requires_grad_()
    double_backward.loss(network, x, multipliers[0], labels, SHARPNESS[0]).backward()
    assert (by_candidate[0] - x.grad).norm() <= 1e-5 * x.grad.norm()


def test_a_network_without_bias_is_served_too():
    network, candidates, multipliers, labels = draw(6, 5, 2, bias=False)

    by_candidate, _ = stationarity(network, labels).gradients(candidates, multipliers)

    x = candidates[0].clone().requires_grad_()
    double_backward.loss(network, x, multipliers[0], labels, SHARPNESS[0]).backward()
    assert torch.allclose(by_candidate[0], x.grad, atol=1e-12)


def test_input_weights_weigh_the_squares_of_the_first_matrix():
    network, candidates, multipliers, labels = draw(6, 5, 4, 3)
    weights = torch.linspace(0.2, 2, 6, dtype=torch.float64)
    # So steep that the smoothed derivative is the true one, which differences see, wherever no unit is at its kink.
    steep = torch.full((3, 1, 1), 1e9, dtype=torch.float64)
    weighted = Stationarity(network=network, labels=labels, sharpness=steep, input_weights=weights)

    def loss(x):
        explained = weighted.explained(weighted.passes(x, multipliers))
        squares = {name: (value[0] - network.parameters[name]).square() for name, value in explained.items()}
        return (squares.pop("W1") * weights).sum() + sum(value.sum() for value in squares.values())

    gradient, _ = weighted.gradients(candidates, multipliers)

    for index in ((0, 0, 0), (0, 4, 3), (0, 9, 5)):
        step = torch.zeros_like(candidates)
        step[index] = 1e-6
        slope = (loss(candidates + step) - loss(candidates - step)) / 2e-6
        # Central differences of a piecewise quartic with this step are good to about eight digits.
        assert gradient[index].item() == pytest.approx(slope.item(), rel=1e-6)


def test_residuals_are_the_loss_by_parameter():
    network, candidates, multipliers, labels = draw(6, 5, 4, 3)

    residuals = stationarity(network, labels).residuals(candidates, multipliers)

    assert list(residuals) == ["W1", "b1", "W2", "W3"]
    total = sum(value[1].item() for value in residuals.values())
    expected = double_backward.loss(network, candidates[1], multipliers[1], labels, SHARPNESS[1]).item()
    assert total == pytest.approx(expected, rel=1e-12)


def test_restarts_do_not_touch_each_other():
    network, candidates, multipliers, labels = draw(6, 5, 4, 3)
    together, _ = stationarity(network, labels).gradients(candidates, multipliers)

    alone = Stationarity(network=network, labels=labels, sharpness=torch.full((1, 1, 1), SHARPNESS[2])).gradients(
        candidates[2:], multipliers[2:])[0]

    assert torch.allclose(together[2], alone[0], atol=1e-12)


def linear(scale=1.0):
    """Return a linear classifier whose weights are (1/m) sum_i lambda_i y_i x_i, with these x and lambda."""
    _, candidates, multipliers, labels = draw(7, 1)
    signs = 2.0 * labels - 1
    weights = (scale * multipliers[0] * signs) @ candidates[0] / len(labels)
    return ReluNetwork(weights=(weights[None],)), candidates[:1], scale * multipliers[:1], labels


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_linear_classifier_made_of_its_candidates_has_no_residual_at_any_scale(scale):
    network, candidates, multipliers, labels = linear(scale)

    residuals = Stationarity(network=network, labels=labels, sharpness=torch.ones(1, 1, 1)).residuals(
        candidates, multipliers)

    assert residuals["W1"].item() == pytest.approx(0, abs=1e-12)
