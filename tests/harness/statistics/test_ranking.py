import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtri
from sklearn.metrics import balanced_accuracy_score, roc_auc_score, roc_curve

from harness.statistics import auc, auc_interval, balanced_accuracy, delong_covariance, tpr_at_fpr, tpr_interval

Array = NDArray[np.float64]
# Few distinct values, so that ties are the rule.
SCORES = st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=30)


def _labels(positive: list[float], negative: list[float]) -> Array:
    return np.concatenate([np.ones(len(positive)), np.zeros(len(negative))])


@given(SCORES, SCORES)
def test_auc_agrees_with_scikit_learn(positive: list[float], negative: list[float]) -> None:
    witness = roc_auc_score(_labels(positive, negative), np.r_[positive, negative])

    assert auc(positive, negative) == pytest.approx(witness, abs=1e-12)  # rounding only


@given(SCORES, SCORES)
def test_swapping_the_sides_mirrors_the_auc(positive: list[float], negative: list[float]) -> None:
    assert auc(positive, negative) == pytest.approx(1 - auc(negative, positive), abs=1e-12)  # rounding only


def test_infinite_scores_are_ranked() -> None:
    assert auc([np.inf, 0.0], [-np.inf, 0.0]) == 7 / 8


@pytest.mark.parametrize(("k", "published"), [(200, 0.0289), (500, 0.0183), (1000, 0.0129)])
def test_delong_of_unrelated_scores_has_the_null_variance(k: int, published: float) -> None:
    closed_form = math.sqrt((2 * k + 1) / (12 * k * k))
    draws = np.random.default_rng(0).random((2, 40, k))

    estimated = math.sqrt(np.mean([delong_covariance(p[None], q[None])[0, 0] for p, q in zip(*draws, strict=True)]))

    assert closed_form == pytest.approx(published, abs=5e-5)  # the table is rounded to four digits
    assert estimated == pytest.approx(closed_form, rel=0.03)  # 40 draws of an estimate that varies by 4 % at k = 200


def test_delong_covariance_agrees_with_brute_force_components() -> None:
    rng = np.random.default_rng(1)
    positive = rng.integers(0, 6, (3, 9)).astype(float)
    negative = rng.integers(-2, 5, (3, 7)).astype(float)
    psi = (positive[:, :, None] > negative[:, None, :]) + 0.5 * (positive[:, :, None] == negative[:, None, :])
    centre = psi.mean(axis=(1, 2))
    v10, v01 = psi.mean(axis=2) - centre[:, None], psi.mean(axis=1) - centre[:, None]

    covariance = delong_covariance(positive, negative)

    assert covariance == pytest.approx(v10 @ v10.T / (8 * 9) + v01 @ v01.T / (6 * 7), abs=1e-14)  # rounding only


def test_delong_covariance_of_a_method_with_itself_leaves_no_variance_of_the_difference() -> None:
    rng = np.random.default_rng(2)
    positive, negative = rng.standard_normal((2, 1, 20))

    covariance = delong_covariance(np.repeat(positive, 2, axis=0), np.repeat(negative, 2, axis=0))

    assert np.array([1, -1]) @ covariance @ np.array([1, -1]) == pytest.approx(0, abs=1e-15)  # rounding only


def test_delong_refuses_another_number_of_methods() -> None:
    with pytest.raises(ValueError, match="with the same methods"):
        delong_covariance(np.zeros((2, 5)), np.zeros((3, 5)))


@pytest.mark.parametrize(("p", "q", "truth"), [(30, 60, 0.5), (30, 60, 0.9), (200, 200, 0.7), (20, 20, 0.97)])
def test_auc_interval_covers_the_truth(p: int, q: int, truth: float) -> None:
    rng = np.random.default_rng(3)
    shift = float(ndtri(truth)) * math.sqrt(2)

    intervals = [auc_interval(rng.standard_normal(p) + shift, rng.standard_normal(q)) for _ in range(1000)]

    assert 0.92 <= np.mean([i.low <= truth <= i.high for i in intervals]) <= 0.98


def test_auc_interval_is_narrow_when_the_sample_is_large() -> None:
    rng = np.random.default_rng(4)

    interval = auc_interval(rng.standard_normal(5000), rng.standard_normal(5000))

    # Null standard error .0058 times 1.96 to either side.
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 0.00577, rel=0.05)
    assert interval.standard_error == pytest.approx(0.00577, rel=0.05)
    assert interval.n == 10_000


def test_a_perfect_auc_is_not_certain() -> None:
    interval = auc_interval([5, 6, 7, 8], np.linspace(0, 1, 20))

    assert (interval.value, interval.high) == (1.0, 1.0)
    # Four successes of four: the Clopper-Pearson bound is the fourth root of .025.
    assert interval.low == pytest.approx(0.025**0.25, rel=1e-9)
    assert interval.standard_error == pytest.approx((1 - interval.low) / (2 * 1.959964), rel=1e-6)


