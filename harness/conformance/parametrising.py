"""Conformance checks as cases of pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from attrs import frozen

from harness.conformance.outcomes import Check, CheckSkipped, ExpectedFailures
from harness.conformance.subjects import checks_of, expected
from harness.plugins import Registry

if TYPE_CHECKING:
    import pytest


@frozen
class Case:
    """A check that pytest can call: what does not apply is a skipped test."""

    check: Check

    def __call__(self) -> None:
        """Run the check."""
        import pytest

        try:
            self.check()
        except CheckSkipped as reason:
            pytest.skip(str(reason))


def parametrize_with_checks(subjects: Iterable[Any], *, registry: Registry | None = None,
                            expected_failures: ExpectedFailures | None = None) -> pytest.MarkDecorator:
    """Return a pytest decorator that gives a test the argument ``check``, once for every check of every subject.

    Nothing is trained while tests are collected. An expected failure is a strict ``xfail``.

    Args:
        subjects: instances of unlearners, auditors, adapters; suites.
        registry: where small models come from; that of the installed plugins when None.
        expected_failures: reasons by name of check, for all subjects, beside those that their classes declare.
    """
    import pytest

    cases = [case for subject in subjects for case in _cases(subject, registry, expected(subject, expected_failures),
                                                              pytest.param, pytest.mark.xfail)]
    return pytest.mark.parametrize("check", cases)


def _cases(subject: Any, registry: Registry | None, reasons: ExpectedFailures, param: Callable[..., Any],
           xfail: Callable[..., Any]) -> Iterator[Any]:
    for check in checks_of(subject, registry):
        marks = [xfail(reason=reasons[check.name], strict=True)] if check.name in reasons else []
        yield param(Case(check), id=f"{check.subject}-{check.name}", marks=marks)
