import numpy as np
import pytest
from scipy.stats import norm

from reference_methods.auditors.mis import mis


def test_as_published_is_the_authors_code_on_the_first_retained_samples(published):
    vector = published("mis")

    confidence = mis(vector["retain"], vector["test"], vector["forget"], as_published=True)
    vectors = mis(vector["retain_vectors"], vector["test_vectors"], vector["forget_vectors"], seed=0)

    # A share of 60 and of 20 samples.
    assert confidence == pytest.approx(vector["confidence"], abs=1e-12)
    assert vectors == pytest.approx(vector["vectors"], abs=1e-12)


def test_separate_groups_are_told_apart():
    members, strangers = np.linspace(0.9, 1.0, 20), np.linspace(0.0, 0.1, 20)

    assert mis(members, strangers, members) == 0.0
    assert mis(members, strangers, strangers) == 1.0
    assert mis(members, strangers, [0.95, 0.05, 0.06, 0.04]) == 0.75


def test_known_gaussians_are_cut_halfway():
    rng = np.random.default_rng(0)
    members, strangers, forget = rng.normal(1.5, 1, 600), rng.normal(-1.5, 1, 600), rng.normal(1.5, 1, 2000)

    # The densities cross at 0. Three standard errors of a share of 2,000, and .02 for a boundary from 600 a side.
    assert mis(members, strangers, forget) == pytest.approx(norm.cdf(-1.5), abs=3 * 0.0056 + 0.02)


def test_the_larger_side_is_drawn_by_the_seed():
    rng = np.random.default_rng(0)
    retain, test, forget = rng.beta(4, 1, 300), rng.beta(2, 1, 50), rng.beta(3, 1, 200)

    scores = {mis(retain, test, forget, seed=seed) for seed in range(6)}

    assert mis(retain, test, forget, seed=3) == mis(retain, test, forget, seed=3)
    assert len(scores) > 1


def test_a_cap_takes_so_many_of_each_side():
    rng = np.random.default_rng(0)
    retain, test, forget = rng.normal(1, 1, 40), rng.normal(-1, 1, 30), rng.normal(0, 1, 100)
    draw = np.random.default_rng(7)
    kept = retain[draw.choice(40, 20, replace=False)], test[draw.choice(30, 20, replace=False)]

    assert mis(retain, test, forget, seed=7, cap=20) == mis(*kept, forget)
    assert mis(retain, test, forget, seed=7, cap=500) == mis(retain, test, forget, seed=7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"confidence_forget": [np.nan]}, "confidence_forget is NaN"),
        ({"confidence_forget": []}, "confidence_forget is empty"),
        ({"confidence_retain": np.ones((3, 2))}, r"confidence_test has shape \(3, 1\); expected \(N, 2\)"),
        ({"confidence_test": [0.5]}, "seed is None, but 1 of 3 samples are to be drawn"),
        ({"cap": 0}, "cap is 0"),
    ],
)
def test_what_cannot_be_scored_gets_one_clear_error(changes, message):
    fine = {"confidence_retain": [0.9, 0.8, 0.7], "confidence_test": [0.1, 0.2, 0.3], "confidence_forget": [0.5]}

    with pytest.raises(ValueError, match=message):
        mis(**{**fine, **changes})
