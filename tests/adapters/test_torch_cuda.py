"""The same on a GPU; run with ``-m gpu``."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adapters.torch_adapter import TorchAdapter
from adapters.torch_fleet import TorchFactory
from harness.models import FitOptions
from tests.adapters.conftest import NETWORKS, factory_of, random_set

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]

NAMES = ["mlp", "small-cnn", "resnet18"]


def _on_cuda(name: str) -> TorchFactory:
    factory = TorchAdapter().factory(NETWORKS[name], (1, 8, 8), 4, {}, "cuda")
    assert isinstance(factory, TorchFactory)
    return factory


@pytest.mark.parametrize("name", NAMES)
def test_models_start_with_the_parameters_that_they_have_on_a_cpu(name: str) -> None:
    here, there = factory_of(name).build(3).parameters(), _on_cuda(name).build(3).parameters()

    for key, value in here.items():
        np.testing.assert_array_equal(value, there[key])


@pytest.mark.parametrize("name", NAMES)
def test_training_goes_as_on_a_cpu(name: str) -> None:
    options = FitOptions(epochs=1, batch_size=20, lr=0.01, augmentation=("crop", "flip"))
    inputs = random_set().inputs

    here, there = (factory.build(3).fit(random_set(), options, seed=1).logits(inputs)
                   for factory in (factory_of(name), _on_cuda(name)))

    assert there == pytest.approx(here, abs=0.02)  # TF32 convolutions have 10-bit mantissas


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_everything_and_global_state_is_untouched(name: str) -> None:
    factory, options = _on_cuda(name), FitOptions(epochs=2, batch_size=16, lr=0.01)
    before = torch.cuda.get_rng_state()

    first, again = (factory.build(0).fit(random_set(), options, seed=1).parameters() for _ in range(2))

    assert torch.equal(before, torch.cuda.get_rng_state())
    for key, value in first.items():
        np.testing.assert_array_equal(value, again[key])


def test_a_fleet_is_its_models_alone() -> None:
    factory, data = _on_cuda("mlp"), random_set()
    models, options = [factory.build(seed) for seed in range(3)], FitOptions(epochs=1, batch_size=16)

    fleet = factory.fit_many(models, data, np.ones((3, 40), bool), options, [1, 2, 3])

    for seed, (model, trained) in enumerate(zip(models, fleet, strict=True), start=1):
        alone = model.fit(data, options, seed).logits(data.inputs)
        assert trained.logits(data.inputs) == pytest.approx(alone, abs=1e-4)  # batched products may round differently
