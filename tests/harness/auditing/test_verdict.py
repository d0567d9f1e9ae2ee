"""Verdicts in plain words: each kind, and none that claims more than the evidence."""

from __future__ import annotations

import re
from typing import Any

import pytest

from harness.auditing.judgement import compare
from harness.auditing.verdict import Verdict, conclude, number, with_interval
from harness.audits import AuditReport
from tests.harness.auditing.scores import examination, finding, report, score


def verdict(audited: AuditReport, oracles: list[AuditReport], original: AuditReport | None = None) -> Verdict:
    """Return the verdict on reports of one auditor."""
    return conclude(compare(examination(finding(audited, oracles, original))), len(oracles))


def ft(value: float, **changes: Any) -> AuditReport:
    """Return a report of one score that compares the forget with the test set."""
    return report(value, **{"name": "FT AUC", "error": 0.015, **changes})


ORACLES = [ft(0.49), ft(0.50), ft(0.51)]


def test_a_trace_of_the_forget_set_is_told_with_its_interval() -> None:
    found = verdict(ft(0.61), ORACLES, ft(0.70))

    assert found.kind == "residual"
    assert found.found_difference
    assert found.text == ("residual membership signal, FT AUC of rmia 0.61 [0.58, 0.64] against oracle 0.50 "
                          "(original 0.70).")


def test_a_trace_is_found_without_the_original() -> None:
    found = verdict(ft(0.61), ORACLES)

    assert found.kind == "residual"
    assert found.text == "residual membership signal, FT AUC of rmia 0.61 [0.58, 0.64] against oracle 0.50."


def test_one_oracle_is_said_to_be_one() -> None:
    found = verdict(ft(0.61), ORACLES[1:2])

    assert found.kind == "residual"
    assert found.text.endswith("; from a single oracle it is not known how far retrained models differ among "
                               "themselves.")


def test_further_scores_are_named_after_the_strongest() -> None:
    audited = report(0.60, 0.90, 0.70, 0.65, 0.61, 0.62)
    found = verdict(audited, [report(*[0.5] * 6)] * 3, report(*[0.95] * 6))

    assert found.text.startswith("residual membership signal, B of rmia 0.90 [0.88, 0.92] against oracle 0.50")
    assert found.text.endswith("; also in C of rmia, D of rmia, F of rmia, 2 more.")


def test_membership_comes_before_other_traces() -> None:
    def both(auc: float, share: float) -> AuditReport:
        return AuditReport(scores=(score(share, 1.0, "UA", unit="%"), score(auc, 0.015, "FT AUC")))

    found = verdict(both(0.61, 99.0), [both(0.5, 60.0)] * 3, both(0.7, 99.0))

    assert found.text.startswith("residual membership signal, FT AUC")
    assert found.text.endswith("also in UA of rmia.")


def test_a_trace_that_is_no_membership_is_called_otherwise() -> None:
    found = verdict(report(99.0, name="UA", unit="%", error=1.0), [report(60.0, name="UA", unit="%", error=1.0)] * 3,
                    report(99.0, name="UA", unit="%", error=1.0))

    assert found.text.startswith("residual signal of the forget set, UA of rmia 99.0 % [97.0, 101.0] against oracle")


def test_below_the_oracle_is_a_signal_too() -> None:
    for original in (ft(0.70), None):
        found = verdict(ft(0.38), ORACLES, original)
        assert found.kind == "reversed"
        assert found.text.startswith("the forget set stands out the other way round, which gives it away just as well")


def test_a_damaged_model_is_not_called_unlearned() -> None:
    # Accuracy on the test set does not tell the original from retraining, so its fall is no trace of the forget set.
    found = verdict(report(60.0, name="TA", unit="%", error=1.0), [report(93.0, name="TA", unit="%", error=1.0)] * 3,
                    report(93.5, name="TA", unit="%", error=1.0))

    assert found.kind == "differs"
    assert found.found_difference
    assert found.text.startswith("not like a retrained model: TA of rmia 60.0 % [58.0, 62.0] against oracle 93.0 %")


def test_a_distance_does_not_say_which_way() -> None:
    def far(value: float) -> AuditReport:
        return report(value, name="JS", unit="nats", error=0.001, chance=None, directed=False)

    # As far from the oracles as the original, which any damage makes a model.
    found = verdict(far(0.03), [far(0.003)] * 3, far(0.03))

    assert found.kind == "differs"
    assert found.text.startswith("not like a retrained model: JS of rmia 0.030 [0.028, 0.032] against oracle 0.003")


