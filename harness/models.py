"""What a model can do: one protocol per capability, NumPy at every boundary.

``fit`` and its relatives say one training primitive, which keeps methods framework-free:

    minimise  sum_i  w_i * CE(softmax(logits(x_i)), t_i)   with soft targets t and *signed* weights w,

averaged over each mini-batch. Retraining, fine-tuning, gradient ascent, random labels, boundary labels,
distillation to fixed teachers and AMUN (given its adversarial set) are all said with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from harness.data import Booleans, Floats, Integers
from harness.settings import Settings

Parameters = Mapping[str, NDArray[Any]]


def one_hot(labels: Integers, num_classes: int) -> Floats:
    """Return (N, C) float32 targets with a one at each label."""
    return np.eye(num_classes, dtype=np.float32)[labels]


@frozen(kw_only=True, eq=False)
class TrainingSet:
    """What the training primitive is minimised over.

    Attributes:
        inputs: (N, ...) float32.
        targets: (N, C) float32 rows that sum to one, or (N,) int64 labels.
        weights: (N,) float32, signed; a negative weight is gradient ascent. All one when not given.
        augment: (N,) bool, which rows the recipe's augmentation may touch. All when not given.
    """

    inputs: Floats
    targets: Floats | Integers
    weights: Floats | None = None
    augment: Booleans | None = None

    def __attrs_post_init__(self) -> None:
        for name in ("targets", "weights", "augment"):
            value = getattr(self, name)
            if value is not None and len(value) != len(self.inputs):
                raise ValueError(f"TrainingSet: {len(self.inputs)} inputs but {len(value)} {name}")

    def __len__(self) -> int:
        return len(self.inputs)


@frozen(kw_only=True)
class FitOptions:
    """How the training primitive is minimised; every field is part of the protocol digest.

    Attributes:
        epochs: passes over the data; 0 returns an unchanged copy.
        batch_size: examples a step; the last batch of an epoch may be smaller.
        optimizer: ``sgd`` or ``adam``.
        lr: learning rate at the first step.
        momentum, nesterov: of ``sgd``.
        weight_decay: coupled L2 (added to the gradient), as in ``torch.optim``.
        schedule: ``constant``; ``step`` multiplies lr by ``gamma`` every ``step_size`` epochs; ``multistep`` at each
            epoch of ``milestones``; ``cosine`` anneals to 0 over all steps; ``linear`` decays to 0 over all steps.
        warmup_epochs: linear warm-up from 0, before the schedule.
        augmentation: names applied in order to each batch, e.g. ``("crop", "flip")``.
        l1: strength of an L1 penalty on all trainable parameters.
        l1_schedule: ``constant``, ``decay`` (l1 * (1 - t/T), t epochs) or ``rise`` (l1 * t/T).
        trainable: names (or dotted prefixes) of the parameters that may change; all when empty.
        evaluation_mode: run layers such as batch norm and dropout in evaluation mode while training.
        clip_gradient: largest L2 norm of the gradient of one step; None for no limit.
        lipschitz: largest spectral norm of every affine layer, short for the training aid ``fastclip``.
        aids: training aids by name, with their settings or configured (`harness.training`).
    """

    epochs: int = field(validator=validators.ge(0))
    batch_size: int = field(default=128, validator=validators.ge(1))
    optimizer: Literal["sgd", "adam"] = field(default="sgd", validator=validators.in_(("sgd", "adam")))
    lr: float = field(default=0.1, validator=validators.ge(0))
    momentum: float = field(default=0.9, validator=validators.ge(0))
    nesterov: bool = False
    weight_decay: float = field(default=0.0, validator=validators.ge(0))
    schedule: Literal["constant", "step", "multistep", "cosine", "linear"] = field(
        default="constant", validator=validators.in_(("constant", "step", "multistep", "cosine", "linear")))
    step_size: int = field(default=1, validator=validators.ge(1))
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    warmup_epochs: float = field(default=0.0, validator=validators.ge(0))
    augmentation: tuple[str, ...] = ()
    l1: float = field(default=0.0, validator=validators.ge(0))
    l1_schedule: Literal["constant", "decay", "rise"] = field(
        default="constant", validator=validators.in_(("constant", "decay", "rise")))
    trainable: tuple[str, ...] = ()
    evaluation_mode: bool = False
    clip_gradient: float | None = field(default=None, validator=validators.optional(validators.gt(0)))
    lipschitz: float | None = field(default=None, validator=validators.optional(validators.gt(0)))
    aids: Settings = field(factory=dict)


@runtime_checkable
class Model(Protocol):
    """Logits from inputs: the one capability that every model has."""

    def logits(self, inputs: Floats) -> Floats:
        """Return (N, C) float32 logits; the row of an example does not depend on its batch mates."""
        ...


@runtime_checkable
class Differentiable(Protocol):
    """Gradients with respect to parameters."""

    def loss_gradients(self, data: TrainingSet, batch_size: int = 256) -> Parameters:
        """Return the gradient of the mean weighted loss over ``data`` for every trainable parameter."""
        ...


@runtime_checkable
class InputDifferentiable(Protocol):
    """Gradients with respect to inputs."""

    def input_gradients(self, inputs: Floats, labels: Integers) -> tuple[Floats, Floats]:
        """Return the gradient (N, ...) of each example's own cross-entropy, and the (N, C) logits."""
        ...


