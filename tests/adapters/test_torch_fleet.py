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


def _own_sets(sizes: list[int]) -> list[TrainingSet]:
    return [random_set(size, seed=seed, weights=np.linspace(-0.5, 1.5, size).astype(np.float32))
            for seed, size in enumerate(sizes)]


@pytest.mark.parametrize("options", [
    FitOptions(epochs=2, batch_size=8, weight_decay=0.01),
    FitOptions(epochs=1, batch_size=8, clip_gradient=0.05, l1=1e-3),
], ids=["sgd", "clipped"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", ["mlp", "small-cnn"])
def test_a_fleet_with_data_of_its_own_is_its_models_alone(name: str, masked: bool, options: FitOptions) -> None:
    factory, data, seeds = factory_of(name), _own_sets([20, 20, 13, 20]), [7, 7, 8, 9]
    models = [factory.build(seed) for seed in range(4)]
    generator = np.random.default_rng(0)
    masks = [{key: generator.random(value.shape) < 0.5 for key, value in model.parameters().items()}
             if masked and model is not models[1] else None for model in models]

    fleet = factory.fit_each(models, data, options, seeds, masks)

    for model, one, own, seed, mask in zip(models, fleet, data, seeds, masks, strict=True):
        before, after = model.parameters(), one.parameters()
        for key, value in model.fit(own, options, seed, mask).parameters().items():
            # As above.
            np.testing.assert_allclose(after[key], value, rtol=0, atol=1e-6)
            if mask:
                np.testing.assert_array_equal(after[key][~mask[key]], before[key][~mask[key]])


def test_labels_and_soft_targets_with_and_without_weights_can_be_trained_in_one_fleet() -> None:
    factory, options = factory_of("mlp"), FitOptions(epochs=2, batch_size=8)
    soft = np.full((16, 4), 0.25, dtype=np.float32)
    data = [random_set(16), random_set(16, targets=soft), random_set(16, weights=np.full(16, 2.0, np.float32))]
    models = [factory.build(seed) for seed in range(3)]

    fleet = factory.fit_each(models, data, options, [1, 2, 3], [None] * 3)

    for model, one, own, seed in zip(models, fleet, data, (1, 2, 3), strict=True):
        assert one.logits(own.inputs) == pytest.approx(model.fit(own, options, seed).logits(own.inputs), abs=1e-5)


def test_masked_networks_are_stacked_but_masked_convolutions_go_through_autograd() -> None:
    options, mask = FitOptions(epochs=1), {"a": torch.ones(1, dtype=torch.bool)}
    ways = [how_to_train([factory_of(name).build(0).native], options, masks)
            for name in ("mlp", "small-cnn") for masks in ((), [mask], [{}])]
    assert ways == ["stacked", "stacked", "stacked", "convolutional", "loop", "convolutional"]


def _first(size: int) -> TrainingSet:
    whole = random_set(5)
    return TrainingSet(inputs=whole.inputs[:size], targets=whole.targets[:size])


@pytest.mark.parametrize(("sizes", "seeds", "message"), [
    ([5, 5], [1], "fit_each: 2 models, but 2 training sets, 1 seeds and 2 masks"),
    ([5, 0], [1, 2], "fit_each: the training set of model 1 is empty")])
def test_a_fleet_whose_data_do_not_fit_is_refused(sizes: list[int], seeds: list[int], message: str) -> None:
    factory = factory_of("mlp")
    with pytest.raises(ValueError, match=message):
        factory.fit_each([factory.build(0)] * 2, [_first(size) for size in sizes], FitOptions(epochs=1), seeds, [None] * 2)


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
