"""The training primitive: what ``fit`` minimises, what it may change and what it leaves alone."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from torch import nn

from adapters.torch_data import epoch_orders
from adapters.torch_model import TorchModel
from harness.errors import BadSetting
from harness.models import FitOptions, Parameters, TrainingSet, one_hot
from tests.adapters.conftest import factory_of, random_set

# A plain network is trained stacked, with closed-form gradients; the others by a loop with autograd.
NAMES = ["mlp", "small-cnn", "resnet18"]

OPTIONS = {
    "sgd": FitOptions(epochs=2, batch_size=16, lr=0.05),
    "no momentum": FitOptions(epochs=2, batch_size=16, lr=0.05, momentum=0.0),
    "nesterov": FitOptions(epochs=2, batch_size=16, lr=0.05, nesterov=True, weight_decay=0.01),
    "adam": FitOptions(epochs=2, batch_size=16, lr=0.001, optimizer="adam", weight_decay=0.01),
    "penalty": FitOptions(epochs=2, batch_size=16, lr=0.05, l1=1e-3, l1_schedule="decay"),
    "clipped": FitOptions(epochs=2, batch_size=16, lr=0.05, clip_gradient=0.1, l1=1e-3),
    "step": FitOptions(epochs=2, batch_size=16, lr=0.05, schedule="step", gamma=0.5),
}


def _plainly_trained(model: TorchModel, data: TrainingSet, options: FitOptions, seed: int) -> TorchModel:
    """The primitive as one would write it down first; knows only the options above."""
    module = model.native.train()
    if options.optimizer == "adam":
        optimizer: Any = torch.optim.Adam(module.parameters(), lr=options.lr, weight_decay=options.weight_decay)
    else:
        optimizer = torch.optim.SGD(module.parameters(), lr=options.lr, momentum=options.momentum,
                                    nesterov=options.nesterov, weight_decay=options.weight_decay)
    weights = torch.ones(len(data)) if data.weights is None else torch.tensor(data.weights)
    for epoch, order in enumerate(epoch_orders(len(data), options.epochs, seed)):
        if options.schedule == "step":
            optimizer.param_groups[0]["lr"] = options.lr * options.gamma ** epoch
        for rows in order.split(options.batch_size):
            logs = torch.log_softmax(module(torch.tensor(data.inputs)[rows]), 1)
            losses = -logs[torch.arange(len(rows)), torch.tensor(data.targets)[rows]]
            loss = (weights[rows] * losses).sum() / len(rows)
            penalty = options.l1 * (1 - epoch / options.epochs if options.l1_schedule == "decay" else 1)
            loss = loss + penalty * sum(parameter.abs().sum() for parameter in module.parameters())
            optimizer.zero_grad()
            loss.backward()
            if options.clip_gradient is not None:
                nn.utils.clip_grad_norm_(module.parameters(), options.clip_gradient)
            optimizer.step()
    return model.with_native(module)


def _assert_close(one: Parameters, two: Parameters, tolerance: float) -> None:
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=0, atol=tolerance, err_msg=name)


def _changed(one: Parameters, two: Parameters) -> set[str]:
    return {name for name in one if not np.array_equal(one[name], two[name])}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
@pytest.mark.parametrize("name", ["mlp", "small-cnn"])
def test_fit_is_the_primitive_written_down_plainly(name: str, options: FitOptions) -> None:
    data = random_set(40, weights=np.linspace(-0.5, 2, 40).astype(np.float32))
    model = factory_of(name).build(0)

    fitted = model.fit(data, options, seed=3)

    expected = _plainly_trained(model, data, options, seed=3)
    # Six steps of float32; Adam divides rounding errors of small gradients by themselves, so it is the least exact.
    _assert_close(fitted.parameters(), expected.parameters(), 1e-4 if options.optimizer == "adam" else 2e-6)
    assert _changed(fitted.parameters(), model.parameters()) == set(model.parameters())


def test_batch_norm_is_trained_in_training_mode() -> None:
    data, model = random_set(24), factory_of("resnet18").build(0)
    options = FitOptions(epochs=1, batch_size=12, lr=0.01)

    fitted = model.fit(data, options, seed=3).parameters()

    expected = _plainly_trained(model, data, options, seed=3).parameters()
    assert fitted["bn1.num_batches_tracked"] == 2
    _assert_close(fitted, expected, 1e-4)  # fused and channels-last: other orders of summation, through 20 layers


@pytest.mark.parametrize("name", NAMES)
def test_fit_leaves_the_model_as_it_was(name: str) -> None:
    model = factory_of(name).build(0)
    before = model.parameters()

    fitted = model.fit(random_set(), FitOptions(epochs=1), seed=0)

    assert _changed(before, model.parameters()) == set()
    assert _changed(before, fitted.parameters()) == set(before)


@pytest.mark.parametrize("name", NAMES)
def test_no_epochs_give_an_unchanged_copy(name: str) -> None:
    model = factory_of(name).build(0)

    copy = model.fit(random_set(), FitOptions(epochs=0), seed=0)

    assert copy is not model
    assert _changed(model.parameters(), copy.parameters()) == set()


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_everything(name: str) -> None:
    model = factory_of(name).build(0)
    options = FitOptions(epochs=2, batch_size=16, lr=0.01, augmentation=("crop", "flip"))

    first, again, other = (model.fit(random_set(), options, seed=seed).parameters() for seed in (1, 1, 2))

    assert _changed(first, again) == set()
    assert _changed(first, other)


@pytest.mark.parametrize("name", NAMES)
def test_global_random_state_is_untouched(name: str) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()

    factory_of(name).build(5).fit(random_set(), FitOptions(epochs=1, augmentation=("crop",)), seed=5)

    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()
    assert before[2] == random.getstate()
    assert not torch.backends.cudnn.deterministic


def test_dropout_is_decided_by_the_seed_and_not_by_global_state() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 4))
    model = TorchModel(network, 4, torch.device("cpu"))
    options = FitOptions(epochs=1)

    first = model.fit(random_set(), options, seed=1).parameters()
    torch.rand(1)
    again = model.fit(random_set(), options, seed=1).parameters()
    without = model.fit(random_set(), evolve(options, evaluation_mode=True), seed=1).parameters()

    assert _changed(first, again) == set()
    assert _changed(first, without)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", NAMES)
def test_masked_entries_stay_bit_identical(name: str, optimizer: str) -> None:
    model = factory_of(name).build(0)
    before = model.parameters()
    generator = np.random.default_rng(0)
    mask = {key: generator.random(value.shape) < 0.5 for key, value in before.items()}
    options = FitOptions(epochs=2, batch_size=16, lr=0.01, optimizer=optimizer, weight_decay=0.1, l1=0.01)

    after = model.fit(random_set(), options, seed=0, mask=mask).parameters()

    for key, allowed in mask.items():
        np.testing.assert_array_equal(after[key][~allowed], before[key][~allowed])
        assert (after[key] != before[key])[allowed].sum() >= 0.9 * allowed.sum()


def test_a_mask_that_allows_everything_changes_nothing() -> None:
    model = factory_of("small-cnn").build(0)
    options = FitOptions(epochs=1, clip_gradient=0.1)
    mask = {name: np.ones_like(value, bool) for name, value in model.parameters().items()}

    with_mask = model.fit(random_set(), options, seed=0, mask=mask).parameters()
    without = model.fit(random_set(), options, seed=0).parameters()

    for name, value in with_mask.items():
        # A mask needs autograd; without one the same sums are made in another order.
        assert value == pytest.approx(without[name], abs=1e-6)


def test_masks_of_another_network_are_refused() -> None:
    model = factory_of("mlp").build(0)

    with pytest.raises(ValueError, match=r"mask: .* unknown \['other'\]"):
        model.fit(random_set(), FitOptions(epochs=1), seed=0, mask={"other": np.ones(1, bool)})
    with pytest.raises(ValueError, match=r"mask: 'output.bias' has shape"):
        model.fit(random_set(), FitOptions(epochs=1), seed=0, mask={"output.bias": np.ones(1, bool)})


@pytest.mark.parametrize(("name", "trainable"), [
    ("mlp", ("output",)), ("small-cnn", ("output.bias",)), ("resnet18", ("fc", "layer4"))])
def test_only_what_is_named_trainable_changes(name: str, trainable: tuple[str, ...]) -> None:
    model = factory_of(name).build(0)
    options = FitOptions(epochs=1, weight_decay=0.1, l1=0.01, trainable=trainable)

    after = model.fit(random_set(), options, seed=0).parameters()

    named = {key for key in after if any(key == entry or key.startswith(f"{entry}.") for entry in trainable)}
    assert _changed(after, model.parameters()) == named


def test_freezing_does_not_outlast_the_fit() -> None:
    model = factory_of("small-cnn").build(0).fit(random_set(), FitOptions(epochs=1, trainable=("output",)), seed=0)

    again = model.fit(random_set(), FitOptions(epochs=1), seed=0)

    assert _changed(model.parameters(), again.parameters()) == set(model.parameters())


def test_prefixes_end_at_dots() -> None:
    with pytest.raises(BadSetting, match=r"trainable = \['out'\] names no parameter; known: hidden1.weight"):
        factory_of("mlp").build(0).fit(random_set(), FitOptions(epochs=1, trainable=("out",)), seed=0)


def test_evaluation_mode_keeps_batch_norm_statistics() -> None:
    model = factory_of("resnet18").build(0)

    after = model.fit(random_set(), FitOptions(epochs=1, evaluation_mode=True), seed=0).parameters()

    changed = _changed(after, model.parameters())
    assert "bn1.weight" in changed
    assert not any("running" in name or "batches" in name for name in changed)


@pytest.mark.parametrize("name", NAMES)
def test_soft_targets_of_certain_labels_are_labels(name: str) -> None:
    data, model = random_set(), factory_of(name).build(0)
    options = FitOptions(epochs=1, batch_size=20, lr=0.01)

    hard = model.fit(data, options, seed=0).parameters()
    soft = model.fit(evolve(data, targets=one_hot(np.asarray(data.targets), 4)), options, seed=0).parameters()

    _assert_close(hard, soft, 1e-5)  # the loss is summed over classes instead of picked


@pytest.mark.parametrize("name", NAMES)
def test_negative_weights_ascend(name: str) -> None:
    data, model = random_set(), factory_of(name).build(0)
    up = evolve(data, weights=-np.ones(40, np.float32))
    options = FitOptions(epochs=3, lr=0.01, evaluation_mode=True)

    def loss(of: TorchModel) -> float:
        logits = of.logits(data.inputs).astype(np.float64)
        return float((np.log(np.exp(logits).sum(1)) - logits[np.arange(40), data.targets]).mean())

    assert loss(model.fit(data, options, seed=0)) < loss(model) < loss(model.fit(up, options, seed=0))


@pytest.mark.parametrize("name", ["mlp", "small-cnn"])
def test_the_loss_is_averaged_over_the_batch_and_not_over_the_weights(name: str) -> None:
    data, model = random_set(8), factory_of(name).build(0)
    halved = evolve(data, weights=np.full(8, 0.5, np.float32))
    options = FitOptions(epochs=1, batch_size=8, lr=0.1)

    half_the_rate = model.fit(data, evolve(options, lr=0.05), seed=0).parameters()

    _assert_close(model.fit(halved, options, seed=0).parameters(), half_the_rate, 1e-6)  # rounding


@pytest.mark.parametrize("name", ["mlp", "small-cnn"])
def test_a_clipped_step_is_no_longer_than_its_limit(name: str) -> None:
    model = factory_of(name).build(0)
    options = FitOptions(epochs=1, batch_size=40, lr=1.0, momentum=0, clip_gradient=0.01)

    after, before = model.fit(random_set(), options, seed=0).parameters(), model.parameters()

    moved = np.sqrt(sum(float(((after[key] - before[key]) ** 2).sum()) for key in after))
    assert moved == pytest.approx(0.01, rel=1e-3)  # differences of float32 parameters


@pytest.mark.parametrize("name", ["mlp", "small-cnn"])
def test_divergence_ends_without_an_exception(name: str) -> None:
    up = random_set(weights=np.full(40, -1e6, np.float32))

    model = factory_of(name).build(0).fit(up, FitOptions(epochs=20, lr=1e6), seed=0)

    assert model.logits(up.inputs).shape == (40, 4)


def test_augmentation_touches_only_the_rows_it_may() -> None:
    model = factory_of("small-cnn").build(0)
    plain, augmented = FitOptions(epochs=1, batch_size=8), FitOptions(epochs=1, batch_size=8, augmentation=("crop",))
    protected = random_set(augment=np.zeros(40, bool))

    untouched = model.fit(protected, augmented, seed=0).parameters()

    assert _changed(untouched, model.fit(protected, plain, seed=0).parameters()) == set()
    assert _changed(untouched, model.fit(random_set(), augmented, seed=0).parameters())


@pytest.mark.parametrize(("options", "message"), [
    (FitOptions(epochs=1, lipschitz=1.0), "stands for the training aid 'fastclip', which is not configured"),
    (FitOptions(epochs=1, nesterov=True, momentum=0.0), "nesterov needs a momentum above 0"),
    (FitOptions(epochs=1, augmentation=("mixup",)), "'mixup' is not an augmentation"),
])
def test_options_that_do_not_fit_are_refused(options: FitOptions, message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        factory_of("mlp").build(0).fit(random_set(), options, seed=0)


def test_an_empty_training_set_is_refused() -> None:
    nothing = TrainingSet(inputs=np.zeros((0, 1, 8, 8), np.float32), targets=np.zeros(0, np.int64))

    with pytest.raises(ValueError, match="the training set is empty"):
        factory_of("mlp").build(0).fit(nothing, FitOptions(epochs=1), seed=0)
