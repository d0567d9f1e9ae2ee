"""What an auditor is given and returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from harness.data import Booleans, Dataset, Floats, Integers
from harness.models import Model
from harness.tasks import ForgetRequest, Scope

Target = Literal["oracle", "chance", "higher", "lower"]


@frozen(kw_only=True, eq=False)
class Signals:
    """The logits of one model on the pool: training set first, then test set.

    Attributes:
        train: (N, C) float32 logits on the training set.
        test: (T, C) float32 logits on the test set.
        digest: key of the artefact that they were read from.
    """

    train: Floats
    test: Floats
    digest: str

    @property
    def pool(self) -> Floats:
        """(N + T, C) logits, training set first."""
        return np.concatenate([self.train, self.test])


@frozen(kw_only=True, eq=False)
class References:
    """Signals of models trained on random halves of the pool.

    Attributes:
        logits: (R, P, C) float32 on the pool of P = N + T examples, training set first.
        membership: (R, P) bool; every example is in half of each block of references.
        digest: over the artefacts that they were read from.
    """

    logits: Floats
    membership: Booleans
    digest: str


@frozen(kw_only=True, eq=False)
class Shadows:
    """Signals of models for U-LiRA-type audits; `harness.shadows` says how they are made.

    Attributes:
        unlearned: (S, P, C) float32 logits of models that saw the forget set and then unlearned it with the method
            under test; of retrained models where an oracle is audited.
        retrained: (S', P, C) float32 logits of models that never saw it.
    """

    unlearned: Floats
    retrained: Floats


@frozen(kw_only=True)
class Needs:
    """What an auditor asks the plan for, so that it can be shared between auditors and methods.

    Attributes:
        oracles: least number of oracles beside the audited model.
        references: number of half-split reference models; the suite's number when -1, none when 0.
        models: whether the model itself is needed, not only its signals.
        shadows: least number of shadows a side: trained and unlearned with the method under test, and retrained. All
            that the suite has are given.
        poison: kind of poison that the training set must hold: ``gaussian``, ``swap``, ``trigger``, or nothing.
        method_level: whether the report is on the method and not on one model of it, so that it is made once per
            forget set.
        reports: titles of auditors whose reports on this model and on the oracles are needed first.
        original_reports: whether their reports on the original are needed too.
    """

    oracles: int = field(default=0, validator=validators.ge(0))
    references: int = field(default=0, validator=validators.ge(-1))
    models: bool = False
    shadows: int = field(default=0, validator=validators.ge(0))
    poison: str = ""
    method_level: bool = False
    reports: tuple[str, ...] = ()
    original_reports: bool = False


@frozen(kw_only=True)
class Score:
    """One number that an auditor vouches for.

    Attributes:
        name: as papers print it, e.g. ``FT AUC``.
        value: in ``unit``.
        low, high: 95 % interval over the sampled examples of this one model, or None.
        standard_error: the sampling error behind it, or None.
        n: number of examples (or models) it rests on.
        unit: ``auc``, ``%``, ``nats``, ...
        target: ``oracle`` (nearer to the oracle's value is better), ``chance``, ``higher`` or ``lower``.
        chance: value at chance level, or None.
        directed: whether the score says which way a model differs; a distance from the oracles says only how far, so
            that damage and what is left of the forget set look alike.
    """

    name: str
    value: float = field(converter=float)
    n: int
    unit: str
    target: Target = "oracle"
    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    chance: float | None = None
    directed: bool = True


@frozen(kw_only=True, eq=False)
class AuditReport:
    """What one auditor says of one model.

    Attributes:
        scores: in the order in which tables show them.
        per_sample: arrays worth keeping, e.g. the ratio of every example, by name.
        notes: facts beside the numbers, e.g. ``{"references": 64}``.
        figures: PNG bytes by file name.
    """

    scores: tuple[Score, ...]
    per_sample: Mapping[str, NDArray[Any]] = field(factory=dict)
    notes: Mapping[str, Any] = field(factory=dict)
    figures: Mapping[str, bytes] = field(factory=dict)

    def value(self, name: str) -> float:
        """Return the value of the score called ``name``.

        Raises:
            KeyError: if there is none.
        """
        for score in self.scores:
            if score.name == name:
                return score.value
        raise KeyError(name)


@frozen(kw_only=True, eq=False)
class AuditCase:
    """Everything one auditor declared it needs about one audited model, and no more.

    Attributes:
        data: the data set.
        request: what was to be forgotten; at a step of a sequence, by this step and all before it.
        unlearned: signals of the audited model.
        original: signals of the original it came from, before the first request, or None (an oracle has none).
        oracles: signals of oracles of the same request; the audited model is never among them.
        references: signals of half-split references, or None if not needed.
        shadows: signals of shadows, or None if not needed.
        models: ``"unlearned"``, ``"original"`` and ``"oracle-0"``... when ``Needs.models``.
        reports: this model's reports by auditor, when ``Needs.reports``.
        oracle_reports: the same of each oracle.
        original_reports: the same of the original that it came from; empty for an oracle.
        seed: for everything random in the audit.
    """

    data: Dataset
    request: ForgetRequest
    unlearned: Signals
    original: Signals | None = None
    oracles: tuple[Signals, ...] = ()
    references: References | None = None
    shadows: Shadows | None = None
    models: Mapping[str, Model] = field(factory=dict)
    reports: Mapping[str, AuditReport] = field(factory=dict)
    oracle_reports: Sequence[Mapping[str, AuditReport]] = ()
    original_reports: Mapping[str, AuditReport] = field(factory=dict)
    seed: int = 0

    @property
    def retain(self) -> Integers:
        """(N - K,) indices of the retain set."""
        return np.flatnonzero(self.request.retain_mask(len(self.data.train)))


@runtime_checkable
class Auditor(Protocol):
    """An audit; what ``harness_auditors`` returns is its class: frozen attrs, its fields are its settings.

    Class attributes:
        name: lower case, e.g. ``rmia``.
        version: changes when its numbers change.
        requires: capabilities that the audited model must have beyond ``logits``.
        scopes: the scopes of requests that it can judge.

    ``needs`` may depend on the settings. An auditor may have a method ``unsuited(model)``, which returns why it can say
    nothing about a suite's architecture, or None: such audits are skipped before anything runs.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    requires: ClassVar[frozenset[str]]
    scopes: ClassVar[tuple[Scope, ...]]

    @property
    def needs(self) -> Needs:
        """What the plan has to provide."""
        ...

    def audit(self, case: AuditCase) -> AuditReport:
        """Return the report on ``case.unlearned``."""
        ...


@frozen(kw_only=True)
class Skip:
    """A cell that cannot run, known before anything ran."""

    reason: str
    missing: tuple[str, ...] = ()


@frozen(kw_only=True)
class Failure:
    """A cell whose stage raised."""

    error: str
    traceback: str
    stage: str


@frozen(kw_only=True)
class Timeout:
    """A cell whose stage ran past its limit in seconds."""

    limit: float
    stage: str
