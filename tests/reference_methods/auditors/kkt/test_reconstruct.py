"""The search for candidates: the published procedure step by step, the default one by what it finds."""

import numpy as np
import pytest
import torch
from attrs import evolve

from reference_methods.auditors.kkt.network import read_network
from reference_methods.auditors.kkt.reconstruct import PUBLISHED, Options, PixelRange, floor_gradient, reconstruct
from reference_methods.auditors.kkt.span import image_span
from reference_methods.auditors.kkt.sweep import Restart, adaptive_sweep, published_sweep
from tests.reference_methods.auditors.kkt import double_backward
from tests.reference_methods.auditors.kkt.conftest import trained
from tests.reference_methods.auditors.kkt.test_stationarity import draw

RESTART = Restart(rate=0.05, multiplier_rate=0.01, spread=0.1, floor=0.2, sharpness=20.0)
UNIT = PixelRange(low=torch.tensor(-1.0, dtype=torch.float64), high=torch.tensor(1.0, dtype=torch.float64))


def test_the_published_procedure_is_momentum_on_the_double_backward_loss():
    network, *_ = draw(12, 9, 8, 1)

    found = reconstruct(network, 5, [RESTART], UNIT, seed=3, options=evolve(PUBLISHED, steps=30))

    generator = torch.Generator().manual_seed(3)
    x = (0.1 * torch.randn(1, 10, 12, generator=generator, dtype=torch.float64))[0].requires_grad_()
    multipliers = torch.rand(1, 10, generator=generator, dtype=torch.float64)[0].requires_grad_()
    labels = torch.tensor([0] * 5 + [1] * 5)
    optimizers = [torch.optim.SGD([x], lr=0.05, momentum=0.9), torch.optim.SGD([multipliers], lr=0.01, momentum=0.9)]
    for _ in range(30):
        for optimizer in optimizers:
            optimizer.zero_grad()
        double_backward.loss(network, x, multipliers, labels, 20.0, lambda_min=0.2, low=-1.0, high=1.0).backward()
        for optimizer in optimizers:
            optimizer.step()
    # 1e-9: rounding errors of thirty steps in double precision.
    assert torch.allclose(found.candidates[0], x.detach(), atol=1e-9)
    assert torch.allclose(found.multipliers[0], multipliers.detach(), atol=1e-9)


def test_the_floor_adds_five_times_the_squared_shortfall():
    multipliers = torch.tensor([[0.0, 0.1, 0.5]], requires_grad=True)
    (5 * (0.2 - multipliers).clamp_min(0).square()).sum().backward()

    assert floor_gradient(multipliers.detach(), torch.tensor([[0.2]])).tolist() == multipliers.grad.tolist()


def test_the_pixel_penalty_is_the_squared_distance_to_the_range():
    images = torch.tensor([-1.5, 0.0, 3.0])

    assert PixelRange(low=torch.tensor(-1.0), high=torch.tensor(1.0)).penalty_gradient(images).tolist() == [-1, 0, 4]


