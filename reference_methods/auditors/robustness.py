"""Any audit once more, of a copy of the model that has been fine-tuned, pruned or quantised.

What a model has truly forgotten stays forgotten when it is worn; what was only covered up may come back. The oracles
are worn in the same way before they are audited, so the aim is still theirs. References, and the oracles that an audit
compares with, are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar, Literal, Protocol

import attrs
import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from harness import AuditCase, Auditor, AuditReport, FitOptions, Model, Needs, Scope, Signals, TrainingSet
from harness.digests import derive_seed
from harness.models import HasParameters, Trainable
from harness.plugins import Registry, load_registry
from harness.settings import Settings, configure

Array = NDArray[Any]


class Wrapper(Protocol):
    """What all three have.

    Attributes:
        name: of the wrapper.
        inner: name of the auditor inside.
        settings: of the auditor inside.
    """

    name: ClassVar[str]

    @property
    def inner(self) -> str: ...
    @property
    def settings(self) -> Settings: ...


@cache
def _registry() -> Registry:
    return load_registry()


def inside(wrapper: Wrapper) -> Auditor:
    """Return the auditor inside, with its settings.

    Raises:
        UnknownName, BadSetting: if there is none, or its settings do not fit.
        ValueError: if it compares the model with others that are not worn alike.
    """
    auditor = configure(_registry().auditors[wrapper.inner], wrapper.settings, f"auditor inside '{wrapper.name}'")
    if auditor.needs.reports or auditor.needs.shadows:
        what = "the reports of other audits" if auditor.needs.reports else "shadows"
        raise ValueError(f"{wrapper.name} cannot be put round '{wrapper.inner}', which reads {what}: these are of "
                         "models as they are")
    return auditor


def audit_worn(wrapper: Wrapper, case: AuditCase, wear: Callable[[Model], Model], after: str) -> AuditReport:
    """Return the inner audit's report on the worn copy, its scores named ``... after ...``."""
    auditor = inside(wrapper)
    worn = wear(case.models["unlearned"])
    signals = Signals(train=worn.logits(case.data.train.inputs), test=worn.logits(case.data.test.inputs), digest=after)
    models = {**case.models, "unlearned": worn} if auditor.needs.models else {}
    report = auditor.audit(attrs.evolve(case, unlearned=signals, models=models))
    scores = tuple(attrs.evolve(score, name=f"{score.name} after {after}") for score in report.scores)
    return attrs.evolve(report, scores=scores, notes={**report.notes, "inside": wrapper.inner, "after": after})


def _inner() -> Any:
    return field(default="rmia", validator=validators.instance_of(str))


@frozen(kw_only=True)
class AfterFinetune:
    """Fine-tune on the retain set first: methods that hide rather than remove are undone by a little training.

    Attributes:
        inner, settings: the audit to make then; any registered auditor of single models, installed plugins included.
        epochs, lr, batch_size: of the fine-tuning, by SGD with momentum 0.9.
    """

    inner: str = _inner()
    settings: Settings = field(factory=dict)
    epochs: int = field(default=1, validator=validators.ge(1))
    lr: float = field(default=0.01, validator=validators.gt(0))
    batch_size: int = field(default=128, validator=validators.ge(1))

    name: ClassVar[str] = "after-finetune"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit"})
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def wrapped(self) -> Auditor:
        """The auditor inside."""
        return inside(self)

    @property
    def needs(self) -> Needs:
        """What the inner audit needs, and the model."""
        return attrs.evolve(self.wrapped.needs, models=True)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return the inner audit's report on the fine-tuned model.

        Raises:
            TypeError: if the model cannot be trained.
        """
        train = case.data.train
        data = TrainingSet(inputs=train.inputs[case.retain], targets=train.labels[case.retain])
        options = FitOptions(epochs=self.epochs, lr=self.lr, batch_size=self.batch_size)

        def wear(model: Model) -> Model:
            if not isinstance(model, Trainable):
                raise TypeError(f"after-finetune trains the model; {type(model).__name__} cannot be trained")
            return model.fit(data, options, derive_seed(case.seed, "fine-tune"))
        return audit_worn(self, case, wear, "fine-tuning")


@frozen(kw_only=True)
class AfterPrune:
    """Set a share of each layer's weights to zero first.

    Attributes:
        inner, settings: the audit to make then; any registered auditor of single models, installed plugins included.
        share: of each weight matrix and kernel.
        which: the weights of least ``magnitude``, or ``random`` ones.
    """

    inner: str = _inner()
    settings: Settings = field(factory=dict)
    share: float = field(default=0.2, validator=[validators.gt(0), validators.lt(1)])
    which: Literal["magnitude", "random"] = field(
        default="magnitude", validator=validators.in_(("magnitude", "random")))

    name: ClassVar[str] = "after-prune"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"parameters"})
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def wrapped(self) -> Auditor:
        """The auditor inside."""
        return inside(self)

    @property
    def needs(self) -> Needs:
        """What the inner audit needs, and the model."""
        return attrs.evolve(self.wrapped.needs, models=True)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return the inner audit's report on the pruned model.

        Raises:
            TypeError: if the model has no parameters.
        """
        random = np.random.default_rng(derive_seed(case.seed, "prune"))

        def prune(weights: Array) -> Array:
            order = random.permutation(weights.size) if self.which == "random" else np.argsort(
                np.abs(weights), axis=None, kind="stable")
            pruned = weights.copy()
            pruned.flat[order[:int(self.share * weights.size)]] = 0
            return pruned
        return audit_worn(self, case, lambda model: _with_weights(model, prune, self.name), "pruning")


@frozen(kw_only=True)
class AfterQuantise:
    """Round each layer's weights to a few bits first, on a grid symmetric about zero.

    Attributes:
        inner, settings: the audit to make then; any registered auditor of single models, installed plugins included.
        bits: 8 or 4.
    """

    inner: str = _inner()
    settings: Settings = field(factory=dict)
    bits: Literal[4, 8] = field(default=8, validator=validators.in_((4, 8)))

    name: ClassVar[str] = "after-quantise"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"parameters"})
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def wrapped(self) -> Auditor:
        """The auditor inside."""
        return inside(self)

    @property
    def needs(self) -> Needs:
        """What the inner audit needs, and the model."""
        return attrs.evolve(self.wrapped.needs, models=True)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return the inner audit's report on the quantised model.

        Raises:
            TypeError: if the model has no parameters.
        """
        steps = 2 ** (self.bits - 1) - 1

        def quantise(weights: Array) -> Array:
            step = float(np.abs(weights).max()) / steps
            rounded: Array = (np.round(weights / step) * step).astype(weights.dtype) if step else weights
            return rounded
        return audit_worn(self, case, lambda model: _with_weights(model, quantise, self.name), f"int{self.bits}")


def _with_weights(model: Model, change: Callable[[Array], Array], name: str) -> Model:
    """Return a copy of the model with its weight matrices and kernels changed; biases and statistics stay."""
    if not isinstance(model, HasParameters):
        raise TypeError(f"{name} changes weights; {type(model).__name__} has no parameters")
    parameters = dict(model.parameters())
    for parameter, array in parameters.items():
        if array.ndim >= 2 and np.issubdtype(array.dtype, np.floating):
            parameters[parameter] = change(array)
    return model.with_parameters(parameters)
