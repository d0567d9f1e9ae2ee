"""Checking one plugin: which checks it gets, which failures are expected, what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from harness.audits import Auditor
from harness.conformance.adapters import adapter_checks
from harness.conformance.auditors import auditor_checks
from harness.conformance.outcomes import Check, ExpectedFailures, Outcome, run_checks
from harness.conformance.suites import suite_checks
from harness.conformance.unlearners import unlearner_checks
from harness.models import Adapter
from harness.plugins import Registry, load_registry
from harness.suite import Suite
from harness.tasks import Unlearner


def check_unlearner(unlearner: Unlearner, *, registry: Registry | None = None, model: str = "",
                    expected_failures: ExpectedFailures | None = None) -> list[Outcome]:
    """Return the outcome of every check of an unlearner.

    Args:
        unlearner: an instance, with its settings.
        registry: where small models come from; that of the installed plugins when None.
        model: architecture to try it on; the cheapest that it accepts when empty.
        expected_failures: reasons by name of check, beside those that the class declares in ``expected_failures``.
    """
    return run_checks(checks_of(unlearner, registry, model), expected(unlearner, expected_failures))


def check_auditor(auditor: Auditor, *, registry: Registry | None = None, model: str = "",
                  expected_failures: ExpectedFailures | None = None) -> list[Outcome]:
    """Return the outcome of every check of an auditor; the arguments are those of `check_unlearner`."""
    return run_checks(checks_of(auditor, registry, model), expected(auditor, expected_failures))


def check_adapter(adapter: Adapter, *, registry: Registry | None = None, model: str = "",
                  expected_failures: ExpectedFailures | None = None) -> list[Outcome]:
    """Return the outcome of every check of an adapter; ``registry`` must hold its architectures.

    Args:
        adapter: an instance.
        registry: that of the installed plugins when None.
        model: the architecture to try; the adapter's first that fits small images when empty.
        expected_failures: as in `check_unlearner`.
    """
    return run_checks(checks_of(adapter, registry, model), expected(adapter, expected_failures))


def check_suite(suite: Suite, *, registry: Registry | None = None, data_root: Path | None = None,
                expected_failures: ExpectedFailures | None = None) -> list[Outcome]:
    """Return the outcome of every check of a suite; those that need data which is not in ``data_root`` are skipped."""
    return run_checks(checks_of(suite, registry, data_root=data_root), expected(suite, expected_failures))


def checks_of(subject: Any, registry: Registry | None = None, model: str = "",
              data_root: Path | None = None) -> list[Check]:
    """Return the checks of an unlearner, auditor, adapter or suite, none tried yet.

    Raises:
        TypeError: if it is none of these, or a class.
    """
    if isinstance(subject, type):
        raise TypeError(f"{subject.__name__} is a class; check an instance: {subject.__name__}()")
    found = registry or _installed()
    if isinstance(subject, Suite):
        return list(suite_checks(subject, found, data_root))
    if hasattr(subject, "unlearn"):
        return list(unlearner_checks(subject, found, model))
    if hasattr(subject, "audit"):
        return list(auditor_checks(subject, found, model))
    if hasattr(subject, "factory"):
        return list(adapter_checks(subject, found, model))
    raise TypeError(f"{type(subject).__name__} has neither unlearn, audit nor factory, and is no suite")


def expected(subject: Any, given: ExpectedFailures | None) -> Mapping[str, str]:
    """Return the failures that are expected of a plugin, with their reasons."""
    return {**getattr(subject, "expected_failures", {}), **(given or {})}


@cache
def _installed() -> Registry:
    return load_registry()
