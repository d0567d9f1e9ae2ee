import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from reference_methods.auditors.ulira import ulira_log_odds, ulira_probability


def test_identical_sides_leave_one_half():
    shadows = np.random.default_rng(0).normal(size=(5, 4))

    assert ulira_probability([0.0, 9.0, -np.inf, np.inf], shadows, shadows[::-1]).tolist() == [0.5] * 4


def test_with_32_models_a_side_each_sample_has_its_own_gaussians():
    rng = np.random.default_rng(0)
    unlearned, retrained = rng.normal(1, [1.0, 3.0], (32, 2)), rng.normal(0, [2.0, 1.0], (40, 2))
    target = np.array([0.5, 1.5])

    probability = ulira_probability(target, unlearned, retrained)

    forgotten = norm.pdf(target, unlearned.mean(axis=0), unlearned.std(axis=0))
    never = norm.pdf(target, retrained.mean(axis=0), retrained.std(axis=0))
    assert probability == pytest.approx(forgotten / (forgotten + never), rel=1e-12)


def test_with_fewer_models_a_side_its_samples_share_one_variance():
    unlearned = np.array([[0.0, 10.0], [2.0, 14.0]])
    retrained = np.array([[-1.0, 8.0], [1.0, 8.0]])
    target = np.array([1.0, 11.0])

    log_odds = ulira_log_odds(target, unlearned, retrained)

    deviation_f, deviation_r = np.sqrt((1 + 1 + 4 + 4) / 2), np.sqrt((1 + 1) / 2)
    expected = norm.logpdf(target, [1, 12], deviation_f) - norm.logpdf(target, [0, 8], deviation_r)
    assert log_odds == pytest.approx(expected, rel=1e-12)


def test_masks_choose_which_shadows_count_for_a_sample():
    rng = np.random.default_rng(0)
    unlearned, retrained = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    mask = np.ones((40, 3), dtype=bool)
    mask[-5:, 1] = False
    unlearned[-5:, 1] = 1e3

    masked = ulira_log_odds(np.zeros(3), unlearned, retrained, unlearned_mask=mask)
    cut = ulira_log_odds(np.zeros(3), unlearned[:-5], retrained)

    assert masked[1] == pytest.approx(cut[1], rel=1e-12)


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=2, unique=True), st.integers(0, 100))
def test_probability_grows_with_confidence_when_both_sides_spread_alike(pair, seed):
    rng = np.random.default_rng(seed)
    retrained = rng.normal(size=(6, 2))
    retrained[:, 1] = retrained[:, 0]
    low, high = sorted(pair)

    # Shifted copies have equal deviations but for rounding.
    log_odds = ulira_log_odds([low, high], retrained + 2.0, retrained)

    assert log_odds[0] <= log_odds[1] + 1e-9


@pytest.mark.parametrize("target", [0.0, 1.0, 5.0, -np.inf, np.inf])
def test_a_side_without_any_spread_never_gives_nan(target):
    constant, spread = np.full((3, 1), 1.0), np.array([[0.0], [1.0], [2.0]])

    for unlearned, retrained in [
        (constant, spread),
        (spread, constant),
        (constant, constant),
        (constant, constant + 1),
    ]:
        probability = ulira_probability([target], unlearned, retrained)
        assert 0 <= probability[0] <= 1


def test_a_class_retrained_models_never_saw_is_floored_at_a_thousandth_of_the_range():
    unlearned, retrained = np.array([[-5.0], [5.0]]), np.array([[-20.0], [-20.0]])

    log_odds = ulira_log_odds([-20.025], unlearned, retrained)

    never = norm.logpdf(-20.025, -20, 0.025)
    assert log_odds == pytest.approx([norm.logpdf(-20.025, 0, np.sqrt(50)) - never], rel=1e-9)


def test_known_gaussians_give_the_closed_form_accuracy_at_one_half_and_auc():
    rng = np.random.default_rng(5)
    samples, shift = 6000, 1.0
    trained_on = np.repeat([True, False], samples // 2)
    centre = rng.normal(0, 4, samples)
    unlearned = centre + shift + rng.normal(size=(64, samples))
    retrained = centre + rng.normal(size=(64, samples))
    target = centre + shift * trained_on + rng.normal(size=samples)

    probability = ulira_probability(target, unlearned, retrained)

    # Three standard errors; Gaussians fitted on 64 models cost about .01 of accuracy.
    accuracy = ((probability > 0.5) == trained_on).mean()
    assert accuracy == pytest.approx(norm.cdf(shift / 2), abs=3 * 0.006 + 0.01)
    assert roc_auc_score(trained_on, probability) == pytest.approx(norm.cdf(shift / np.sqrt(2)), abs=3 * 0.006 + 0.012)


def test_shadows_of_one_kind_cannot_be_told_apart():
    rng = np.random.default_rng(6)
    trained_on = np.repeat([True, False], 1000)

    probability = ulira_probability(rng.normal(size=2000), rng.normal(size=(8, 2000)), rng.normal(size=(8, 2000)))

    assert roc_auc_score(trained_on, probability) == pytest.approx(0.5, abs=3 * 0.0129)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": [np.nan, 0.0]}, r"target is NaN at index \(0,\)"),
        ({"target": []}, "target is empty"),
        ({"unlearned": np.ones((3, 1))}, r"unlearned has shape \(3, 1\); expected \(S, 2\)"),
        ({"retrained": np.ones((0, 2))}, "retrained is empty"),
        ({"retrained_mask": np.zeros((3, 2), dtype=bool)}, "U-LiRA needs at least one model retrained"),
        ({"unlearned_mask": np.zeros((3, 2), dtype=bool)}, "U-LiRA needs at least one model unlearned"),
        ({"unlearned_mask": np.ones((2, 2), dtype=bool)}, "unlearned_mask has shape"),
    ],
)
def test_what_cannot_be_scored_gets_one_clear_error(changes, message):
    fine = {"target": [0.0, 1.0], "unlearned": np.ones((3, 2)), "retrained": np.ones((3, 2))}

    with pytest.raises(ValueError, match=message):
        ulira_probability(**{**fine, **changes})
