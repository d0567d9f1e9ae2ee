"""Forget requests, and what an unlearner is given and returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from harness.data import Booleans, Examples, Integers
from harness.digests import digest_arrays
from harness.models import FitOptions, Model, TrainingSet

Access = Literal["retain+forget", "forget-only"]
ACCESS: tuple[Access, ...] = ("retain+forget", "forget-only")
Scope = Literal["sample", "class", "group", "sequence"]


def _indices(array: NDArray[Any]) -> Integers:
    plain = np.unique(np.asarray(array, dtype=np.int64))
    plain.flags.writeable = False
    return plain


@frozen(kw_only=True, eq=False)
class ForgetRequest:
    """Which training samples are to be forgotten.

    Attributes:
        name: as in the suite, e.g. ``random-10%-0``.
        scope: ``sample`` or ``class`` (``group`` and ``sequence`` are reserved).
        forget: (K,) int64 indices into the training set, sorted, unique, read-only.
        classes: the forgotten classes of a class request, otherwise empty.
        generator: how the indices were chosen, e.g. ``random``.
        seed: of the generator.
    """

    name: str
    scope: Scope
    forget: Integers = field(converter=_indices)
    classes: tuple[int, ...] = ()
    generator: str
    seed: int

    @property
    def digest(self) -> str:
        """SHA-256 of the indices."""
        return digest_arrays(self.forget)

    def retain_mask(self, train_size: int) -> Booleans:
        """Return (train_size,) bool, False at the forget set.

        Raises:
            ValueError: if the forget set is empty, everything, or reaches beyond the training set.
        """
        if len(self.forget) == 0:
            raise ValueError(f"ForgetRequest '{self.name}': the forget set is empty")
        if self.forget[0] < 0 or self.forget[-1] >= train_size:
            raise ValueError(f"ForgetRequest '{self.name}': index {self.forget[-1]} is outside train "
                             f"({train_size} examples)")
        if len(self.forget) == train_size:
            raise ValueError(f"ForgetRequest '{self.name}': nothing is left to retain")
        mask = np.ones(train_size, dtype=bool)
        mask[self.forget] = False
        return mask


@frozen(kw_only=True, eq=False)
class UnlearnTask:
    """What an unlearner may see: no test set, no oracle, no auditor.

    Attributes:
        original: the trained model; it is never changed.
        forget: the forget set, with its true labels.
        retain: the retain set, or None in access mode ``forget-only``.
        request: which samples these are.
        num_classes: C.
        recipe: the options with which the original was trained.
        build: a freshly initialised model of the same architecture from a seed.
        seed: for everything random in the method.

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
