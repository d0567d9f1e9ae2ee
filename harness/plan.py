"""From a suite to stages: pure and instant, nothing is trained and nothing is written.

    Suite --make_plan--> Plan(stages, cells, skipped)

A stage is named by the digest of everything that it is made from, inputs included, so equal work is planned once:
an original is trained once and never once per request, oracles and references are shared by all methods and audits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from harness.audits import Auditor
from harness.data import Dataset
from harness.digests import digest_json
from harness.plugins import Registry
from harness.suite import MethodSpec, Suite
from harness.tasks import Access, Unlearner

ORACLE = "oracle"
KINDS = ("forget", "train", "retrain", "reference", "shadow", "shadow-retrain", "unlearn", "shadow-unlearn", "audit")


@frozen(kw_only=True)
class Stage:
    """One unit of work, a pure function of ``spec``.

    Attributes:
        kind: one of `KINDS`.
        label: in words, for progress and errors.
        spec: what it is made from, as JSON.
        inputs: keys of the stages whose artefacts it reads.
        work: model-samples trained, for the estimate of the cost.
        limit: wall-time limit in seconds, or None.
    """

    kind: str
    label: str
    spec: Mapping[str, Any]
    inputs: tuple[str, ...]
    work: float = 0.0
    limit: float | None = None
    key: str = field()

    @key.default
    def _key(self) -> str:
        return digest_json(dict(self.spec))


@frozen(kw_only=True)
class Cell:
    """One audited model: an unlearned one, or an oracle in its place.

    Attributes:
        method: title of the suite's method; ``oracle`` for an oracle.
        access: the access mode; None for an oracle.
        original: index of the original; None for an oracle.
        request: index of the forget set.
        run: index of the unlearning run, or of the oracle.
        model: key of the stage that makes the model.
        audits: keys of audit stages by the auditor's title.
    """

    method: str
    access: Access | None
    original: int | None
    request: int
    run: int
    model: str
    audits: Mapping[str, str]


@frozen(kw_only=True)
class Skipped:
    """A method or an auditor that cannot run in this suite, known beforehand.

    Attributes:
        kind: ``unlearner`` or ``auditor``.
        name, title: of the method or auditor.
        access: the access mode concerned, or None for all.
        reason: why.
    """

    kind: str
    name: str
    title: str
    access: Access | None
    reason: str


@frozen(kw_only=True, eq=False)
class PlannedMethod:
    """A method of the suite with its settings resolved for one access mode."""

    spec: MethodSpec
    access: Access
    unlearner: Unlearner
    runs: int


@frozen(kw_only=True, eq=False)
class Plan:
    """Everything that a run will do.

    Attributes:
        suite: the suite, with the command line's changes.
        data: name, digests and sizes of the data set.
        stages: in an order in which each comes after its inputs.
        methods: what is run, with settings resolved.
        auditors: by title, with settings resolved.
        cells: every audited model.
        skipped: what cannot run, and why.
        requests, originals: keys of their stages, by index.
        references: keys of the blocks of references.
        input_shape: of one input, for the estimate of the cost.
    """

    suite: Suite
    data: Mapping[str, Any]
    stages: tuple[Stage, ...]
    methods: tuple[PlannedMethod, ...]
    auditors: Mapping[str, Auditor]
    cells: tuple[Cell, ...]
    skipped: tuple[Skipped, ...]
    requests: tuple[str, ...]
    originals: tuple[str, ...]
    references: tuple[str, ...]
    input_shape: tuple[int, ...]


def make_plan(suite: Suite, data: Dataset, registry: Registry, device: str = "cpu") -> Plan:
    """Return the plan of ``suite`` on ``data``.

    Raises:
        UnknownName, BadSetting: for names and settings that do not fit.
    """
    from harness.planner import Planner

    return Planner(suite, data, registry, device).plan()
