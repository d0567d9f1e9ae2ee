"""Every check of the kit, tried on a plugin that has the bug it looks for and no other."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest

from harness import conformance
from harness.conformance import Outcome, checks_of
from harness.conformance.outcomes import run_checks
from harness.plugins import Registry, load_registry
from tests.broken_plugins import adapters, auditors, suites, unlearners


@cache
def registry() -> Registry:
    return load_registry([Path(suites.__file__)])


def outcomes_of(subject: Any) -> list[Outcome]:
    return run_checks(checks_of(subject, registry()), {})


KINDS = {"unlearner": (unlearners.Sound(), unlearners.BROKEN), "auditor": (auditors.Sound(), auditors.BROKEN),
         "adapter": (adapters.Adapter(), adapters.BROKEN), "suite": (suites.SOUND, suites.BROKEN)}
CASES = [pytest.param(subject, check, message, id=f"{kind}-{check}-{type(subject).__name__}")
         for kind, (_, broken) in KINDS.items() for subject, check, message in broken]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_plugin_passes_every_check(kind: str) -> None:
    sound, _ = KINDS[kind]

    assert [outcome for outcome in outcomes_of(sound) if outcome.status != "passed"] == []


@pytest.mark.parametrize(("subject", "check", "message"), CASES)
def test_a_plugin_with_one_bug_fails_exactly_the_check_for_it(subject: Any, check: str, message: str) -> None:
    failed = {outcome.check: outcome.message for outcome in outcomes_of(subject) if outcome.status == "failed"}

    assert set(failed) == {check}
    assert re.search(message, failed[check])


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_has_a_plugin_that_fails_it(kind: str) -> None:
    sound, broken = KINDS[kind]
    subjects = [sound, *(subject for subject, _, _ in broken)]
    checks = {check.name for subject in subjects for check in checks_of(subject, registry())}

    assert checks == {check for _, check, _ in broken}


def test_no_check_of_the_kit_is_left_out() -> None:
    entrances = {f"check_{kind}" for kind in KINDS}
    modules = [import_module(f"harness.conformance.{module.name}") for module in iter_modules(conformance.__path__)]
    written = {name for module in modules for name in vars(module) if name.startswith("check_")} - entrances

    assert written == {check for _, broken in KINDS.values() for _, check, _ in broken}
