"""Every check of the kit, tried on a plugin that has the bug it looks for and no other."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

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
