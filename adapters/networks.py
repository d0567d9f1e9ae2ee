"""The networks behind ``adapters.architectures``."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import cast

import torch
from torch import Tensor, nn

from adapters.architectures import (
    MlpSettings,
    NoSettings,
    ResNetSettings,
    Shape,
    SmallCnnSettings,
    TorchvisionSettings,
)
from adapters.torch_vision import ensure_torchvision
from harness.errors import BadSetting

_VGG_A = (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool")
_VGG_E = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, 256, "pool", 512, 512, 512, 512, "pool",
          512, 512, 512, 512, "pool")

# In training mode these return auxiliary outputs beside the logits.
_AUXILIARY_OUTPUTS = ("googlenet", "inception_v3")


def mlp(input_shape: Shape, num_classes: int, settings: MlpSettings) -> nn.Sequential:
    """Return linear layers ``hidden1``, ``hidden2``, ... and ``output`` with ReLU between them."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    width = math.prod(input_shape)
    bias = settings.bias is not False
    for number, hidden in enumerate(settings.hidden, start=1):
        layers[f"hidden{number}"] = nn.Linear(width, hidden, bias=bias)
        layers[f"relu{number}"] = nn.ReLU()
        width, bias = hidden, settings.bias is True
    layers["output"] = nn.Linear(width, num_classes, bias=bias)
    network = nn.Sequential(layers)
    with torch.no_grad():
        for parameter in cast(nn.Linear, network[1]).parameters():
            parameter.mul_(settings.first_scale)
    return network


def small_cnn(input_shape: Shape, num_classes: int, settings: SmallCnnSettings) -> nn.Sequential:
    """Return 3x3 convolutions ``conv1``, ``conv2``, ... of stride 2, then ``hidden`` and ``output``, with ReLU.

    Strides rather than max pooling: the same number of parameters trains 2.5 times faster on a CPU.
    """
    channels, height, width = input_shape
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, wider in enumerate(settings.channels, start=1):
        layers[f"conv{number}"] = nn.Conv2d(channels, wider, kernel_size=3, stride=2, padding=1)
        layers[f"relu{number}"] = nn.ReLU()
        channels, height, width = wider, (height + 1) // 2, (width + 1) // 2
    layers["flatten"] = nn.Flatten()
    layers["hidden"] = nn.Linear(channels * height * width, settings.hidden)
    layers["relu"] = nn.ReLU()
    layers["output"] = nn.Linear(settings.hidden, num_classes)
    return nn.Sequential(layers)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut; ``halved`` halves the output where the shortcut is a projection."""

    def __init__(self, channels: int, wider: int, stride: int, settings: ResNetSettings) -> None:
        super().__init__()
        bias = not settings.batch_norm
        self.conv1 = nn.Conv2d(channels, wider, 3, stride=stride, padding=1, bias=bias)
        self.bn1 = _norm(wider, settings)
        self.conv2 = nn.Conv2d(wider, wider, 3, padding=1, bias=bias)
        self.bn2 = _norm(wider, settings)
        projects = stride != 1 or channels != wider
        self.downsample: nn.Sequential | None = None
        if projects:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, wider, 1, stride=stride, bias=bias), _norm(wider, settings))
        self.scale = 0.5 if settings.halved and projects else 1.0

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the block's output, with ReLU."""
        hidden = torch.relu(self.bn1(self.conv1(inputs)))
        shortcut = inputs if self.downsample is None else self.downsample(inputs)
        output = torch.relu(self.bn2(self.conv2(hidden)) + shortcut)
        return output if self.scale == 1.0 else self.scale * output


def resnet18(input_shape: Shape, num_classes: int, settings: ResNetSettings) -> nn.Sequential:
    """Return a ResNet-18 for small images; its parameters carry torchvision's names."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(input_shape[0], 64, 3, padding=1, bias=not settings.batch_norm), bn1=_norm(64, settings),
        relu=nn.ReLU())
    channels = 64
    for number, (wider, stride) in enumerate(((64, 1), (128, 2), (256, 2), (512, 2)), start=1):
        layers[f"layer{number}"] = nn.Sequential(
            BasicBlock(channels, wider, stride, settings), BasicBlock(wider, wider, 1, settings))
        channels = wider
    layers["avgpool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["fc"] = nn.Linear(channels, num_classes)
    return _he_initialised(nn.Sequential(layers))


def _norm(channels: int, settings: ResNetSettings) -> nn.Module:
    return nn.BatchNorm2d(channels) if settings.batch_norm else nn.Identity()


def vgg11(input_shape: Shape, num_classes: int, settings: NoSettings) -> nn.Sequential:
    """Return VGG-A with batch norm."""
    return _vgg(_VGG_A, input_shape, num_classes)


def vgg19(input_shape: Shape, num_classes: int, settings: NoSettings) -> nn.Sequential:
    """Return VGG-E with batch norm."""
    return _vgg(_VGG_E, input_shape, num_classes)


def _vgg(plan: tuple[int | str, ...], input_shape: Shape, num_classes: int) -> nn.Sequential:
    features: list[nn.Module] = []
    channels = input_shape[0]
    for entry in plan:
        if isinstance(entry, str):
            features.append(nn.MaxPool2d(2))
        else:
            features += [nn.Conv2d(channels, entry, 3, padding=1, bias=False), nn.BatchNorm2d(entry), nn.ReLU()]
            channels = entry
    return _he_initialised(nn.Sequential(OrderedDict(
        features=nn.Sequential(*features), avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(),
        classifier=nn.Linear(channels, num_classes))))


def _he_initialised(network: nn.Sequential) -> nn.Sequential:
    """Return ``network`` with its convolutions drawn as in He et al. 2015, arXiv:1502.01852 (fan-out, as torchvision).

    Without it nineteen layers start with vanishing signals.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def from_torchvision(input_shape: Shape, num_classes: int, settings: TorchvisionSettings) -> nn.Module:
    """Return an untrained classification model of torchvision.

    Raises:
        BadSetting: if torchvision has no such model, or the images do not have its three channels.
    """
    ensure_torchvision()
    from torchvision import models

    known = [name for name in models.list_models(module=models) if name not in _AUXILIARY_OUTPUTS]
    if settings.model not in known:
        raise BadSetting(f"torchvision has no classification model '{settings.model}'; known: {', '.join(known)}")
    if input_shape[0] != 3:
        raise BadSetting(f"torchvision's models take images of 3 channels, got inputs of shape {tuple(input_shape)}")
    return cast(nn.Module, models.get_model(settings.model, weights=None, num_classes=num_classes))
