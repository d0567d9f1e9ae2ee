"""Executed, not executed or inconclusive."""

import numpy as np
import pytest
from attrs import evolve

from harness import AuditReport
from reference_methods.auditors.kkt import Kkt, KktVerdict

AUDIT = Kkt(restarts=2, steps=300)


@pytest.fixture(scope="module")
def reports(original, oracles, make_case):
    return [AUDIT.audit(make_case(model)) for model in (original, *oracles)]


@pytest.fixture
def judge(make_case, original):
    """Return a function from reports on a model, on oracles and on the original to the verdict's report."""
    def judged(own, oracles, before=None, **settings):
        case = make_case(original, reports={"kkt": own}, oracle_reports=[{"kkt": report} for report in oracles],
                         original_reports={} if before is None else {"kkt": before})
        return KktVerdict(**settings).audit(case)
    return judged


def test_doing_nothing_is_not_executed(judge, reports):
    report = judge(reports[0], reports[1:], reports[0])

    assert report.notes["verdict"] == "not executed"
    assert report.value("KKT verdict") == 1.0
    assert report.value("KKT calibrated AUC") > 0.8


def test_retraining_is_executed(judge, reports):
    report = judge(reports[1], reports[2:], reports[0])

    assert report.notes["verdict"] == "executed"
    assert report.value("KKT verdict") == 0.0


def test_recoveries_of_the_forget_set_move_more_than_those_of_the_retain_set(judge, reports):
    report = judge(reports[1], reports[2:], reports[0])

    assert report.value("KKT D forget") > 0


def test_an_oracle_is_judged_without_an_original(judge, reports):
    report = judge(reports[1], reports[2:])

    assert report.notes["verdict"] == "executed"
    assert report.notes["published"] == {}


def test_a_forget_set_that_the_original_does_not_show_is_inconclusive(judge, reports):
    report = judge(reports[1], reports[2:], reports[3])

    assert report.notes["verdict"] == "inconclusive"
    assert "original" in report.notes["reason"]


def test_a_model_that_hides_its_retain_set_too_is_inconclusive(judge, reports):
    blind = evolve(reports[1], notes={**reports[1].notes, "kept_p": {"whitened": 0.4}})

    report = judge(blind, reports[2:], reports[0])

    assert report.notes["verdict"] == "inconclusive"
    assert "retain set" in report.notes["reason"]


def test_a_model_that_is_hardly_trained_is_never_executed(judge, reports):
    weak = evolve(reports[1], notes={**reports[1].notes, "weak": "loss too high"})

    assert judge(weak, reports[2:], reports[0]).notes["verdict"] == "inconclusive"


@pytest.mark.parametrize("place", ["audited", "original", "oracle 0"])
def test_an_empty_bank_is_inconclusive_wherever_it_is(judge, reports, place):
    empty = AuditReport(scores=(), notes={"inconclusive": "the bank is empty"})
    given = {"audited": reports[1], "original": reports[0], "oracle 0": reports[2], place: empty}

    report = judge(given["audited"], [given["oracle 0"], reports[3]], given["original"])

    assert report.notes["verdict"] == "inconclusive"
    assert place in report.notes["reason"]


@pytest.mark.parametrize("statistic", ["correlation", "whitened", "span"])
def test_every_statistic_can_decide(judge, reports, statistic):
    assert judge(reports[0], reports[1:], reports[0], statistic=statistic).value("KKT calibrated AUC") > 0.6


def test_v_at_the_published_thresholds_sees_no_difference_between_original_and_oracle(judge, reports):
    """The reason why V decides nothing: both models verify nearly every image at 0.15."""
    counts = judge(reports[1], reports[2:], reports[0]).notes["published"]

    assert counts["0.15"]["not executed"] >= 3
    assert sum(counts["calibrated"].values()) == 4


def test_the_sheet_is_a_figure(judge, reports):
    assert judge(reports[1], reports[2:], reports[0]).figures["before-after.png"].startswith(b"\x89PNG")
    assert np.isfinite(judge(reports[1], reports[2:], reports[0]).value("KKT V calibrated"))
