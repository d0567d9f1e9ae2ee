"""Conformance checks for strangers' plugins: one behaviour each, with messages that say how to mend it.

    from harness.conformance import parametrize_with_checks

    @parametrize_with_checks([MyMethod(), MyAudit()])
    def test_conformance(check):
        check()

or ``unlearn check --plugin mine.py``. Instances are checked, not classes: their settings count. A plugin that cannot
pass a check says so with its reason, ``expected_failures = {"check_...": "why"}`` on its class.

Every check has a plugin that is broken on purpose and fails exactly it (``tests/broken_plugins.py``).
"""

from harness.conformance.outcomes import Check, CheckFailed, CheckSkipped, Outcome
from harness.conformance.parametrising import parametrize_with_checks
from harness.conformance.subjects import check_adapter, check_auditor, check_suite, check_unlearner, checks_of

__all__ = [
    "Check",
    "CheckFailed",
    "CheckSkipped",
    "Outcome",
    "check_adapter",
    "check_auditor",
    "check_suite",
    "check_unlearner",
    "checks_of",
    "parametrize_with_checks",
]
