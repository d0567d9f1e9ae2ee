"""Leaderboard rows: one JSON object a line, validated on reading and on writing.

The id of a row is the SHA-256 of its canonical JSON without ``id`` and ``measured`` (seconds, memory, date, machine),
so that whoever repeats a run gets the same id.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs
from attrs import field, frozen, validators

from harness.digests import canonical_json, digest_json
from harness.errors import BadSetting, RowError
from harness.record import MethodRecord, RequestRecord
from harness.settings import LATER, Settings, as_json, structure
from harness.suite import Tuning

SCHEMA = 1
Values = tuple[tuple[tuple[float | None, ...], ...], ...]
_digest = validators.matches_re(r"[0-9a-f]{64}")


@frozen(kw_only=True)
class RowScore:
    """One column of a row, relative to the oracle.

    Attributes:
        auditor, name, unit, target, chance: as the auditor declares them.
        value, low, high: mean over originals, forget sets and runs with its 95 % interval.
        n: number of models that it is the mean of.
        samples: number of examples behind each of them.
        oracle, oracle_low, oracle_high: the same of the oracles of the same forget sets.
        gap, gap_low, gap_high: mean over models of the absolute difference to the oracles of the same forget set.
        gap_of_means: absolute difference of the means, as some papers print it.
        floor: noise floor, the gap between one oracle and the others of its forget set; of a score that is a gap
            itself (target ``lower``), the oracles' own value.
        values: every model's value by original, forget set and run; null where it failed.
        oracle_values: every oracle's value by forget set and oracle.
        step: where requests form sequences, the step that this is the score of, counted from 1, with one forget set
            for each sequence; 0 for the score of all of them.
    """

    auditor: str
    name: str
    unit: str
    target: str
    chance: float | None
    value: float
    low: float | None
    high: float | None
    n: int
    samples: int
    oracle: float
    oracle_low: float | None
    oracle_high: float | None
    gap: float
    gap_low: float | None
    gap_high: float | None
    gap_of_means: float
    floor: float
    values: Values
    oracle_values: tuple[tuple[float, ...], ...]
    step: int = field(default=0, validator=validators.ge(0), metadata=LATER)


@frozen(kw_only=True)
class SuiteName:
    """Which suite: its name, and the digest of its content with the command line's changes."""

    name: str
    digest: str = field(validator=_digest)


@frozen(kw_only=True)
class Row:
    """One method in one suite and access mode.

    Attributes:
        id: see the module.
        suite, protocol: rows may be compared when their protocols are equal.
        method: everything that names the method, its plugin and its settings.
        tuning: how the settings were found.
        data: name, version, digest, source, number of training and test examples.
        forget_sets: name, digest, size and share of each.
        originals, oracles, references: digests of the artefacts that it rests on.
        seeds: root of all seeds and the number of originals, forget sets, runs, oracles and references.
        auditors: name, version, source digest and settings of each, by title.
        status: ``ok``, ``partial`` (some models or audits failed), ``failed``, ``timeout`` or ``skipped``.
        reason: why, when not ``ok``.
        failures: number of models without a result.
        scores: the columns.
        facts: means of what the method reported of its making.
        measured: seconds and peak memory per run, date, environment; no part of the id.
        tier: ``self-reported``, ``checked`` or ``reproduced``.
        evaluator: who ran it.
        supersedes: id of a row that this one replaces.
        retracted: why it no longer counts.
        schema: version of this layout.
    """

    id: str = field(validator=_digest)
    suite: SuiteName
    protocol: str = field(validator=_digest)
    method: MethodRecord
    tuning: Tuning = field(factory=Tuning)
    data: Settings
    forget_sets: tuple[RequestRecord, ...]
    originals: tuple[str, ...]
    oracles: tuple[str, ...]
    references: tuple[str, ...]
    seeds: Settings
    auditors: Settings
    status: Literal["ok", "partial", "failed", "timeout", "skipped"]
    reason: str = ""
    failures: int = field(default=0, validator=validators.ge(0))
    scores: tuple[RowScore, ...] = ()
    facts: dict[str, float] = field(factory=dict)
    measured: Settings = field(factory=dict)
    tier: Literal["self-reported", "checked", "reproduced"] = "self-reported"
    evaluator: str = "self"
    supersedes: str = ""
    retracted: str = ""
    schema: int = SCHEMA

    def score(self, name: str) -> RowScore | None:
        """Return the first column called ``name``, or the one called ``auditor/name``, or None."""
        return next((score for score in self.scores if name in (score.name, f"{score.auditor}/{score.name}")), None)


def row_id(content: dict[str, Any]) -> str:
    """Return the id that a row's JSON ought to have."""
    return digest_json({key: value for key, value in content.items() if key not in ("id", "measured")})


def with_id(row: Row) -> Row:
    """Return the row with its right id."""
    return attrs.evolve(row, id=row_id(as_json(row)))


def parse_row(line: str, where: str) -> Row:
    """Return the row in one line of JSON.

    Raises:
        RowError: with every problem of the line.
    """
    try:
        content = json.loads(line, parse_constant=_no_constant)
    except ValueError as error:
        raise RowError(f"{where}: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise RowError(f"{where}: expected an object, got {type(content).__name__}")
    if content.get("schema") != SCHEMA:
        raise RowError(f"{where}: schema {content.get('schema')!r} is not known; this harness reads schema {SCHEMA}")
    try:
        row = structure(content, Row, where)
        right = row_id(content)
    except (BadSetting, ValueError) as error:
        raise RowError(str(error) if isinstance(error, BadSetting) else f"{where}: {error}") from error
    if row.id != right:
        raise RowError(f"{where}: id {row.id[:12]} does not match the content, which has {right[:12]}")
    return row


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a JSONL file.

    Raises:
        RowError: naming every bad line at once.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RowError(f"{path}: cannot be read: {error}") from error
    rows: list[Row] = []
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            rows += [parse_row(line, f"{path}:{number}")] if line.strip() else []
        except RowError as error:
            problems.append(str(error))
    if problems:
        raise RowError("; ".join(problems))
    return rows


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write rows as JSONL, each validated by reading it back.

    Raises:
        RowError: if a row would not validate, or the file cannot be written; then the file stays as it was.
    """
    lines = [canonical_json(as_json(row)).decode() for row in rows]
    for number, line in enumerate(lines, start=1):
        parse_row(line, f"row {number}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise RowError(f"{path}: cannot be written: {error.strerror}") from error


def nested(values: Sequence[Any]) -> Any:
    """Return nested sequences of numbers as tuples with None for NaN."""
    return tuple(nested(value) if isinstance(value, list | tuple) else (None if math.isnan(value) else float(value))
                 for value in values)
