"""FastClip and TRADES in a training loop that knows nothing but `Attached`."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from reference_methods.training.affine import affine_layers
from reference_methods.training.aids import Attached, FastClipAid, TradesAid
from reference_methods.training.spectrum import dense_matrix
from reference_methods.training.trades import worst_inputs


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def norms(network):
    return [float(torch.linalg.matrix_norm(dense_matrix(layer.module, layer.input_shape), 2))
            for layer in affine_layers(network, torch.zeros(1, 1, 6, 6))]


def train(aid, *, epochs=5, accumulate=1):
    """Return a network trained on a toy problem, its data, and the largest norm at each epoch's end."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.rand(120, 1, 6, 6, generator=generator)
    labels = (inputs.mean(dim=(1, 2, 3)) > 0.5).long()
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))
    attached = aid.attach(network, inputs[:1], 0) if aid else Attached()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    ends = []
    for _ in range(epochs):
        for number, rows in enumerate(torch.arange(120).split(20)):
            x, y = inputs[rows], labels[rows]
            loss = attached.loss(network, x, y, None) if attached.loss else nn.functional.cross_entropy(network(x), y)
            loss.backward()
            if (number + 1) % accumulate == 0:
                optimizer.step()
                optimizer.zero_grad()
                attached.after_step()
        attached.after_epoch()
        ends.append(max(norms(network)))
    return network.eval(), (inputs, labels), ends


@pytest.mark.parametrize("accumulate", [1, 3])
def test_fast_clip_keeps_every_epoch_within_the_limit(accumulate):
    _, _, free = train(None, accumulate=accumulate)
    _, _, clipped = train(FastClipAid(limit=0.6, every=2), accumulate=accumulate)

    assert min(free) > 0.7
    assert max(clipped) <= 0.6 * (1 + 1e-3)


def test_fast_clip_as_published_does_not():
    _, _, clipped = train(FastClipAid(limit=0.6, as_published=True))

    assert max(clipped) > 0.7


def test_trades_trains_networks_whose_predictions_change_less():
    settings = TradesAid(epsilon=0.05)
    changes = []
    for aid in (None, TradesAid(epsilon=0.05, beta=20)):
        network, (inputs, _), _ = train(aid, epochs=15)
        worst = worst_inputs(network, inputs, settings=settings, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            changes.append(float((network(worst) - network(inputs)).abs().mean()))

    assert changes[1] < 0.8 * changes[0]


def test_aids_are_reproducible():
    for aid in (FastClipAid(limit=0.6), TradesAid(steps=2)):
        torch.manual_seed(0)
        first, _, _ = train(aid, epochs=1)
        torch.manual_seed(0)
        second, _, _ = train(aid, epochs=1)

        assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


@pytest.mark.parametrize(("aid", "settings"), [
    (FastClipAid, {"limit": 0}), (FastClipAid, {"every": 0}), (FastClipAid, {"batch_norm": "clamp"}),
    (TradesAid, {"norm": "l1"}), (TradesAid, {"steps": 0}), (TradesAid, {"step_size": 0.0})])
def test_settings_that_make_no_sense_are_refused(aid, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        aid(**settings)


def test_looking_at_settings_loads_no_framework():
    program = "import sys, reference_methods.training.aids as aids; aids.TradesAid(); sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
