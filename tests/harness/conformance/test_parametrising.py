"""The kit as cases of pytest; the first test is what a plugin's author writes."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from attrs import frozen

from harness.conformance import check_unlearner, checks_of, parametrize_with_checks
from tests.broken_plugins import auditors, unlearners


@frozen(kw_only=True)
class Declared(unlearners.DoesNothing):
    """Does nothing and says so."""

    expected_failures: ClassVar[dict[str, str]] = {"check_model_changes": "a control"}


@parametrize_with_checks([unlearners.Sound(), auditors.Sound(), Declared()])
def test_conformance(check: Any) -> None:
    check()


def cases(mark: pytest.MarkDecorator) -> dict[str, Any]:
    return {case.id: case for case in mark.args[1]}


def test_every_check_of_every_subject_is_a_case_with_a_readable_name() -> None:
    found = cases(parametrize_with_checks([unlearners.Sound(), auditors.Sound()]))

    assert "sound-check_model_changes" in found
    assert "sound-check_original_stands_out" in found


def test_an_expected_failure_is_a_strict_xfail() -> None:
    [mark] = cases(parametrize_with_checks([Declared()]))["sound-check_model_changes"].marks

    assert mark.name == "xfail"
    assert mark.kwargs == {"reason": "a control", "strict": True}


def test_what_does_not_apply_is_a_skipped_test() -> None:
    skipped = cases(parametrize_with_checks([auditors.SeesNothing(width=0.0)], registry=None))
    case = skipped["sound-check_oracles_agree"].values[0]

    case()
    with pytest.raises(pytest.skip.Exception, match="no parameters"):
        parametrising_case("no parameters")()


def parametrising_case(reason: str) -> Any:
    from harness.conformance.outcomes import Check, CheckSkipped
    from harness.conformance.parametrising import Case

    def skip() -> None:
        raise CheckSkipped(reason)

    return Case(Check(name="check_a", subject="mine", body=skip))


def test_a_class_in_place_of_an_instance_is_told() -> None:
    with pytest.raises(TypeError, match=r"Sound is a class; check an instance: Sound\(\)"):
        checks_of(unlearners.Sound)


def test_what_is_no_plugin_is_told() -> None:
    with pytest.raises(TypeError, match="int has neither unlearn, audit nor factory"):
        checks_of(3)


def test_failures_declared_on_the_class_and_in_the_call_are_both_expected() -> None:
    outcomes = {outcome.check: outcome.status for outcome in check_unlearner(Declared())}

    assert outcomes["check_model_changes"] == "xfail"
    assert "failed" not in outcomes.values()
