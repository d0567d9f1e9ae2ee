"""Strict conversion between plain JSON or TOML and attrs classes, with messages that name the key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar

import attrs
import cattrs
import numpy as np

from harness.errors import BadSetting

Settings = Mapping[str, Any]
T = TypeVar("T")

# Metadata of a field that came later: at its default it is left out of the JSON, so that what had a digest keeps it.
LATER: Mapping[str, Any] = {"later": True}


def _strict(expected: type, *accepted: type) -> Any:
    def structure(value: Any, _: Any) -> Any:
        if type(value) not in accepted:
            raise ValueError(f"expected {expected.__name__}, got {value!r}")
        return expected(value)
    return structure


def _table(value: Any, _: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected a table, got {value!r}")
    return dict(value)


@cache
def converter() -> cattrs.Converter:
    """Return a converter that refuses unknown keys and silent conversions (64.7 is no integer)."""
    made = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    for kind, accepted in ((int, (int,)), (float, (float, int)), (bool, (bool,)), (str, (str,))):
        made.register_structure_hook(kind, _strict(kind, *accepted))
    made.register_structure_hook_func(lambda kind: kind == Settings, _table)
    return made


def as_json(value: Any) -> Any:
    """Return an attrs value as plain JSON: tables, lists, strings, numbers, booleans and null; see `LATER`."""
    if attrs.has(type(value)):
        return {f.name: as_json(getattr(value, f.name)) for f in attrs.fields(type(value))
                if not (f.metadata.get("later") and getattr(value, f.name) == f.default)}
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(as_json(item) for item in value)
    if isinstance(value, np.generic):
        return value.item()
    return value


def _problem(error: BaseException, kind: type | None) -> str:
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        known = [f.name for f in attrs.fields(error.cl)] if attrs.has(error.cl) else []
        return "; ".join(_unknown_key(key, known) for key in sorted(error.extra_fields))
    if isinstance(error, KeyError):
        return f"'{error.args[0]}' is missing"
    return str(error.args[0] if error.args else error)


def _unknown_key(key: str, known: list[str]) -> str:
    near = get_close_matches(key, known, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"no parameter is called '{key}'; {hint}known: {', '.join(known) or 'none'}"


def structure(value: Any, kind: type[T], what: str) -> T:
    """Return ``value`` (plain JSON or TOML) as an instance of the attrs class ``kind``.

    Raises:
        BadSetting: with every problem on one line, each with the path of its key below ``what``.
    """
    try:
        return converter().structure(value, kind)
    except cattrs.BaseValidationError as error:
        found = cattrs.transform_error(error, path=what, format_exception=_problem)
        problems = "; ".join(_readable(line) for line in found)
        raise BadSetting(problems) from error
    except (TypeError, ValueError) as error:
        raise BadSetting(f"{what}: {error}") from error


def _readable(line: str) -> str:
    problem, _, path = line.rpartition(" @ ")
    return f"{path}: {problem}"


def configure(kind: type[T], settings: Settings, what: str) -> T:
    """Return a plugin's class with its settings; JSON settings are converted strictly.

    Raises:
        BadSetting: for an unknown parameter, a wrong type or a value that a validator refuses.
    """
    return structure(dict(settings), kind, what)


def parse_assignment(text: str) -> tuple[str, str, Any]:
    """Return (method, parameter, value) from ``method.parameter=value``; the value is read as TOML, else as text.

    Raises:
        BadSetting: if the text has another form.
    """
    left, equals, right = text.partition("=")
    method, dot, parameter = left.strip().rpartition(".")
    if not (equals and dot and method and parameter):
        raise BadSetting(f"--set '{text}': expected METHOD.PARAMETER=VALUE, e.g. amun.lr=0.01")
    try:
        value = tomllib.loads(f"value = {right.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        value = right.strip()
    return method, parameter, value
