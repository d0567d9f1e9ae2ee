"""What a TorchModel answers: logits, gradients, features, parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from adapters.torch_model import TorchModel
from harness.models import CAPABILITIES, FitOptions, TrainingSet, capabilities, one_hot
from tests.adapters.conftest import factory_of, random_set

NAMES = ["mlp", "small-cnn", "resnet18"]


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_finite_float32_rows_of_classes(name: str) -> None:
    logits = factory_of(name).build(0).logits(random_set(5).inputs)

    assert logits.shape == (5, 4)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_answered_alike_in_any_company(name: str) -> None:
    model = factory_of(name).build(0)
    inputs = random_set(30).inputs

    together = model.logits(inputs)
    alone = np.concatenate([model.logits(inputs[row:row + 1]) for row in range(30)])

    # Matrix products of another size may round differently.
    assert together == pytest.approx(alone, abs=1e-4)


def test_no_inputs_give_no_rows() -> None:
    model, nothing = factory_of("mlp").build(0), np.zeros((0, 1, 8, 8), np.float32)

    gradients, logits = model.input_gradients(nothing, np.zeros(0, np.int64))

    assert model.logits(nothing).shape == logits.shape == (0, 4)
    assert gradients.shape == nothing.shape


def test_gradients_need_a_label_for_each_input() -> None:
    with pytest.raises(ValueError, match="3 inputs but 2 labels"):
        factory_of("mlp").build(0).input_gradients(random_set(3).inputs, np.zeros(2, np.int64))


def test_a_model_has_every_capability() -> None:
    assert capabilities(factory_of("mlp").build(0)) == frozenset(CAPABILITIES)


def _precise_loss(module: nn.Module, data: TrainingSet, shift: np.ndarray | float = 0.0) -> np.ndarray:
    """Each example's weighted cross-entropy in double precision, so that differences of it are slopes."""
    weights = torch.ones(len(data)) if data.weights is None else torch.tensor(data.weights)
    with torch.no_grad():
        logits = module.double()(torch.tensor(data.inputs).double() + torch.as_tensor(shift))
        losses = nn.functional.cross_entropy(logits, torch.tensor(data.targets), reduction="none") * weights
    return losses.numpy()


@pytest.mark.parametrize("name", NAMES)
def test_input_gradients_are_slopes_of_each_examples_own_loss(name: str) -> None:
    model, data = factory_of(name).build(0), random_set(6)
    direction = np.random.default_rng(1).standard_normal(data.inputs.shape)

    gradients, logits = model.input_gradients(data.inputs, data.targets)

    higher, lower = (_precise_loss(model.native, data, step * direction) for step in (1e-6, -1e-6))
    slopes = (gradients * direction).reshape(6, -1).sum(1)
    assert slopes == pytest.approx((higher - lower) / 2e-6, rel=1e-3, abs=1e-5)  # float32 gradients
    assert logits == pytest.approx(model.logits(data.inputs), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_loss_gradients_are_slopes_of_the_weighted_mean_loss(name: str) -> None:
    model = factory_of(name).build(0)
    data = random_set(6, weights=np.array([1, -1, 0.5, 2, 0, 1], np.float32))
    random = torch.Generator().manual_seed(1)

    gradients = model.loss_gradients(data, batch_size=4)

    losses, slope = [], 0.0
    directions = {key: torch.randn(value.shape, generator=random).double() for key, value in gradients.items()}
    for step in (1e-7, -1e-7):
        module = model.native.double()
        with torch.no_grad():
            for key, parameter in module.named_parameters():
                parameter += step * directions[key]
        losses.append(_precise_loss(module, data).mean())
    slope = sum(float((gradients[key] * directions[key].numpy()).sum()) for key in gradients)
    assert slope == pytest.approx((losses[0] - losses[1]) / 2e-7, rel=1e-3)  # float32 gradients


def test_loss_gradients_take_soft_targets() -> None:
    model, data = factory_of("mlp").build(0), random_set(6)

    soft = model.loss_gradients(TrainingSet(inputs=data.inputs, targets=one_hot(data.targets, 4)))

    for name, gradient in model.loss_gradients(data).items():
        assert soft[name] == pytest.approx(gradient, abs=1e-6)  # sums in another order


def test_loss_gradients_do_not_depend_on_the_batch_size() -> None:
    model, data = factory_of("small-cnn").build(0), random_set(11)

    small, large = model.loss_gradients(data, batch_size=3), model.loss_gradients(data, batch_size=100)

    for name in large:
        assert small[name] == pytest.approx(large[name], abs=1e-6)  # sums in another order


def test_features_are_the_input_of_the_last_linear_layer() -> None:
    model = factory_of("small-cnn").build(0)
    inputs = random_set(7).inputs

    features = model.features(inputs)

    parameters = model.parameters()
    assert features.shape == (7, 64)
    assert features @ parameters["output.weight"].T + parameters["output.bias"] == pytest.approx(
        model.logits(inputs), abs=1e-5)  # the same product by another library


def test_features_need_a_linear_layer() -> None:
    model = TorchModel(nn.Flatten(), 64, torch.device("cpu"))

    with pytest.raises(ValueError, match="no"):
        model.features(random_set(2).inputs)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_go_round_bit_for_bit(name: str) -> None:
    factory = factory_of(name)
    model = factory.build(0).fit(random_set(), FitOptions(epochs=1, lr=0.01), seed=0)

    again = factory.build(1).with_parameters(model.parameters())

    for key, value in model.parameters().items():
        assert value.flags.c_contiguous
        np.testing.assert_array_equal(again.parameters()[key], value)
    np.testing.assert_array_equal(again.logits(random_set().inputs), model.logits(random_set().inputs))


def test_parameters_are_copies() -> None:
    model = factory_of("mlp").build(0)

    model.parameters()["output.weight"][:] = 7

    assert np.abs(model.parameters()["output.weight"]).max() < 1


def test_parameters_of_another_network_are_refused_by_name() -> None:
    model = factory_of("mlp").build(0)
    parameters = dict(model.parameters())

    with pytest.raises(ValueError, match=r"'hidden1.weight' has shape \(1, 2\), expected \(128, 64\)"):
        model.with_parameters({**parameters, "hidden1.weight": np.zeros((1, 2))})
    with pytest.raises(ValueError, match=r"unknown \['extra'\]"):
        model.with_parameters({**parameters, "extra": np.zeros(1)})
    del parameters["output.bias"]
    with pytest.raises(ValueError, match=r"missing \['output.bias'\]"):
        model.with_parameters(parameters)


def test_native_is_a_copy_and_with_native_copies_again() -> None:
    model = factory_of("mlp").build(0)
    inputs = random_set(3).inputs
    before = model.logits(inputs)
    module = model.native

    nn.init.zeros_(module.output.weight)
    changed = model.with_native(module)
    blank = changed.logits(inputs)
    nn.init.ones_(module.output.weight)

    np.testing.assert_array_equal(model.logits(inputs), before)
    np.testing.assert_array_equal(changed.logits(inputs), blank)
    assert np.ptp(blank, axis=0).max() == 0


def test_labels_and_targets_that_do_not_fit_the_classes_are_refused() -> None:
    model = factory_of("mlp").build(0)
    inputs = random_set(2).inputs

    with pytest.raises(ValueError, match=r"in \[0, 4\)"):
        model.loss_gradients(TrainingSet(inputs=inputs, targets=np.array([0, 4])))
    with pytest.raises(ValueError, match=r"\(N, 4\)"):
        model.loss_gradients(TrainingSet(inputs=inputs, targets=one_hot(np.array([0, 1]), 5)))
