"""Rows for other programs: JSON Schema and CSV."""

from __future__ import annotations

import csv
import io
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

from harness.rows import Row
from leaderboard.formats import seconds_of
from leaderboard.grids import full_name

FACTS = ("id", "suite", "protocol", "access", "method", "name", "version", "distribution", "status", "tier",
         "evaluator", "track", "retracted", "supersedes", "seconds", "peak_memory_mb", "date")
FIGURES = ("value", "low", "high", "gap", "gap_low", "gap_high", "oracle", "floor", "n")


def csv_text(rows: Sequence[Row]) -> str:
    """Return rows as CSV, one line each, nine columns a score; safe to open with a spreadsheet."""
    header, lines = flat_rows(rows)
    return _table([header, *lines])


def forget_sets_text(rows: Sequence[Row]) -> str:
    """Return the forget sets of rows as CSV, each once: by suite and name, with the digest of its indices.

    The indices themselves are in bundles; whoever has the suite and the data draws them again, see
    `harness.forget_sets`, and compares digests.
    """
    found = {(row.suite.name, row.protocol, one.name): one for row in rows for one in row.forget_sets}
    return _table([("suite", "protocol", "name", "scope", "classes", "forget", "train", "digest"),
                   *((suite, protocol, name, one.scope, " ".join(map(str, one.classes)), one.forget, one.train,
                      one.digest) for (suite, protocol, name), one in found.items())])


def _table(lines: Sequence[Sequence[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([_plain(value) for value in line] for line in lines)
    return out.getvalue()


def flat_rows(rows: Sequence[Row]) -> tuple[list[str], list[list[Any]]]:
    """Return (names of columns, values by row and column); None where a row lacks a score."""
    names = list(dict.fromkeys(full_name(score) for row in rows for score in row.scores))
    header = [*FACTS, *(f"{name} {figure}" for name in names for figure in FIGURES)]
    lines = [[*_facts(row), *(None if (score := row.score(name)) is None else getattr(score, figure)
                              for name in names for figure in FIGURES)] for row in rows]
    return header, lines


def _facts(row: Row) -> list[object]:
    method = row.method
    return [row.id, row.suite.name, row.protocol, method.access, method.title, method.name, method.version,
            method.owner.get("distribution", ""), row.status, row.tier, row.evaluator, row.tuning.track, row.retracted,
            row.supersedes, seconds_of(row.measured), row.measured.get("peak_memory_mb"), row.measured.get("date")]


def _plain(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, str) and value.lstrip().startswith(("=", "+", "-", "@")):
        return f"'{value}"
    if isinstance(value, str) and value[:1] in ("\t", "\r", "\n"):
        return f"'{value}"
    return value


def row_schema() -> dict[str, Any]:
    """Return the JSON Schema of a row, made from the class that validates it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "unlearning-harness row",
            **_schema_of(Row)}


_PLAIN: Mapping[Any, dict[str, Any]] = {
    str: {"type": "string"}, int: {"type": "integer"}, float: {"type": "number"}, bool: {"type": "boolean"},
    type(None): {"type": "null"}, Any: {},
}


def _schema_of(kind: Any) -> dict[str, Any]:
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if attrs.has(kind):
        return _class_schema(kind)
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return {"enum": list(parts)}
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_schema_of(part) for part in parts]}
    if origin is tuple:
        return {"type": "array", "items": _schema_of(parts[0])}
    return {"type": "object", "additionalProperties": _schema_of(parts[1]) if len(parts) > 1 else {}}


def _class_schema(kind: type[Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    fields = attrs.fields(kind)
    return {"type": "object", "additionalProperties": False,
            "properties": {f.name: _field_schema(f, hints[f.name]) for f in fields},
            "required": [f.name for f in fields if f.default is attrs.NOTHING]}


def _field_schema(attribute: Any, hint: Any) -> dict[str, Any]:
    schema = _schema_of(hint)
    pattern = getattr(attribute.validator, "pattern", None)
    return {**schema, "pattern": f"^{pattern.pattern}$"} if pattern is not None else schema
