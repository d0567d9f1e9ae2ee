"""Many models at once are the models one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve

from adapters.torch_engines import how_to_train
from adapters.torch_fleet import TorchFactory, device_named
from adapters.torch_model import TorchModel
from harness.errors import BadSetting
from harness.models import FitOptions, FleetTrainable, ModelFactory, TrainingSet
from tests.adapters.conftest import factory_of, random_set


def _alone(models: list[TorchModel], data: TrainingSet, membership: np.ndarray, options: FitOptions,
           seeds: list[int]) -> list[TorchModel]:
    trained = []
    for model, member, seed in zip(models, membership, seeds, strict=True):
        own = {name: None if getattr(data, name) is None else getattr(data, name)[member]
               for name in ("inputs", "targets", "weights", "augment")}
        trained.append(model.fit(TrainingSet(**own), options, seed))
    return trained


def _half_split(count: int, size: int) -> np.ndarray:
    membership = np.zeros((count, size), bool)
    for row, generator in zip(membership, np.random.default_rng(0).spawn(count), strict=True):
        row[generator.permutation(size)[:size // 2]] = True
    return membership


@pytest.mark.parametrize("options", [
    FitOptions(epochs=1, batch_size=8),
    FitOptions(epochs=1, batch_size=8, optimizer="adam", lr=0.001),
    FitOptions(epochs=2, batch_size=8, weight_decay=0.01, nesterov=True, schedule="cosine", l1=1e-3),
    FitOptions(epochs=1, batch_size=8, clip_gradient=0.05),
    FitOptions(epochs=1, batch_size=8, trainable=("output",)),
    FitOptions(epochs=1, batch_size=8, augmentation=("flip", "crop")),
], ids=["sgd", "adam", "everything", "clipped", "trainable", "augmented"])
@pytest.mark.parametrize("name", ["mlp", "small-cnn"])
def test_a_fleet_is_its_models_alone(name: str, options: FitOptions) -> None:
    factory = factory_of(name)
    data = random_set(60, weights=np.linspace(0.5, 1.5, 60).astype(np.float32), augment=np.arange(60) % 2 == 0)
    models, seeds = [factory.build(seed) for seed in range(5)], [7, 7, 8, 9, 10]
    membership = _half_split(5, 60)

    fleet = factory.fit_many(models, data, membership, options, seeds)

    for one, other in zip(fleet, _alone(models, data, membership, options, seeds), strict=True):
        for key, value in other.parameters().items():
            # The same operations in the same order; a batched product may round differently than a single one.
            np.testing.assert_allclose(one.parameters()[key], value, rtol=0, atol=1e-6)


def test_models_with_different_numbers_of_rows_are_trained_in_their_own_order() -> None:
    factory, data = factory_of("mlp"), random_set(60)
    membership = np.zeros((4, 60), bool)
    for row, size in zip(membership, (30, 17, 30, 60), strict=True):
        row[:size] = True
    models, options = [factory.build(0)] * 4, FitOptions(epochs=2, batch_size=8)

    fleet = factory.fit_many(models, data, membership, options, [1, 2, 3, 4])

    for one, other in zip(fleet, _alone(models, data, membership, options, [1, 2, 3, 4]), strict=True):
        assert one.logits(data.inputs) == pytest.approx(other.logits(data.inputs), abs=1e-5)  # as above


def test_a_fleet_too_large_for_one_stack_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    factory, data = factory_of("mlp"), random_set(20)
    models, membership = [factory.build(seed) for seed in range(5)], np.ones((5, 20), bool)
    whole = factory.fit_many(models, data, membership, FitOptions(epochs=1), [0] * 5)

    monkeypatch.setattr("adapters.torch_engines._STACK_ON_CPU", 20_000)  # two networks of 8,836 parameters
    split = factory.fit_many(models, data, membership, FitOptions(epochs=1), [0] * 5)

    for one, other in zip(whole, split, strict=True):
        assert one.logits(data.inputs) == pytest.approx(other.logits(data.inputs), abs=1e-6)  # rounding, as above


def test_soft_targets_and_no_epochs_work_in_a_fleet() -> None:
    factory, data = factory_of("mlp"), random_set(20)
    soft = evolve(data, targets=np.eye(4, dtype=np.float32)[data.targets])
    models, membership = [factory.build(seed) for seed in range(2)], np.ones((2, 20), bool)

    unchanged = factory.fit_many(models, soft, membership, FitOptions(epochs=0), [0, 0])
    fleet = factory.fit_many(models, soft, membership, FitOptions(epochs=1), [0, 0])

    for model, same, other in zip(models, unchanged, fleet, strict=True):
        np.testing.assert_array_equal(model.logits(data.inputs), same.logits(data.inputs))
        assert other.logits(data.inputs) == pytest.approx(
            model.fit(data, FitOptions(epochs=1), 0).logits(data.inputs), abs=1e-5)  # rounding


def test_fleets_that_do_not_fit_together_are_refused() -> None:
    factory, data = factory_of("mlp"), random_set(20)
    models, membership = [factory.build(0)] * 2, np.ones((2, 20), bool)

    with pytest.raises(ValueError, match=r"2 models and 20 rows, but membership is \(3, 20\)"):
        factory.fit_many(models, data, np.ones((3, 20), bool), FitOptions(epochs=1), [0, 0])
    with pytest.raises(ValueError, match="there are 1 seeds"):
        factory.fit_many(models, data, membership, FitOptions(epochs=1), [0])
    membership[1] = False
    with pytest.raises(ValueError, match="model 1 has no rows"):
        factory.fit_many(models, data, membership, FitOptions(epochs=1), [0, 0])


def _how(name: str, settings: dict[str, Any] | None = None, **options: Any) -> str:
    models = [factory_of(name, **settings or {}).build(seed) for seed in range(2)]
    return how_to_train([model.native for model in models], FitOptions(epochs=1, **options))


def test_plain_networks_are_stacked_or_need_no_autograd_and_the_rest_is_looped() -> None:
    assert _how("mlp") == _how("mlp", {"hidden": []}) == "stacked"
    assert _how("small-cnn") == _how("small-cnn", augmentation=("flip",)) == "convolutional"
    assert _how("resnet18") == _how("mlp", augmentation=("flip",)) == _how("small-cnn", trainable=("output",)) == "loop"
    assert _how("mlp", lipschitz=1.0) == _how("small-cnn", lipschitz=1.0) == "loop"


def test_networks_of_different_shapes_are_looped() -> None:
    modules = [factory_of("mlp", hidden=[width]).build(0).native for width in (3, 4)]

    assert how_to_train(modules, FitOptions(epochs=1)) == "loop"


def test_a_factory_meets_its_protocols() -> None:
    factory = factory_of("mlp")

    assert isinstance(factory, ModelFactory)
    assert isinstance(factory, FleetTrainable)


@pytest.mark.parametrize("name", ["mlp", "small-cnn", "resnet18"])
def test_the_seed_decides_every_initial_parameter(name: str) -> None:
    factory: TorchFactory = factory_of(name)

    first, again, other = (factory.build(seed).parameters() for seed in (1, 1, 2))

    for key, value in first.items():
        np.testing.assert_array_equal(value, again[key])
    assert any(not np.array_equal(value, other[key]) for key, value in first.items())


def test_devices_are_named_as_torch_names_them() -> None:
    assert device_named("cpu") == torch.device("cpu")
    assert device_named("auto").type in {"cpu", "cuda"}
    with pytest.raises(BadSetting, match="device 'cuda:99' is not available; available: cpu"):
        device_named("cuda:99")
    with pytest.raises(BadSetting, match="device 'abacus' is not available"):
        device_named("abacus")
