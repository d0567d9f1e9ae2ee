"""The networks: shapes, sizes, settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from adapters.torch_vision import ensure_torchvision
from harness.errors import BadSetting
from tests.adapters.conftest import NETWORKS, factory_of

CIFAR = (3, 32, 32)


def _trainable(name: str, shape: tuple[int, ...], classes: int, **settings: Any) -> int:
    module = factory_of(name, shape, classes, **settings).build(0).native
    return sum(parameter.numel() for parameter in module.parameters())


def test_every_architecture_names_its_settings_or_its_source() -> None:
    assert set(NETWORKS) == {"mlp", "small-cnn", "resnet18", "vgg11", "vgg19", "torchvision"}
    for architecture in NETWORKS.values():
        assert architecture.adapter == "torch"
        assert "\n" not in architecture.description


@pytest.mark.parametrize(("name", "shape", "classes", "count"), [
    ("mlp", (64,), 10, 64 * 128 + 128 + 128 * 10 + 10),
    ("small-cnn", (1, 8, 8), 10, 160 + 4640 + (32 * 2 * 2 * 64 + 64) + 650),
    ("small-cnn", (1, 28, 28), 10, 160 + 4640 + (32 * 7 * 7 * 64 + 64) + 650),
    ("small-cnn", CIFAR, 10, 448 + 4640 + (32 * 8 * 8 * 64 + 64) + 650),
    # torchvision's resnet18 has 11,689,512 with 1000 classes and a 7x7 stem; the 3x3 stem saves 7,680.
    ("resnet18", CIFAR, 10, 11_689_512 - 990 * 513 - 7_680),
    ("vgg11", CIFAR, 10, 9_228_362),
    ("vgg19", (3, 64, 64), 200, 20_029_888 + 200 * 513),
])
def test_networks_have_as_many_parameters_as_published_ones(name: str, shape: tuple[int, ...], classes: int,
                                                            count: int) -> None:
    assert _trainable(name, shape, classes) == count


def test_the_cifar_resnet18_has_the_well_known_size() -> None:
    assert _trainable("resnet18", CIFAR, 10) == 11_173_962


def test_our_resnet18_computes_what_torchvisions_does() -> None:
    ensure_torchvision()
    from torchvision.models import resnet18

    theirs = resnet18(num_classes=10).eval()
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    weights = {name: value.numpy() for name, value in theirs.state_dict().items()}
    images = np.random.default_rng(0).random((2, *CIFAR), dtype=np.float32)

    ours = factory_of("resnet18", CIFAR, 10).build(0).with_parameters(weights)

    with torch.no_grad():
        expected = theirs(torch.tensor(images)).numpy()
    assert ours.logits(images) == pytest.approx(expected, abs=1e-5)  # another memory format, another order of sums


def test_halved_blocks_change_what_a_resnet18_computes_and_not_its_parameters() -> None:
    images = np.random.default_rng(0).random((2, *CIFAR), dtype=np.float32)
    plain, halved = (factory_of("resnet18", CIFAR, 10, halved=halved).build(0) for halved in (False, True))

    assert plain.parameters().keys() == halved.parameters().keys()
    assert not np.allclose(plain.logits(images), halved.logits(images))
    blocks = [module.scale for module in halved.native.modules() if hasattr(module, "scale")]
    assert blocks == [1.0, 1.0, 0.5, 1.0, 0.5, 1.0, 0.5, 1.0]


def test_bias_may_be_everywhere_nowhere_or_in_the_first_layer() -> None:
    biases = {bias: [name for name in factory_of("mlp", hidden=[5, 6], bias=bias).build(0).parameters()
                     if name.endswith("bias")] for bias in (True, False, "first")}

    assert biases == {True: ["hidden1.bias", "hidden2.bias", "output.bias"], False: [], "first": ["hidden1.bias"]}


def test_first_scale_scales_what_the_first_layer_starts_with() -> None:
    plain, scaled = (factory_of("mlp", first_scale=scale).build(0).parameters() for scale in (1.0, 0.5))

    for name in ("hidden1.weight", "hidden1.bias"):
        np.testing.assert_array_equal(scaled[name], plain[name] * np.float32(0.5))
    np.testing.assert_array_equal(scaled["output.weight"], plain["output.weight"])


def test_any_classification_model_of_torchvision_can_be_named() -> None:
    model = factory_of("torchvision", CIFAR, 10, model="squeezenet1_1").build(0)

    assert model.logits(np.zeros((1, *CIFAR), np.float32)).shape == (1, 10)


@pytest.mark.parametrize(("name", "shape", "settings", "message"), [
    ("mlp", (64,), {"width": 3}, "model 'mlp' has no setting 'width'; known: hidden, bias, first_scale"),
    ("mlp", (64,), {"hidden": [0]}, r"model 'mlp': expected a list of positive integers, got \[0\]"),
    ("mlp", (64,), {"hidden": "128"}, "model 'mlp': expected a list of positive integers, got '128'"),
    ("mlp", (64,), {"hidden": 128}, "model 'mlp': expected a list of positive integers, got 128"),
    ("mlp", (64,), {"bias": "last"}, "model 'mlp': 'bias' must be in"),
    ("small-cnn", (64,), {}, r"takes images \(channels, height, width\) of at least 8 x 8, got inputs .* \(64,\)"),
    ("vgg11", (1, 28, 28), {}, "of at least 32 x 32"),
    ("vgg11", CIFAR, {"bias": True}, "model 'vgg11' has no setting 'bias'; known: none"),
    ("torchvision", CIFAR, {"model": "resnet1"}, "no classification model 'resnet1'"),
    ("torchvision", (1, 32, 32), {}, "images of 3 channels"),
])
def test_settings_and_shapes_that_do_not_fit_are_refused_in_one_line(
        name: str, shape: tuple[int, ...], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message) as caught:
        factory_of(name, shape, 10, **settings)

    assert "\n" not in str(caught.value)


def test_a_resnet18_without_batch_norm_has_biases_in_its_place() -> None:
    names = set(factory_of("resnet18", CIFAR, 10, batch_norm=False).build(0).parameters())
    assert not any("bn" in name or "running" in name for name in names)
    assert {"conv1.bias", "layer2.0.conv1.bias", "layer2.0.downsample.0.bias"} <= names
