"""Networks by name: what ``harness_models`` returns, with the settings that a suite may give each of them.

These are descriptions only; ``adapters.networks`` is imported when one is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs
from attrs import field, frozen, validators

from harness.errors import BadSetting

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, ...]
S = TypeVar("S")


def whole_numbers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not all(type(number) is int and number >= 1 for number in value):
        raise ValueError(f"expected a list of positive integers, got {value!r}")
    return tuple(value)


@frozen(kw_only=True)
class MlpSettings:
    """Settings of ``mlp``.

    Attributes:
        hidden: widths of the hidden layers; none makes it logistic regression.
        bias: whether layers have a bias; ``first`` gives one to the first layer only, which makes the network
            homogeneous in its parameters.
        first_scale: factor on the first layer's initial weights and bias.
    """

    hidden: tuple[int, ...] = field(default=(128,), converter=whole_numbers)
    bias: bool | Literal["first"] = field(
        default=True, validator=[validators.instance_of((bool, str)), validators.in_((True, False, "first"))])
    first_scale: float = field(default=1.0, validator=[validators.instance_of((int, float)), validators.gt(0)])


@frozen(kw_only=True)
class SmallCnnSettings:
    """Settings of ``small-cnn``.

    Attributes:
        channels: of the convolutions, each of which halves height and width.
        hidden: width of the linear layer before the last.
    """

    channels: tuple[int, ...] = field(default=(16, 32), converter=whole_numbers)
    hidden: int = field(default=64, validator=[validators.instance_of(int), validators.ge(1)])


@frozen(kw_only=True)
class ResNetSettings:
    """Settings of ``resnet18``.

    Attributes:
        halved: halve the output of every block whose shortcut is a projection, as in the models of AMUN's released
            code (Ali-E/AMUN, commit 9e341a9).
        batch_norm: without it convolutions have a bias in its place, as AMUN's clipped models do.
    """

    halved: bool = field(default=False, validator=validators.instance_of(bool))
    batch_norm: bool = field(default=True, validator=validators.instance_of(bool))


@frozen(kw_only=True)
class NoSettings:
    """An architecture that has no settings."""


@frozen(kw_only=True)
class TorchvisionSettings:
    """Settings of ``torchvision``.

    Attributes:
        model: name of a classification model of torchvision, e.g. ``mobilenet_v3_small``.
    """

    model: str = field(default="mobilenet_v3_small", validator=validators.instance_of(str))


@frozen(kw_only=True)
class NamedNetwork:
    """An architecture of this package.

    Attributes:
        name: what suites say.
        description: one line, naming its source.
        settings: the class of its settings.
        network: where its function is, as ``module:function``; it takes shape, number of classes and settings.
        smallest: least height and width of its input images; None when inputs may have any shape.
    """

    name: str
    description: str
    settings: type
    network: str
    smallest: int | None = None
    adapter: str = "torch"

    def build(self, input_shape: Shape, num_classes: int, settings: Mapping[str, Any]) -> nn.Module:
        """Return a network initialised from torch's global generator.

        Raises:
            BadSetting: if a setting is unknown or malformed, or the inputs have the wrong shape.
        """
        chosen: Any = read_settings(self.name, self.settings, settings)
        if self.smallest is not None and (len(input_shape) != 3 or min(input_shape[1:]) < self.smallest):
            raise BadSetting(f"model '{self.name}' takes images (channels, height, width) of at least "
                             f"{self.smallest} x {self.smallest}, got inputs of shape {tuple(input_shape)}")
        network: nn.Module = resolve_name(self.network)(input_shape, num_classes, chosen)
        return network


def read_settings(model: str, kind: type[S], settings: Mapping[str, Any]) -> S:
    """Return the settings of an architecture as an instance of ``kind``.

    Raises:
        BadSetting: if a setting is unknown or malformed.
    """
    known = [attribute.name for attribute in attrs.fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise BadSetting(f"model '{model}' has no setting '{unknown[0]}'; known: {', '.join(known) or 'none'}")
    try:
        return kind(**settings)
    except (TypeError, ValueError) as error:
        reason = error.args[0] if error.args else error
        raise BadSetting(f"model '{model}': {reason}") from error


ARCHITECTURES = [
    NamedNetwork(
        name="mlp", settings=MlpSettings, network="adapters.networks:mlp",
        description="fully connected ReLU network; settings hidden, bias, first_scale"),
    NamedNetwork(
        name="small-cnn", settings=SmallCnnSettings, network="adapters.networks:small_cnn", smallest=8,
        description="strided 3x3 convolutions and one hidden layer, no pooling (own; LeNet's shape); "
                    "settings channels, hidden"),
    NamedNetwork(
        name="resnet18", settings=ResNetSettings, network="adapters.networks:resnet18", smallest=8,
        description="ResNet-18 (He et al. 2016, arXiv:1512.03385) with a 3x3 stem and no max pool, as usual for "
                    "CIFAR; setting halved"),
    NamedNetwork(
        name="vgg11", settings=NoSettings, network="adapters.networks:vgg11", smallest=32,
        description="VGG-A with batch norm and one linear layer (Simonyan & Zisserman 2015, arXiv:1409.1556)"),
    NamedNetwork(
        name="vgg19", settings=NoSettings, network="adapters.networks:vgg19", smallest=32,
        description="VGG-E with batch norm and one linear layer (Simonyan & Zisserman 2015, arXiv:1409.1556)"),
    NamedNetwork(
        name="torchvision", settings=TorchvisionSettings, network="adapters.networks:from_torchvision", smallest=32,
        description="any classification model of torchvision, untrained; setting model"),
]
