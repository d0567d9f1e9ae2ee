"""Forget requests, and what an unlearner is given and returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from harness.data import Booleans, Examples, Integers
from harness.digests import digest_arrays
from harness.models import FitOptions, Model, TrainingSet

Access = Literal["retain+forget", "forget-only"]
ACCESS: tuple[Access, ...] = ("retain+forget", "forget-only")
Scope = Literal["sample", "class", "group"]


def _indices(array: NDArray[Any]) -> Integers:
    plain = np.unique(np.asarray(array, dtype=np.int64))
    plain.flags.writeable = False
    return plain


@frozen(kw_only=True, eq=False)
class ForgetRequest:
    """Which training samples are to be forgotten.

    A request may be a step of a sequence, put to the model that the step before has left. A step has the scope of its
    own samples, so a method that serves ``sample`` requests serves sequences of them, step by step.

    Attributes:
        name: as in the suite, e.g. ``random-10%-0``.
        scope: ``sample`` or ``class`` (``group`` is reserved).
        forget: (K,) int64 indices into the training set, sorted, unique, read-only.
        classes: the forgotten classes of a class request, otherwise empty.
        generator: how the indices were chosen, e.g. ``random``.
        seed: of the generator.
        earlier: (E,) int64 indices that the earlier steps of the sequence have forgotten, none of them in ``forget``;
            they belong to no retain set.
        earlier_classes: the classes that these steps have forgotten.
    """

    name: str
    scope: Scope
    forget: Integers = field(converter=_indices)
    classes: tuple[int, ...] = ()
    generator: str
    seed: int
    earlier: Integers = field(factory=lambda: np.empty(0, dtype=np.int64), converter=_indices)
    earlier_classes: tuple[int, ...] = ()

    def __attrs_post_init__(self) -> None:
        again = np.intersect1d(self.forget, self.earlier)
        if len(again):
            raise ValueError(f"ForgetRequest '{self.name}': example {again[0]} was forgotten before; the forget sets "
                             "of a sequence have none in common")

    @property
    def digest(self) -> str:
        """SHA-256 of the indices; of a later step, of those forgotten before it too."""
        return digest_arrays(self.forget, self.earlier) if len(self.earlier) else digest_arrays(self.forget)

    @property
    def so_far(self) -> ForgetRequest:
        """The request for all that was to be forgotten up to here: what the model of a step is audited for."""
        if not len(self.earlier):
            return self
        return ForgetRequest(name=self.name, scope=self.scope, forget=np.union1d(self.earlier, self.forget),
                             classes=self.earlier_classes + self.classes, generator=self.generator, seed=self.seed)

    def after(self, previous: ForgetRequest) -> ForgetRequest:
        """Return this request as the step that follows ``previous``.

        Raises:
            ValueError: if it asks for an example that was forgotten before.
        """
        before = previous.so_far
        return evolve(self, earlier=before.forget, earlier_classes=before.classes)

    def retain_mask(self, train_size: int) -> Booleans:
        """Return (train_size,) bool, False at the forget set and at what was forgotten before it.

        Raises:
            ValueError: if the forget set is empty, everything, or reaches beyond the training set.
        """
        if len(self.forget) == 0:
            raise ValueError(f"ForgetRequest '{self.name}': the forget set is empty")
        if self.forget[0] < 0 or self.forget[-1] >= train_size:
            raise ValueError(f"ForgetRequest '{self.name}': index {self.forget[-1]} is outside train "
                             f"({train_size} examples)")
        if len(self.forget) + len(self.earlier) == train_size:
            raise ValueError(f"ForgetRequest '{self.name}': nothing is left to retain")
        mask = np.ones(train_size, dtype=bool)
        mask[self.forget] = False
        mask[self.earlier] = False
        return mask


@frozen(kw_only=True, eq=False)
class UnlearnTask:
    """What an unlearner may see: no test set, no oracle, no auditor.

    Attributes:
        original: the model to unlearn from; it is never changed. At a later step of a sequence of requests, the model
            that the same method made at the step before.
        forget: the forget set, with its true labels; of this step alone.
        retain: the retain set, without what was forgotten before, or None in access mode ``forget-only``.
        request: which samples these are, and which ones were forgotten before.
        num_classes: C.
        recipe: the options with which the original was trained.
        build: a freshly initialised model of the same architecture from a seed.
        seed: for everything random in the method.
        initial: the model that was trained, before the first request of the sequence; None where this is the first.

    Raises:
        ValueError: if the forget set is empty; no method needs to think of that.
    """

    original: Model
    forget: Examples
    retain: Examples | None
    request: ForgetRequest
    num_classes: int
    recipe: FitOptions
    build: Callable[[int], Model]
    seed: int
    initial: Model | None = None

    def __attrs_post_init__(self) -> None:
        if len(self.forget) == 0:
            raise ValueError(f"UnlearnTask: the forget set of request '{self.request.name}' is empty")


@frozen(kw_only=True, eq=False)
class Fit:
    """One call of the training primitive: what to minimise and how, from the original or from ``start``.

    Attributes:
        data, options, mask: as of ``Trainable.fit``; its seed is the task's.
        start: the model to begin with; the original when it is None.
        facts: as of `Unlearned`.
    """

    data: TrainingSet
    options: FitOptions
    mask: Mapping[str, NDArray[Any]] | None = None
    start: Model | None = None
    facts: Mapping[str, float] = field(factory=dict)


@frozen(kw_only=True, eq=False)
class Unlearned:
    """An unlearned model with facts about its making.

    Attributes:
        model: the result.
        facts: numbers worth a place in the row, e.g. ``{"attack failure rate": 0.0}``.
    """

    model: Model
    facts: Mapping[str, float] = field(factory=dict)


@runtime_checkable
class Unlearner(Protocol):
    """A method; what ``harness_unlearners`` returns is its class: frozen attrs, its fields are its hyper-parameters.

    Class attributes:
        name: as papers print it, lower case, e.g. ``salun``.
        version: changes when its numbers change.
        requires: capabilities that the original must have (names of ``harness.models.CAPABILITIES``).
        access: the access modes in which it can run.
        scopes: the scopes of requests that it can serve.
        space: optional; what ``unlearn tune`` searches, e.g. ``{"lr": "1e-4:1:log"}``, see `harness.tuning.space`.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    requires: ClassVar[frozenset[str]]
    access: ClassVar[tuple[Access, ...]]
    scopes: ClassVar[tuple[Scope, ...]]

    def unlearn(self, task: UnlearnTask) -> Model | Unlearned:
        """Return a model that has forgotten ``task.forget``; ``task.original`` stays as it was."""
        ...
