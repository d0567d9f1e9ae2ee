"""The record of one run: everything that rows, reports and the leaderboard read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen

from harness.audits import Score
from harness.errors import RowError, StoreError
from harness.settings import Settings, as_json, structure
from harness.tasks import Access

SCHEMA = 1


@frozen(kw_only=True)
class CellRecord:
    """One audited model.

    Attributes:
        method: title of the method; ``oracle`` for an oracle.
        access: the access mode; None for an oracle.
        original, request, run: indices; ``original`` is None for an oracle, whose index is ``run``.
        status: ``ok``, ``failed`` or ``timeout``.
        error: why, when not ``ok``: of the model or of the first audit that failed.
        model: digest of the artefact, empty when there is none.
        key: key of the stage that made it.
        scores: by the auditor's title; an audit that failed is absent.
        audit_errors: by the auditor's title.
        facts: what the method reported of its making.
        measured: seconds and peak memory of making it.
    """

    method: str
    access: Access | None
    original: int | None
    request: int
    run: int
    status: Literal["ok", "failed", "timeout"]
    error: str = ""
    model: str = ""
    key: str = ""
    scores: dict[str, tuple[Score, ...]] = field(factory=dict)
    audit_errors: dict[str, str] = field(factory=dict)
    facts: dict[str, float] = field(factory=dict)
    measured: Settings = field(factory=dict)


@frozen(kw_only=True)
class RequestRecord:
    """One forget set."""

    name: str
    digest: str
    scope: str
    classes: tuple[int, ...]
    forget: int
    train: int


@frozen(kw_only=True)
class MethodRecord:
    """One method with everything that names it.

    Attributes:
        title, name, version, aliases: as in the suite and as registered.
        access: the access mode.
        settings: every hyper-parameter as resolved.
        source: digest of its source.
        owner: distribution, version, entry point, file, digest of the plugin.
        runs: unlearning runs per original and forget set.
        note: what the plugin says of itself, e.g. that it is a reconstruction.
    """

    title: str
    name: str
    version: str
    aliases: tuple[str, ...]
    access: Access
    settings: Settings
    source: str
    owner: Settings
    runs: int
    note: str = ""


@frozen(kw_only=True)
class SkippedRecord:
    """A method or auditor that could not run, and why; a method with what names it."""

    kind: str
    title: str
    access: Access | None
    reason: str
    method: MethodRecord | None = None


@frozen(kw_only=True)
class CalibrationRecord:
    """How often one score raised an alarm in a run; `harness.calibration` says when it does.

    Attributes:
        auditor, name: of the score.
        level: the share of false alarms that it should have.
        false_alarms, retrained: alarms about retrained models, and the number of these.
        false_alarm, false_alarm_low, false_alarm_high: their rate with its Clopper-Pearson interval.
        originals: number of models that forgot nothing.
        power, power_low, power_high: rate of alarms about these; None where there is none.
    """

    auditor: str
    name: str
    level: float
    false_alarms: int
    retrained: int
    false_alarm: float
    false_alarm_low: float
    false_alarm_high: float
    originals: int
    power: float | None = None
    power_low: float | None = None
    power_high: float | None = None

    @property
    def off(self) -> bool:
        """Whether the level lies outside the interval of the false-alarm rate."""
        return not self.false_alarm_low <= self.level <= self.false_alarm_high


@frozen(kw_only=True)
class RunRecord:
    """Everything about one run.

    Attributes:
        suite: the suite as run, with the command line's changes.
        suite_digest, protocol: digests of the suite and of what must match for a comparison.
        data: name, version, digest, source and sizes.
        requests: the forget sets.
        methods, auditors: what was run, resolved.
        cells: every audited model, oracles included.
        skipped: what could not run.
        originals, references: artefact digests.
        stages: number of stages planned, computed now, stored before, failed.
        measured: wall seconds of this run, seconds spent per kind of stage (whenever they were computed).
        environment: versions, platform, revision.
        calibration: false-alarm rate and power of every score.
    """

    suite: Settings
    suite_digest: str
    protocol: str
    data: Settings
    requests: tuple[RequestRecord, ...]
    methods: tuple[MethodRecord, ...]
    auditors: Settings
    cells: tuple[CellRecord, ...]
    skipped: tuple[SkippedRecord, ...]
    originals: tuple[str, ...]
    references: tuple[str, ...]
    stages: Settings
    measured: Settings
    environment: Settings
    calibration: tuple[CalibrationRecord, ...] = ()
    schema: int = SCHEMA

    @property
    def name(self) -> str:
        """Name of the suite."""
        return str(self.suite["name"])


def write_record(record: RunRecord, path: Path) -> None:
    """Write a record as JSON, whole or not at all.

    Raises:
        StoreError: if the file cannot be written; then it stays as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(as_json(record), allow_nan=False, indent=1) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error


def read_record(path: Path) -> RunRecord:
    """Return the record in a JSON file.

    Raises:
        RowError: if the file is missing, no JSON, of another schema or malformed.
    """
    try:
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RowError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RowError(f"{path}: not a JSON file: {error}") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise RowError(f"{path}: not a run record of schema {SCHEMA}")
    return structure(content, RunRecord, path.name)
