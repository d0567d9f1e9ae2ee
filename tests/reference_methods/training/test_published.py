"""What the released FastClip does to singular values, including what it should not."""

import pytest
import torch
from torch import nn

from reference_methods.training.affine import affine_layers
from reference_methods.training.clipping import FastClip
from reference_methods.training.published import PublishedFastClip, gradient_step, power_iteration
from reference_methods.training.spectrum import dense_matrix, singular_values

IMAGE = torch.zeros(1, 2, 6, 6)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def norm(module, shape=(2, 6, 6)):
    return float(torch.linalg.matrix_norm(dense_matrix(module, shape), 2))


def steps(clip, count):
    for _ in range(count):
        clip.step()
    clip.clip()


def test_a_convolution_below_the_limit_is_raised_as_published_only():
    published, ours = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 3, 3, padding=1)
    limit = 1.5 * max(norm(published), norm(ours))
    before = norm(published), norm(ours)

    steps(PublishedFastClip(published, IMAGE, limit=limit, every=1), 3)
    steps(FastClip(ours, IMAGE, limit=limit, every=1), 3)

    assert norm(published) > before[0]
    assert norm(ours) == before[1]


def test_a_linear_layer_below_the_limit_is_left_alone_as_published_too():
    layer = nn.Linear(6, 3)
    before = layer.weight.detach().clone()

    steps(PublishedFastClip(layer, torch.zeros(1, 6), limit=2 * norm(layer, (6,)), every=1), 3)

    assert torch.equal(layer.weight, before)


def test_one_published_clip_does_not_reach_the_limit_and_one_of_ours_does():
    published = nn.Conv2d(2, 3, 3, padding=1)
    ours = nn.Conv2d(2, 3, 3, padding=1)
    ours.load_state_dict(published.state_dict())
    limit = 0.5 * norm(published)

    steps(PublishedFastClip(published, IMAGE, limit=limit, every=1), 1)
    steps(FastClip(ours, IMAGE, limit=limit, every=1), 1)

    assert norm(published) > 1.2 * limit
    assert norm(ours) <= limit * (1 + 1e-3)


def test_the_published_clip_waits_for_its_step():
    layer = nn.Conv2d(2, 3, 3, padding=1)
    before = layer.weight.detach().clone()
    clip = PublishedFastClip(layer, IMAGE, limit=0.1, every=3)

    steps(clip, 2)
    assert torch.equal(layer.weight, before)
    steps(clip, 1)
    assert not torch.equal(layer.weight, before)


def test_the_published_iteration_finds_the_largest_value():
    layer = nn.Conv2d(2, 3, 3, padding=1).double()

    _, value = power_iteration(layer, torch.randn(1, 2, 6, 6, dtype=torch.float64), 200)

    assert value == pytest.approx(float(singular_values(layer, (2, 6, 6)).values[0]), rel=1e-3)


def test_a_published_step_on_a_linear_layer_goes_its_share_of_the_way():
    layer, = affine_layers(nn.Linear(4, 4, bias=False).double(), torch.zeros(1, 4, dtype=torch.float64))
    layer.weight.data = torch.diag(torch.tensor([2.0, 1, 1, 1], dtype=torch.float64))

    gradient_step(layer, torch.eye(4, dtype=torch.float64)[:1], factor=0.5, step=0.35)

    # d/dw (w - 1)^2 = 2 at w = 2, so 2 - 0.35 * 2.
    assert layer.weight[0, 0].item() == pytest.approx(1.3)
