"""How checks become outcomes."""

from __future__ import annotations

import pytest

from harness.conformance import Check, CheckFailed, CheckSkipped
from harness.conformance.outcomes import run_checks
from harness.errors import BadSetting


def check(name: str, error: Exception | None = None, remark: str | None = None, essential: bool = False) -> Check:
    def body() -> str | None:
        if error:
            raise error
        return remark
    return Check(name=name, subject="mine", body=body, essential=essential)


@pytest.mark.parametrize(("error", "status", "message"), [
    (None, "passed", ""),
    (CheckFailed("mend it"), "failed", "mend it"),
    (CheckSkipped("not for you"), "skipped", "not for you"),
    (BadSetting("no such thing"), "failed", "no such thing"),
    (ZeroDivisionError("division\nby zero"), "failed", "it raised ZeroDivisionError: division by zero"),
])
def test_an_outcome_says_what_came_of_a_check(error: Exception | None, status: str, message: str) -> None:
    [outcome] = run_checks([check("check_a", error)], {})

    assert (outcome.check, outcome.status, outcome.message) == ("check_a", status, message)


def test_a_remark_of_a_passed_check_is_kept() -> None:
    [outcome] = run_checks([check("check_a", remark="tried on 'linear'")], {})

    assert (outcome.status, outcome.message) == ("passed", "tried on 'linear'")


def test_an_expected_failure_is_an_xfail_with_its_reason() -> None:
    [outcome] = run_checks([check("check_a", CheckFailed("mend it"))], {"check_a": "it cannot be mended"})

    assert (outcome.status, outcome.message) == ("xfail", "it cannot be mended")


def test_an_expected_failure_that_passes_is_a_failure() -> None:
    [outcome] = run_checks([check("check_a")], {"check_a": "it cannot be mended"})

    assert outcome.status == "failed"
    assert "take it out of expected_failures" in outcome.message


def test_an_expected_failure_of_no_check_is_refused() -> None:
    with pytest.raises(ValueError, match="check_b, which is no check of this plugin; its checks: check_a"):
        run_checks([check("check_a")], {"check_b": "?"})


def test_what_rests_on_a_failed_check_is_skipped() -> None:
    outcomes = run_checks([check("check_a", CheckFailed("no"), essential=True), check("check_b")], {})

    assert [outcome.status for outcome in outcomes] == ["failed", "skipped"]
    assert outcomes[1].message == "means nothing while check_a fails"
