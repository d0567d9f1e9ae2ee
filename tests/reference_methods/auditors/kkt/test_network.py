"""Which parameters are a homogeneous network, and what it computes."""

import numpy as np
import pytest
import torch

from reference_methods.auditors.kkt.network import NotHomogeneous, ReluNetwork, competing_directions, read_network

PARAMETERS = {"hidden1.weight": np.ones((3, 2)), "hidden1.bias": np.ones(3), "output.weight": np.ones((4, 3))}


def test_a_chain_of_matrices_with_a_first_bias_is_read():
    network = read_network(PARAMETERS, 2, torch.float64)

    assert (network.inputs, network.outputs, network.classes) == (2, 4, 4)
    assert list(network.parameters) == ["W1", "b1", "W2"]
    assert network.parameters["b1"].dtype == torch.float64


def test_one_output_stands_for_two_classes():
    assert read_network({"w": np.ones((1, 2))}, 2).classes == 2


@pytest.mark.parametrize(("change", "message"), [
    ({"output.bias": np.ones(4)}, "'output.bias' is a bias after the first layer"),
    ({"bn.weight": np.ones(3)}, "'bn.weight' of shape"),
    ({"conv.weight": np.ones((3, 3, 2, 2))}, "'conv.weight' of shape"),
    ({"scale": np.array(2.0)}, "'scale' of shape"),
    ({"output.weight": np.ones((4, 5))}, "layer 1 has 3 outputs but layer 2 takes 5"),
])
def test_anything_else_is_refused_with_its_name(change, message):
    with pytest.raises(NotHomogeneous, match=message):
        read_network({**PARAMETERS, **change}, 2)


def test_no_matrix_at_all_is_refused():
    with pytest.raises(NotHomogeneous, match="no weight matrix"):
        read_network({}, 2)


def test_matrices_may_be_stored_either_way_round():
    turned = {name: value.T for name, value in PARAMETERS.items()}

    weights = read_network(turned, 2).weights

    assert [tuple(weight.shape) for weight in weights] == [(3, 2), (4, 3)]


def test_a_first_matrix_for_other_inputs_is_refused():
    with pytest.raises(NotHomogeneous, match="does not take inputs of 7 values"):
        read_network(PARAMETERS, 7)


def test_scaling_all_parameters_scales_the_outputs_by_the_power_of_the_depth():
    generator = torch.Generator().manual_seed(0)
    weights = tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((5, 3), (4, 5), (2, 4)))
    network = ReluNetwork(weights=weights, bias=torch.ones(5, dtype=torch.float64))
    scaled = ReluNetwork(weights=tuple(2 * weight for weight in weights), bias=2 * network.bias)
    inputs = torch.randn(6, 3, generator=generator, dtype=torch.float64)

    assert torch.allclose(scaled.outputs_of(inputs), 8 * network.outputs_of(inputs))


def test_the_margin_is_to_the_best_competing_class():
    network = ReluNetwork(weights=(torch.eye(3),))

    assert network.margins(torch.tensor([[5.0, 1.0, 2.0]]), torch.tensor([0])).item() == 3.0
    assert network.margins(torch.tensor([[5.0, 1.0, 2.0]]), torch.tensor([1])).item() == -4.0


def test_a_single_output_has_the_sign_of_the_label():
    outputs = torch.tensor([[2.0], [2.0]])

    assert competing_directions(outputs, torch.tensor([0, 1])).tolist() == [[-1.0], [1.0]]