def test_adam_is_that_of_torch():
    network, *_ = draw(12, 9, 8, 3)
    options = Options(span=False, anneal=False, pixels="penalise", steps=1, tolerance=0)

    found = reconstruct(network, 6, [RESTART], UNIT, seed=3, options=options)

    start = 0.1 * torch.randn(1, 12, 12, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    # Adam's first step is the learning rate in each coordinate, whatever the gradient.
    assert torch.allclose((found.candidates - start).abs(), torch.tensor(0.05, dtype=torch.float64), atol=1e-6)


def test_the_same_seed_gives_the_same_candidates(original):
    network = read_network(original.parameters(), 64)
    runs = [reconstruct(network, 16, adaptive_sweep(2, 0), UNIT, seed=7, options=Options(steps=5)) for _ in range(2)]

    assert torch.equal(runs[0].candidates, runs[1].candidates)


def test_classes_share_the_candidates_equally():
    network, *_ = draw(12, 9, 8, 3)

    found = reconstruct(network, 6, [RESTART], UNIT, seed=0, options=Options(steps=1))

    assert found.labels.bincount().tolist() == [4, 4, 4]


def test_candidates_stay_in_the_range_of_pixels(original, data):
    images = torch.tensor(data.test.inputs).flatten(1)
    pixels = PixelRange(low=images.amin(dim=0), high=images.amax(dim=0))

    found = reconstruct(read_network(original.parameters(), 64), 16, adaptive_sweep(1, 0), pixels, seed=0,
                        options=Options(steps=50, span=False))

    assert bool((found.candidates <= pixels.high).all())
    assert bool((found.candidates >= pixels.low).all())


def test_a_restart_that_diverges_is_left_out_and_counted(original):
    wild = Restart(rate=1e30, multiplier_rate=1e30, spread=1.0, floor=0.1, sharpness=10.0)

    found = reconstruct(read_network(original.parameters(), 64), 16, [wild, RESTART], UNIT, seed=0,
                        options=evolve(PUBLISHED, steps=20))

    assert found.diverged == 1
    assert len(found.candidates) == len(found.residuals["W1"]) == 1


def test_the_search_ends_when_the_residuals_settle(original):
    idle = evolve(RESTART, rate=1e-12, multiplier_rate=1e-12)
    looks = []

    found = reconstruct(read_network(original.parameters(), 64), 16, [idle], UNIT, seed=0, on_check=looks.append,
                        options=Options(steps=1000, check_every=10))

    assert found.steps == 20
    assert [look.step for look in looks] == [10, 20]


def test_the_prior_stage_stays_within_reach_of_the_first(original):
    network = read_network(original.parameters(), 64, torch.float64)
    options = Options(steps=40, span=False)

    first = reconstruct(network, 16, [RESTART], UNIT, seed=0, options=options)
    second = reconstruct(network, 16, [RESTART], UNIT, seed=0, options=evolve(options, prior_steps=40, reach=0.02))

    moved = (second.candidates - first.candidates).abs().max().item()
    assert 0.001 < moved <= 0.02 + 1e-12
    outputs = [network.outputs_of(found.candidates).amax(dim=-1).mean().item() for found in (first, second)]
    assert outputs[1] > outputs[0]


def test_training_images_lie_in_the_span_and_others_do_not(original, data):
    span = image_span(read_network(original.parameters(), 64, torch.float64), train_size=16)
    seen, unseen = (torch.tensor(images, dtype=torch.float64).flatten(1)
                    for images in (data.train.inputs, data.test.inputs[:16]))
    outside = [((x - x @ span.basis.T @ span.basis).norm(dim=1) / x.norm(dim=1)).median().item()
               for x in (seen, unseen)]

    assert len(span.basis) <= 16
    assert outside[0] < 0.15
    assert outside[1] > 0.35


def test_training_images_come_back(original, data):
    network = read_network(original.parameters(), 64)
    images = torch.tensor(data.test.inputs).flatten(1)
    pixels = PixelRange(low=images.amin(dim=0), high=images.amax(dim=0))

    found = reconstruct(network, 16, adaptive_sweep(2, 0), pixels, seed=0, options=Options(steps=300))

    seen = best_correlations(data.train.inputs, found.candidates)
    unseen = best_correlations(data.test.inputs[:200], found.candidates)
    assert np.median(seen) > np.quantile(unseen, 0.8)


def best_correlations(images, candidates):
    bank = candidates.flatten(0, 1).numpy()
    return np.corrcoef(images.reshape(len(images), -1), bank)[:len(images), len(images):].max(axis=1)


@pytest.mark.parametrize("sweep", [published_sweep, adaptive_sweep])
def test_a_sweep_is_decided_by_its_seed(sweep):
    assert sweep(4, 1) == sweep(4, 1)
    assert sweep(4, 1) != sweep(4, 2)
    assert len(set(sweep(4, 1))) == 4


def test_a_start_near_zero_leaves_every_training_image_in_the_span(data):
    tiny = trained(data.train.inputs, data.train.labels, seed=0, first_scale=1e-6)

    span = image_span(read_network(tiny.parameters(), 64, torch.float64), train_size=16)

    images = torch.tensor(data.train.inputs, dtype=torch.float64).flatten(1)
    outside = (images - images @ span.basis.T @ span.basis).norm(dim=1) / images.norm(dim=1)
    assert len(span.basis) == 16
    # What single precision and a start of 1e-6 leave of images whose direction is faint.
    assert outside.max() < 0.05
    assert span.weights[0] == pytest.approx(1)
    assert span.weights.max() <= 100