def test_damage_is_not_taken_for_a_trace_of_the_forget_set() -> None:
    def both(share: float, accuracy: float) -> AuditReport:
        return AuditReport(scores=(score(share, 1.0, "MIS", unit="%"), score(accuracy, 1.0, "RA", unit="%")))

    oracles, original = [both(10.0, 99.0)] * 3, both(0.0, 99.0)

    assert verdict(both(2.0, 99.0), oracles, original).kind == "residual"
    # The retain set, which the original knows as the oracles do, is no longer known.
    assert verdict(both(2.0, 60.0), oracles, original).kind == "differs"
    assert verdict(both(90.0, 99.0), oracles, original).kind == "differs"


def test_a_damaged_model_that_knows_the_forget_set_better_than_others_is_found() -> None:
    def both(auc: float, accuracy: float) -> AuditReport:
        return AuditReport(scores=(score(auc, 0.015, "FT AUC"), score(accuracy, 1.0, "RA", unit="%")))

    found = verdict(both(0.61, 60.0), [both(0.5, 99.0)] * 3, both(0.7, 99.0))

    assert found.text.startswith("residual membership signal, FT AUC of rmia 0.61")


def test_consistency_needs_an_original_that_the_audits_notice() -> None:
    found = verdict(ft(0.505), ORACLES, ft(0.70))

    assert found.kind == "consistent"
    assert not found.found_difference
    assert found.text == ("consistent with retraining: the only score does not differ from the 3 oracles by more than "
                          "its noise, and it can tell the original: FT AUC of rmia 0.51 [0.48, 0.53] against oracle "
                          "0.50 (original 0.70).")


def test_consistency_names_the_most_telling_of_many_scores() -> None:
    oracles = [report(0.5, 0.5, 0.5)] * 3

    found = verdict(report(0.5, 0.51, 0.5), oracles, report(0.5, 0.9, 0.7))

    assert found.text == ("consistent with retraining: none of 3 scores differs from the 3 oracles by more than its "
                          "noise, and 2 of them can tell the original, best of all: B of rmia 0.51 [0.49, 0.53] "
                          "against oracle 0.50 (original 0.90).")


@pytest.mark.parametrize(("original", "reason"), [
    (None, r"but without the original it is not known whether these audits could tell a difference \(FT AUC of rmia "
           r"would show a difference of 0.04 or more\); give --original."),
    (ft(0.51), r"but the original is not told from retraining either, so these audits cannot see what was to be forg"),
])
def test_silence_of_blind_audits_is_inconclusive(original: AuditReport | None, reason: str) -> None:
    found = verdict(ft(0.505), ORACLES, original)

    assert found.kind == "inconclusive"
    assert re.search(reason, found.text)


def test_nearer_to_the_original_is_inconclusive() -> None:
    found = verdict(ft(0.534), ORACLES, ft(0.56))

    assert found.kind == "inconclusive"
    assert "the most telling one is nearer to the original: FT AUC of rmia 0.53" in found.text


@pytest.mark.parametrize(("value", "said"), [
    (0.61, "FT AUC 0.61 [0.58, 0.64] is above chance, but a forget set that was not drawn at random can be so by "
           "itself."),
    (0.39, "FT AUC 0.39 [0.36, 0.42] is below chance, but a forget set that was not drawn at random can be so by "
           "itself."),
    (0.51, "FT AUC 0.51 [0.48, 0.54] is at chance."),
])
def test_without_oracles_nothing_is_concluded(value: float, said: str) -> None:
    found = verdict(ft(value), [])

    assert found.kind == "inconclusive"
    assert found.text == ("inconclusive: no oracle was given, so it is not known what retraining would show; give "
                          f"--oracle or --suite. {said}")


def test_without_errors_nothing_is_concluded() -> None:
    assert verdict(ft(0.6, error=None), [ft(0.5, error=None)] * 2).text == (
        "inconclusive: no score has a known error beside 2 oracles; give at least three oracles.")
    assert verdict(report(), []).text == (
        "inconclusive: no oracle was given, so it is not known what retraining would show; give --oracle or --suite.")


def test_numbers_carry_their_units() -> None:
    assert number(12.345, "%") == "12.3 %"
    assert number(0.6149, "auc") == "0.61"
    assert number(0.6149, "nats") == "0.615"
    assert with_interval(score(0.5, None)) == "0.50"
