"""Softmax regression in NumPy: against PyTorch, against finite differences, and against its contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adapters.linear_adapter import LINEAR, LinearAdapter
from adapters.linear_gradients import BIAS, WEIGHT
from adapters.linear_model import LinearFactory, LinearModel
from harness.errors import BadSetting
from harness.models import CAPABILITIES, Adapter, Architecture, FitOptions, FleetTrainable, TrainingSet, capabilities
from tests.adapters.conftest import factory_of, random_set

OPTIONS = FitOptions(epochs=3, batch_size=8, lr=0.1)


def linear(**settings: Any) -> LinearFactory:
    """Return a factory for 8x8 images of four classes."""
    factory = LinearAdapter().factory(LINEAR, (1, 8, 8), 4, settings, "cpu")
    assert isinstance(factory, LinearFactory)
    return factory


def test_the_adapter_fulfils_its_contracts() -> None:
    assert isinstance(LinearAdapter(), Adapter)
    assert isinstance(LINEAR, Architecture)
    assert isinstance(linear(), FleetTrainable)
    assert LinearAdapter.capabilities == capabilities(linear().build(0)) | {"fit-many"}
    assert LinearAdapter.capabilities == set(CAPABILITIES) - {"native-torch"} | {"fit-many"}


@pytest.mark.parametrize("options", [
    {"lr": 0.2, "momentum": 0.0}, {"lr": 0.1, "weight_decay": 0.01, "nesterov": True},
    {"lr": 0.01, "optimizer": "adam", "weight_decay": 0.01}, {"lr": 0.1, "schedule": "cosine", "warmup_epochs": 2},
    {"lr": 0.1, "l1": 0.01, "l1_schedule": "decay"}, {"lr": 0.5, "clip_gradient": 0.05},
    {"lr": 0.1, "trainable": ("output.weight",)}, {"lr": 0.1, "trainable": ("output",), "evaluation_mode": True},
], ids=lambda options: "-".join(options))
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "soft and signed"])
def test_full_batches_end_where_torch_ends(options: dict[str, Any], soft: bool) -> None:
    data = random_set(size=30)
    if soft:
        random = np.random.default_rng(5)
        data = random_set(size=30, targets=random.dirichlet(np.ones(4), 30).astype(np.float32),
                          weights=random.normal(0.5, 1, 30).astype(np.float32))
    chosen = FitOptions(epochs=8, batch_size=30, **options)
    start = factory_of("mlp", hidden=[]).build(1)

    theirs = start.fit(data, chosen, seed=0).parameters()
    ours = linear().build(0).with_parameters(start.parameters()).fit(data, chosen, seed=0).parameters()

    # float32 sums in another order, over eight steps.
    for name in (WEIGHT, BIAS):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=2e-6)


def test_gradients_of_parameters_and_inputs_are_torchs() -> None:
    data, labels = random_set(size=20, weights=np.linspace(-1, 2, 20, dtype=np.float32)), np.arange(20) % 4
    network = factory_of("mlp", hidden=[]).build(1)
    model = linear().build(0).with_parameters(network.parameters())

    for name, gradient in network.loss_gradients(data).items():
        np.testing.assert_allclose(model.loss_gradients(data)[name], gradient, atol=1e-6)  # float32 sums
    for ours, theirs in zip(model.input_gradients(data.inputs, labels),
                            network.input_gradients(data.inputs, labels), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_array_equal(model.features(data.inputs), network.features(data.inputs))


def test_training_learns_and_leaves_the_model_as_it_was() -> None:
    data, model = random_set(size=200), linear().build(0)
    before = model.parameters()

    trained = model.fit(data, FitOptions(epochs=60, batch_size=16, lr=0.5), seed=1)

    assert np.mean(trained.logits(data.inputs).argmax(1) == data.targets) > 0.95
    for name, values in before.items():
        np.testing.assert_array_equal(model.parameters()[name], values)


def test_the_seed_decides_the_parameters_and_the_order() -> None:
    data, model = random_set(), linear().build(0)

    def weights(built: int, seed: int) -> Any:
        return linear().build(built).fit(data, OPTIONS, seed).parameters()[WEIGHT]

    np.testing.assert_array_equal(weights(0, 1), weights(0, 1))
    assert not np.array_equal(weights(0, 1), weights(0, 2))
    assert not np.array_equal(model.parameters()[WEIGHT], linear().build(1).parameters()[WEIGHT])
    assert not linear(scale=0).build(0).parameters()[WEIGHT].any()


def test_no_epochs_change_nothing() -> None:
    model = linear().build(0)
    same = model.fit(random_set(), FitOptions(epochs=0), seed=0)

    np.testing.assert_array_equal(same.parameters()[WEIGHT], model.parameters()[WEIGHT])


def test_masked_entries_stay_bit_identical() -> None:
    model = linear().build(0)
    mask = np.random.default_rng(0).random((4, 64)) < 0.5
    options = FitOptions(epochs=2, batch_size=8, lr=0.1, weight_decay=0.1)

    trained = model.fit(random_set(), options, 0, {WEIGHT: mask}).parameters()

    np.testing.assert_array_equal(trained[WEIGHT] == model.parameters()[WEIGHT], ~mask)
    assert not np.array_equal(trained[BIAS], model.parameters()[BIAS])


def test_a_fleet_equals_its_models_trained_alone() -> None:
    data = random_set(size=41, weights=np.linspace(-0.2, 1, 41, dtype=np.float32))
    membership = np.random.default_rng(1).random((5, 41)) < 0.5
    factory, seeds = linear(), [11, 12, 13, 14, 15]
    models = [factory.build(m) for m in range(5)]

    together = factory.fit_many(models, data, membership, OPTIONS, seeds)

    for model, rows, seed, found in zip(models, membership, seeds, together, strict=True):
        assert data.weights is not None
        own = TrainingSet(inputs=data.inputs[rows], targets=data.targets[rows], weights=data.weights[rows])
        alone = model.fit(own, OPTIONS, seed)
        np.testing.assert_allclose(found.parameters()[WEIGHT], alone.parameters()[WEIGHT], atol=1e-6)  # float32 sums


def test_diverging_ascent_is_a_result() -> None:
    data = random_set(weights=np.full(40, -1e6, dtype=np.float32))

    model = linear().build(0).fit(data, FitOptions(epochs=40, lr=1e35), seed=0)

    assert not np.isfinite(model.logits(data.inputs)).all()


@pytest.mark.parametrize(("options", "message"), [
    ({"augmentation": ("flip",)}, "adapter 'linear' has no augmentation; leave the option 'augmentation' out"),
    ({"lipschitz": 1.0}, "adapter 'linear' has no lipschitz"),
    ({"trainable": ("conv1",)}, r"trainable = \['conv1'\] names no parameter; known: output.weight, output.bias"),
    ({"nesterov": True, "momentum": 0.0}, "nesterov needs a momentum above 0"),
])
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        linear().build(0).fit(random_set(), FitOptions(epochs=1, **options), seed=0)


@pytest.mark.parametrize(("change", "message"), [
    ({"targets": np.full(40, 4)}, r"labels must be \(N,\) and in \[0, 4\), got shape \(40,\) with \[4, 4, 4\]"),
    ({"targets": np.ones((40, 3), np.float32)}, r"soft targets must be \(N, 4\), got \(40, 3\)"),
    ({"inputs": np.zeros((0, 1, 8, 8), np.float32), "targets": np.zeros(0, np.int64)}, "the training set is empty"),
])
def test_data_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        linear().build(0).fit(TrainingSet(**{"inputs": random_set().inputs, **change}), OPTIONS, seed=0)


def test_parameters_of_another_shape_are_refused() -> None:
    model = linear().build(0)

    with pytest.raises(ValueError, match=r"missing \['output.bias'\], unknown \['b'\]"):
        model.with_parameters({WEIGHT: np.zeros((4, 64)), "b": np.zeros(4)})
    with pytest.raises(ValueError, match=r"'output.bias' has shape \(3,\), expected \(4,\)"):
        model.with_parameters({WEIGHT: np.zeros((4, 64)), BIAS: np.zeros(3)})
    with pytest.raises(ValueError, match="mask: missing none, unknown"):
        model.fit(random_set(), OPTIONS, 0, {"w": np.zeros(3)})


@pytest.mark.parametrize(("arguments", "message"), [
    ((LINEAR, (3,), 1, {}, "cpu"), "needs at least 2 classes, got 1"),
    ((LINEAR, (3,), 2, {}, "cuda"), "adapter 'linear' computes on the cpu, not on 'cuda'"),
    ((LINEAR, (3,), 2, {"hidden": 3}, "cpu"), "model 'linear' has no setting 'hidden'; known: scale"),
    ((LINEAR, (3,), 2, {"scale": -1}, "cpu"), "model 'linear': 'scale' must be >= 0"),
])
def test_factories_that_do_not_fit_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        LinearAdapter().factory(*arguments)


def test_no_inputs_give_no_rows() -> None:
    model = linear().build(0)

    assert model.logits(np.zeros((0, 1, 8, 8), np.float32)).shape == (0, 4)
    assert isinstance(model, LinearModel)