@runtime_checkable
class HasParameters(Protocol):
    """Parameters that can be read and replaced."""

    def parameters(self) -> Parameters:
        """Return copies of all parameters and buffers by name."""
        ...

    def with_parameters(self, parameters: Parameters) -> Model:
        """Return a new model with ``parameters``; names and shapes must be those of ``parameters()``."""
        ...


@runtime_checkable
class Trainable(Protocol):
    """The training primitive."""

    def fit(self, data: TrainingSet, options: FitOptions, seed: int, mask: Parameters | None = None) -> Model:
        """Return a new model trained from this one's parameters; this model is unchanged.

        Args:
            data: what to minimise over.
            options: how.
            seed: decides data order and augmentation.
            mask: boolean arrays by parameter name; entries that are False stay bit-identical.
        """
        ...


@runtime_checkable
class HasFeatures(Protocol):
    """Penultimate representations."""

    def features(self, inputs: Floats) -> Floats:
        """Return (N, D) float32: the input of the last linear layer."""
        ...


@runtime_checkable
class NativeTorch(Protocol):
    """The escape hatch for methods that the training primitive cannot say."""

    @property
    def native(self) -> Any:
        """A ``torch.nn.Module`` copy that the caller may change; ``with_native`` wraps it again."""
        ...

    def with_native(self, module: Any) -> Model:
        """Return a new model around ``module`` (a changed copy of ``native``)."""
        ...


CAPABILITIES: Mapping[str, type] = {
    "logits": Model,
    "loss-gradients": Differentiable,
    "input-gradients": InputDifferentiable,
    "parameters": HasParameters,
    "fit": Trainable,
    "features": HasFeatures,
    "native-torch": NativeTorch,
}


def capabilities(model: object) -> frozenset[str]:
    """Return the names of the capabilities that ``model`` has; its properties are looked up, not evaluated."""
    return frozenset(name for name, protocol in CAPABILITIES.items()
                     if all(hasattr(type(model), member) for member in vars(protocol) if not member.startswith("_")))


@runtime_checkable
class ModelFactory(Protocol):
    """One architecture in one framework, ready to be initialised: what ``Adapter.factory`` returns."""

    def build(self, seed: int) -> Model:
        """Return a freshly initialised model; the seed decides every parameter."""
        ...


@runtime_checkable
class FleetTrainable(Protocol):
    """A factory that can train many models of one architecture at once."""

    def fit_many(self, models: Sequence[Model], data: TrainingSet, membership: Booleans, options: FitOptions,
                 seeds: Sequence[int]) -> list[Model]:
        """Return M new models, the m-th trained from ``models[m]`` on the rows of ``data`` in ``membership[m]``.

        Equals M calls of ``fit`` with the same seeds, up to rounding. ``membership`` is (M, N).
        """
        ...


@runtime_checkable
class EachTrainable(Protocol):
    """A factory that can train many models of one architecture at once, each on data of its own."""

    def fit_each(self, models: Sequence[Model], data: Sequence[TrainingSet], options: FitOptions,
                 seeds: Sequence[int], masks: Sequence[Parameters | None]) -> list[Model]:
        """Return M new models, the m-th trained from ``models[m]`` on ``data[m]`` with ``masks[m]``.

        Equals M calls of ``fit`` with the same seeds and masks, up to rounding.
        """
        ...


# Of factories, not of models.
FLEETS: Mapping[str, type] = {"fit-many": FleetTrainable, "fit-each": EachTrainable}


@runtime_checkable
class Architecture(Protocol):
    """A named network; what ``harness_models`` returns.

    Attributes:
        name: what suites say, e.g. ``resnet18``.
        adapter: name of the adapter that can build it.
        description: one line, naming its source.
    """

    @property
    def name(self) -> str: ...

    @property
    def adapter(self) -> str: ...

    @property
    def description(self) -> str: ...


@runtime_checkable
class Adapter(Protocol):
    """One framework; what ``harness_adapters`` returns (the class).

    Class attributes:
        name: e.g. ``torch``.
        version: changes when its numbers change.
        capabilities: what models of its factories can do (names of ``CAPABILITIES`` and ``FLEETS``).
    """

    name: ClassVar[str]
    version: ClassVar[str]
    capabilities: ClassVar[frozenset[str]]

    def factory(self, architecture: Architecture, input_shape: tuple[int, ...], num_classes: int,
                settings: Mapping[str, Any], device: str) -> ModelFactory:
        """Return a factory of ``architecture`` with its ``settings`` for inputs of ``input_shape``.

        Raises:
            BadSetting: if the settings, the shape or the device do not fit.
        """
        ...
