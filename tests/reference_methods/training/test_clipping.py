"""FastClip's promises: at the limit, never raised, idempotent, beside training."""

import copy

import pytest
import torch
from torch import nn

from reference_methods.training.affine import affine_layers
from reference_methods.training.clipping import FastClip
from reference_methods.training.spectrum import dense_matrix

IMAGE = torch.zeros(1, 2, 8, 8)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def small_network(*, batch_norm=False):
    norm = [nn.BatchNorm2d(4)] if batch_norm else []
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), *norm, nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU(),
        nn.Conv2d(4, 4, 3, stride=2, dilation=2, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))


def norms(network, inputs=IMAGE, **options):
    return [float(torch.linalg.matrix_norm(dense_matrix(layer.module, layer.input_shape), 2))
            for layer in affine_layers(network, inputs, **options)]


def weights(network):
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("limit", [0.3, 0.9])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_after_clipping_no_layer_is_above_the_limit(limit, batch_norm):
    network = small_network(batch_norm=batch_norm)
    assert max(norms(network)) > limit

    FastClip(network, IMAGE, limit=limit).clip()

    assert max(norms(network)) <= limit * (1 + 1e-3)


def test_layers_are_clipped_at_the_limit_and_not_below():
    network = small_network()
    limit = sorted(norms(network))[2]
    expected = [min(norm, limit) for norm in norms(network)]

    FastClip(network, IMAGE, limit=limit).clip()

    # What clipping is allowed to be wrong by.
    assert norms(network) == pytest.approx(expected, rel=1e-3)


def test_layers_below_the_limit_keep_every_bit():
    network = small_network()
    before, limit = weights(network), sorted(norms(network))[2] * 1.01
    below = [index for index, norm in zip((0, 2, 4, 6, 9), norms(network), strict=True) if norm <= limit]

    FastClip(network, IMAGE, limit=limit).clip()

    assert 0 < len(below) < 5
    assert all(torch.equal(network[index].weight, before[f"{index}.weight"]) for index in below)


def test_clipping_twice_is_clipping_once():
    network = small_network()
    clip = FastClip(network, IMAGE, limit=0.5)
    clip.clip()
    once = weights(network)

    clip.clip()
    FastClip(network, IMAGE, limit=0.5, seed=7).clip()

    assert all(torch.equal(value, once[name]) for name, value in network.state_dict().items())


def test_only_weights_change():
    network = small_network(batch_norm=True)
    before = weights(network)

    FastClip(network, IMAGE, limit=0.5).clip()

    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"1.weight", "3.weight", "5.weight", "7.weight", "10.weight"}


def test_ignoring_batch_norm_clips_the_convolution_alone():
    network = small_network(batch_norm=True)
    network[1].weight.data.fill_(5)

    FastClip(network, IMAGE, limit=0.5, batch_norm="ignore").clip()

    assert max(norms(network, batch_norm="ignore")) <= 0.5 * (1 + 1e-3)
    assert norms(network)[0] > 1


def test_frozen_layers_are_left_alone():
    network = small_network()
    network[0].weight.requires_grad_(False)
    before = weights(network)

    clip = FastClip(network, IMAGE, limit=0.1)
    clip.clip()

    assert "0" not in {layer.name for layer in clip.layers}
    assert torch.equal(network[0].weight, before["0.weight"])


def test_a_weight_that_is_used_twice_is_within_the_limit_at_both_places():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, inputs):
            return self.conv(self.conv(inputs)[..., ::2, ::2])

    network = Twice()

    FastClip(network, IMAGE, limit=0.2).clip()

    assert len(norms(network)) == 2
    assert max(norms(network)) <= 0.2 * (1 + 1e-3)


def test_layers_that_share_a_weight_are_clipped_at_the_limit_and_not_below():
    network = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    network[2].weight = network[0].weight

    FastClip(network, torch.zeros(1, 6), limit=0.5).clip()

    assert norms(network, torch.zeros(1, 6)) == pytest.approx([0.5, 0.5], rel=1e-3)


def test_a_layer_that_has_diverged_stops_nothing():
    network = small_network()
    network[2].weight.data[0, 0, 0, 0] = torch.nan
    clip = FastClip(network, IMAGE, limit=0.5, every=1)

    clip.step()
    clip.clip()

    assert torch.isnan(network[2].weight).sum() == 1
    assert norms(network[0])[0] <= 0.5 * (1 + 1e-3)


def trained(clip_with, *, every=1, epochs=2, network=None):
    """Train on noise that pulls norms up; return the network and its norms at the ends of epochs."""
    network = network or small_network()
    generator = torch.Generator().manual_seed(0)
    inputs, labels = torch.randn(64, 2, 8, 8, generator=generator), torch.arange(64) % 3
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    clip = FastClip(network, inputs[:1], limit=0.7, every=every) if clip_with else None
    ends = []
    for _ in range(epochs):
        for rows in torch.arange(64).split(16):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs[rows]), labels[rows]).backward()
            optimizer.step()
            if clip:
                clip.step()
        if clip:
            clip.clip()
        ends.append(max(norms(network)))
    return network, ends


def test_every_epoch_of_training_ends_within_the_limit():
    _, free = trained(False)
    _, clipped = trained(True)

    assert min(free) > 0.8
    assert max(clipped) <= 0.7 * (1 + 1e-3)


def test_steps_lower_what_training_raises_before_the_epoch_ends():
    network = small_network()
    clip = FastClip(network, IMAGE, limit=0.7, every=2)
    before = max(norms(network))

    clip.step()
    assert max(norms(network)) == before
    clip.step()

    assert max(norms(network)) < before


def test_training_with_clipping_is_reproducible():
    network = small_network()

    first, _ = trained(True, network=copy.deepcopy(network))
    second, _ = trained(True, network=copy.deepcopy(network))

    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


def test_gradients_modes_and_random_state_are_left_alone():
    network = small_network(batch_norm=True).train()
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    state = torch.get_rng_state()

    clip = FastClip(network, IMAGE, limit=0.1, every=1)
    clip.step()
    clip.clip()

    assert all(torch.equal(parameter.grad, torch.ones_like(parameter)) for parameter in network.parameters())
    assert all(part.training for part in network.modules())
    assert torch.equal(torch.get_rng_state(), state)
    assert not network.state_dict().keys() ^ small_network(batch_norm=True).state_dict().keys()


def test_clipping_under_mixed_precision_and_no_grad_is_as_exact():
    network = small_network()

    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        FastClip(network, IMAGE, limit=0.5).clip()

    assert max(norms(network)) <= 0.5 * (1 + 1e-3)


@pytest.mark.parametrize("settings", [{"limit": 0.0}, {"every": 0}, {"tolerance": 0.0}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match="must be positive"):
        FastClip(small_network(), IMAGE, **settings)
