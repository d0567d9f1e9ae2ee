import itertools

import numpy as np
import pytest

from harness import AuditReport, Score
from reference_methods.auditors.likeness import Likeness, auc_difference
from tests.reference_methods.auditors.cases import case, dataset, sample_request

DATA = dataset(30, 20)


def by_pairs(high, low):
    """Return the AUC by looking at every pair, ties counted half."""
    return np.mean([(a > b) + (a == b) / 2 for a, b in itertools.product(high, low)])


def test_the_difference_is_that_of_the_two_aucs_with_ties_counted_half():
    rng = np.random.default_rng(0)
    retain, forget, unseen = (rng.integers(0, 6, size).astype(float) for size in (20, 10, 15))
    value, _ = auc_difference(retain, forget, unseen)
    assert value == pytest.approx(by_pairs(retain, forget) - by_pairs(forget, unseen))


def test_a_model_that_has_forgotten_nothing_scores_less_than_one_to_which_forgotten_examples_are_unseen():
    rng = np.random.default_rng(1)
    retain, unseen = rng.normal(2, 1, 200), rng.normal(0, 1, 200)
    kept, _ = auc_difference(retain, rng.normal(2, 1, 100), unseen)
    forgotten, _ = auc_difference(retain, rng.normal(0, 1, 100), unseen)
    assert kept < 0 < forgotten


def test_the_standard_error_is_the_spread_over_new_draws():
    rng = np.random.default_rng(2)
    found = np.array([auc_difference(rng.normal(1, 1, 60), rng.normal(0.5, 1, 40), rng.normal(0, 1, 50))
                      for _ in range(1500)])
    # The standard deviation of 1500 draws is itself known to about 2 %; DeLong's estimate is a few per cent off.
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.08)


def test_the_report_of_the_attack_is_what_is_judged():
    values = np.concatenate([np.full(10, 0.5), np.ones(20), np.zeros(20)])
    report = AuditReport(scores=(Score(name="FT AUC", value=1.0, n=10, unit="auc"),), per_sample={"ratio": values})
    found = Likeness().audit(case(DATA, sample_request(10), np.zeros(50), reports={"rmia": report}))
    assert found.value("FR-FT AUC") == pytest.approx(1.0 - 1.0)
    assert Likeness().needs.reports == ("rmia",)


def test_a_report_without_a_value_for_every_example_is_told():
    report = AuditReport(scores=(), per_sample={})
    with pytest.raises(ValueError, match="the report of 'rmia' has no 'score' and no 'ratio'"):
        Likeness().audit(case(DATA, sample_request(10), np.zeros(50), reports={"rmia": report}))


def test_a_group_of_one_has_no_variance():
    with pytest.raises(ValueError, match="1 unseen values; expected at least 2"):
        auc_difference(np.ones(3), np.ones(3), np.ones(1))
