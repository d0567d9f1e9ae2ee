"""Where the affine layers of a network are, and which batch norm follows which."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from reference_methods.training.affine import affine_layers, alike, evaluating

IMAGE = torch.zeros(1, 3, 8, 8)


class Shared(nn.Module):
    """Applies one convolution to an image and to its half."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, inputs):
        return self.conv(self.conv(inputs)[:, :, ::2, ::2])


def names(network, **options):
    return [layer.name for layer in affine_layers(network, IMAGE, **options)]


def network(*between):
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *between, nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                         nn.Linear(256, 2))


def test_layers_come_in_order_of_use_with_their_input_shapes():
    found = affine_layers(network(), IMAGE)

    assert [(layer.name, layer.input_shape) for layer in found] == [("0+1", (3, 8, 8)), ("4", (256,))]


def test_batch_norm_joins_the_convolution_whose_output_it_reads_and_is_what_moves():
    module = network()

    layer = affine_layers(module, IMAGE)[0]

    assert list(layer.module) == [module[0], module[1]]
    assert layer.weight is module[1].weight


def test_batch_norm_without_a_weight_leaves_the_convolution_to_be_moved():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False))

    assert affine_layers(module, IMAGE)[0].weight is module[0].weight


@pytest.mark.parametrize("inplace", [False, True])
def test_batch_norm_behind_a_nonlinearity_belongs_to_no_layer(inplace):
    assert names(network(nn.ReLU(inplace=inplace))) == ["0", "5"]


def test_batch_norm_can_be_ignored():
    assert names(network(), batch_norm="ignore") == ["0", "4"]


def test_a_layer_used_on_two_shapes_comes_twice():
    assert [layer.input_shape for layer in affine_layers(Shared(), IMAGE)] == [(3, 8, 8), (3, 4, 4)]


def test_a_linear_layer_is_taken_for_one_position():
    assert affine_layers(nn.Linear(8, 2), IMAGE)[0].input_shape == (8,)


def test_looking_changes_neither_modes_nor_running_statistics():
    module = network().train()
    module[1].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}

    affine_layers(module, IMAGE + 1)

    assert module.training
    assert not module[1].training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_computed_weights_are_refused_by_name():
    with pytest.raises(ValueError, match="layer '0' computes its weight"):
        affine_layers(nn.Sequential(parametrizations.weight_norm(nn.Linear(8, 2))), IMAGE)


def test_alike_layers_differ_in_parameters_only():
    module = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1))

    groups = alike(affine_layers(module, IMAGE))

    assert [[layer.name for layer in group] for group in groups] == [["0", "1"], ["2"]]


def test_modes_come_back_when_the_block_fails():
    module = network().train()

    with pytest.raises(KeyError), evaluating(module):
        raise KeyError

    assert all(part.training for part in module.modules())
