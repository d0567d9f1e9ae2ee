"""What unlearners and auditors say of themselves: names, capabilities, scopes, settings."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import attrs

from harness.conformance.outcomes import CheckFailed, require
from harness.errors import HarnessError
from harness.models import CAPABILITIES, FLEETS
from harness.settings import as_json, configure
from harness.tasks import Scope

SCOPES: tuple[Scope, ...] = get_args(Scope)


def declarations(plugin: Any) -> None:
    """Fail unless name, version, capabilities, scopes and docstring of an unlearner or auditor are in order."""
    name = plugin.name
    require(name == name.lower() and not name.split()[1:],
            f"name = {name!r}: write it in lower case and without spaces")
    require(isinstance(plugin.version, str) and plugin.version,
            f"version = {plugin.version!r}: give it text that changes whenever the numbers change, such as '1'")
    unknown = sorted(set(plugin.requires) - {*CAPABILITIES, *FLEETS})
    require(not unknown, f"requires names {', '.join(unknown)}; the capabilities are {', '.join(CAPABILITIES)}")
    require(plugin.scopes and set(plugin.scopes) <= set(SCOPES),
            f"scopes = {tuple(plugin.scopes)}: name at least one of {', '.join(SCOPES)}")
    require(inspect.getdoc(type(plugin)), "the class has no docstring; its first line is the description that "
                                          "`unlearn list` shows")


def settings_are_strict(plugin: Any) -> None:
    """Fail if the command line or a suite can set a number or a truth value to text."""
    for setting in attrs.fields(type(plugin)):
        value = getattr(plugin, setting.name)
        if isinstance(value, bool | int | float):
            wrong = "False" if isinstance(value, bool) else "three"
            try:
                configure(type(plugin), {**as_json(plugin), setting.name: wrong}, plugin.name)
            except HarnessError:
                continue
            raise CheckFailed(f"{setting.name}={wrong!r} (text) is accepted where {value!r} is the default; annotate "
                              f"the field as {type(value).__name__} and use no converter that takes text")


def settings_survive_json(plugin: Any) -> None:
    """Fail unless the settings can be written to a row as JSON and read back."""
    written = as_json(plugin)
    try:
        read = configure(type(plugin), written, plugin.name)
    except HarnessError as error:
        raise CheckFailed(f"settings {written} cannot be read back: {error}; annotate every field with a plain type "
                          "(int, float, bool, str, tuple[int, ...], int | None)") from error
    require(read == plugin, f"settings {written} are read back as {as_json(read)}; keep them in plain types and let "
                            "converters keep what is converted already")