def test_an_auc_of_zero_mirrors_an_auc_of_one() -> None:
    perfect, opposite = auc_interval([1, 2, 3], [0, 0.5]), auc_interval([0, 0.5], [1, 2, 3])

    assert (opposite.low, opposite.high) == pytest.approx((1 - perfect.high, 1 - perfect.low), abs=1e-12)  # rounding


def test_a_constant_score_has_an_auc_of_exactly_one_half() -> None:
    interval = auc_interval(np.ones(5), np.ones(8))

    assert (interval.low, interval.value, interval.high) == pytest.approx((0.5, 0.5, 0.5), abs=1e-15)  # rounding


@given(SCORES, SCORES, st.sampled_from([0.1, 0.25, 0.5, 0.9, 1.0]))
def test_tpr_is_the_best_point_of_the_roc_curve_within_the_rate(
        member: list[float], nonmember: list[float], fpr: float) -> None:
    if fpr * len(nonmember) < 1:
        return
    false, true, _ = roc_curve(_labels(member, nonmember), np.r_[member, nonmember], drop_intermediate=False)

    # The curve's rates are whole numbers over N; the slack keeps 3 / 30 within 0.1.
    assert tpr_at_fpr(member, nonmember, fpr) == true[false <= fpr + 1e-9].max()


def test_a_member_that_ties_with_the_threshold_is_not_found() -> None:
    assert tpr_at_fpr([3.0, 2.0, 2.0, 1.0], [2.0, 2.0, 0.0, 3.0], 0.25) == 0.25


def test_a_rate_of_a_whole_number_of_nonmembers_keeps_all_of_them() -> None:
    nonmember = np.arange(100.0)

    # In floating point .29 * 100 is below 29.
    assert tpr_at_fpr([70.5, 71.5], nonmember, 0.29) == 1.0
    assert tpr_at_fpr([70.5, 71.5], nonmember, 0.28) == 0.5


@given(SCORES, st.lists(st.integers(-3, 3).map(float), min_size=10, max_size=30))
def test_tpr_grows_with_the_rate(member: list[float], nonmember: list[float]) -> None:
    rates = [tpr_at_fpr(member, nonmember, fpr) for fpr in (0.1, 0.2, 0.5, 1.0)]

    assert rates == sorted(rates)
    assert rates[-1] == 1.0


@pytest.mark.parametrize("fpr", [0.0, 0.0099, 1.5, math.nan, -1.0])
def test_a_rate_that_the_nonmembers_cannot_show_is_refused(fpr: float) -> None:
    with pytest.raises(ValueError, match=r"cannot be measured with 100 non-members; expected .* 1/100 = 0\.01 and 1"):
        tpr_at_fpr([1.0], np.arange(100.0), fpr)


def test_tpr_interval_is_exact_over_the_members() -> None:
    interval = tpr_interval([3.0, 2.0, 2.0, 1.0], [2.0, 2.0, 0.0, 3.0], 0.25)

    assert (interval.value, interval.n) == (0.25, 4)
    # One of four in the tables of Clopper and Pearson.
    assert (interval.low, interval.high) == pytest.approx((0.0063, 0.8059), abs=1e-4)


@given(SCORES, SCORES, st.integers(-3, 3))
def test_balanced_accuracy_agrees_with_scikit_learn(
        member: list[float], nonmember: list[float], threshold: int) -> None:
    called = np.r_[member, nonmember] > threshold

    witness = balanced_accuracy_score(_labels(member, nonmember), called)

    assert balanced_accuracy(member, nonmember, threshold) == pytest.approx(witness, abs=1e-12)  # rounding only


def test_balanced_accuracy_refuses_a_missing_threshold() -> None:
    with pytest.raises(ValueError, match="the threshold is NaN"):
        balanced_accuracy([1.0], [0.0], math.nan)


@pytest.mark.parametrize(("scores", "message"), [
    ([], "positive: 0 values; expected at least"),
    ([1.0, math.nan], "positive: 1 of 2 values are NaN"),
    ([[1.0, 2.0]], r"positive: shape \(1, 2\); expected one dimension"),
])
def test_bad_scores_give_one_clear_error(scores: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        auc(scores, [0.0, 1.0])
    with pytest.raises(ValueError, match=message):
        auc_interval(scores, [0.0, 1.0])


def test_an_interval_needs_two_scores_on_each_side() -> None:
    with pytest.raises(ValueError, match="negative: 1 values; expected at least 2"):
        auc_interval([1.0, 2.0], [0.0])
