"""Networks in JAX against the same networks in PyTorch; skipped where the extra ``jax`` is not installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("jax", reason="JAX is an extra")

from adapters.jax_adapter import JAX_MLP, JaxAdapter
from adapters.jax_model import JaxMlpFactory, JaxModel, JaxNetwork
from harness.errors import BadSetting
from harness.models import Adapter, FitOptions, TrainingSet, capabilities
from harness.plugins import load_registry
from harness.settings import configure
from harness.tasks import ForgetRequest, Unlearned, UnlearnTask
from tests.adapters.conftest import factory_of, random_set
from tests.adapters.test_unlearning_on_linear import METHODS, RECIPE, _task

HIDDEN = [12, 6]


def jax_factory(hidden: list[int] = HIDDEN) -> JaxMlpFactory:
    """Return a factory for 8x8 images of four classes."""
    factory = JaxAdapter().factory(JAX_MLP, (1, 8, 8), 4, {"hidden": hidden}, "cpu")
    assert isinstance(factory, JaxMlpFactory)
    return factory


def pair() -> tuple[JaxModel, Any]:
    """Return the same parameters in both frameworks."""
    network = factory_of("mlp", hidden=HIDDEN).build(1)
    return jax_factory().build(0).with_parameters(network.parameters()), network


def test_the_adapter_fulfils_its_contract() -> None:
    assert isinstance(JaxAdapter(), Adapter)
    assert JaxAdapter.capabilities == capabilities(jax_factory().build(0))
    assert load_registry(installed=False).models["jax-mlp"] is JAX_MLP


def test_logits_and_gradients_are_torchs() -> None:
    ours, theirs = pair()
    data, labels = random_set(size=20, weights=np.linspace(-1, 2, 20, dtype=np.float32)), np.arange(20) % 4

    np.testing.assert_allclose(ours.logits(data.inputs), theirs.logits(data.inputs), atol=1e-6)  # float32 sums
    expected = theirs.loss_gradients(data)
    for name, gradient in ours.loss_gradients(data, batch_size=7).items():
        np.testing.assert_allclose(gradient, expected[name], atol=1e-6)
    for found, wanted in zip(ours.input_gradients(data.inputs, labels), theirs.input_gradients(data.inputs, labels),
                             strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert ours.logits(data.inputs[:0]).shape == (0, 4)


@pytest.mark.parametrize("options", [
    {"lr": 0.1, "weight_decay": 0.01, "nesterov": True}, {"lr": 0.01, "optimizer": "adam"},
    {"lr": 0.1, "l1": 0.01, "clip_gradient": 0.05}, {"lr": 0.1, "trainable": ("output",)},
], ids=lambda options: "-".join(options))
def test_full_batches_end_where_torch_ends(options: dict[str, Any]) -> None:
    data, chosen = random_set(size=30), FitOptions(epochs=6, batch_size=30, **options)
    ours, theirs = pair()

    found, expected = (model.fit(data, chosen, 0).parameters() for model in (ours, theirs))

    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=5e-6)  # float32 sums, six steps


def test_masked_entries_stay_and_the_model_too() -> None:
    model = jax_factory().build(0)
    mask = np.random.default_rng(0).random((4, 6)) < 0.5
    before = model.parameters()

    trained = model.fit(random_set(), FitOptions(epochs=2, batch_size=8), 0, {"output.weight": mask}).parameters()

    np.testing.assert_array_equal(trained["output.weight"] == before["output.weight"], ~mask)
    np.testing.assert_array_equal(model.parameters()["output.weight"], before["output.weight"])


def test_the_seed_decides_parameters_and_order() -> None:
    def weights(built: int, seed: int) -> Any:
        trained = jax_factory().build(built).fit(random_set(), FitOptions(epochs=1, batch_size=8), seed)
        return trained.parameters()["output.weight"]

    np.testing.assert_array_equal(weights(0, 1), weights(0, 1))
    assert not np.array_equal(weights(0, 1), weights(0, 2))
    assert not np.array_equal(weights(0, 1), weights(1, 1))


def test_any_jax_function_is_a_model() -> None:
    network = JaxNetwork(lambda parameters, inputs: inputs @ parameters["w"], num_classes=2)
    model = JaxModel(network, {"w": np.zeros((3, 2))})
    inputs = np.random.default_rng(0).random((50, 3), dtype=np.float32)
    data = TrainingSet(inputs=inputs, targets=(inputs[:, 0] > inputs[:, 1]).astype(np.int64))

    trained = model.fit(data, FitOptions(epochs=30, batch_size=10, lr=1.0), 0)

    assert np.mean(trained.logits(inputs).argmax(1) == data.targets) > 0.9


@pytest.mark.parametrize("name", METHODS)
def test_a_method_ends_at_the_same_weights_as_in_torch(name: str) -> None:
    data = random_set(size=120)
    network, factory = factory_of("mlp", hidden=HIDDEN), jax_factory()
    original = network.build(0).fit(data, RECIPE, 0)
    ours = _task(factory.build, factory.build(0).with_parameters(original.parameters()))

    found, expected = (_unlearned(name, task) for task in (ours, _task(network.build, original)))

    for parameter, value in expected.parameters().items():
        # float32 sums in another order, over a few large steps.
        np.testing.assert_allclose(found.parameters()[parameter], value, atol=5e-5)


def _unlearned(name: str, task: UnlearnTask) -> Any:
    result = configure(load_registry(installed=False).unlearners[name], METHODS[name], name).unlearn(task)
    assert isinstance(task.request, ForgetRequest)
    return result.model if isinstance(result, Unlearned) else result


@pytest.mark.parametrize(("arguments", "message"), [
    ((JAX_MLP, (3,), 1, {}, "cpu"), "needs at least 2 classes, got 1"),
    ((JAX_MLP, (3,), 2, {}, "cuda"), "leaves the device to JAX"),
    ((JAX_MLP, (3,), 2, {"hidden": 3}, "cpu"), "expected a list of positive integers, got 3"),
])
def test_factories_that_do_not_fit_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        JaxAdapter().factory(*arguments)


def test_options_and_parameters_that_do_not_fit_are_refused() -> None:
    model = jax_factory().build(0)

    with pytest.raises(BadSetting, match="adapter 'jax' has no augmentation"):
        model.fit(random_set(), FitOptions(epochs=1, augmentation=("flip",)), 0)
    with pytest.raises(ValueError, match="with_parameters: missing"):
        model.with_parameters({})
    with pytest.raises(ValueError, match="3 inputs but 2 labels"):
        model.input_gradients(np.zeros((3, 1, 8, 8), np.float32), np.zeros(2, np.int64))
