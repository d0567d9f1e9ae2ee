import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from reference_methods.auditors.lira import lira_scores


def half_in(references, samples, seed=0):
    """Return a membership in which half of the references saw each sample."""
    rows = np.arange(references)[:, None] < references // 2
    return np.random.default_rng(seed).permuted(np.repeat(rows, samples, axis=1), axis=0)


@pytest.mark.parametrize("groups", ["", "_unequal"])
@pytest.mark.parametrize("variance", ["per-example", "fixed"])
@pytest.mark.parametrize("mode", ["online", "offline"])
def test_as_published_is_the_authors_code(published, mode, variance, groups):
    vector = published("lira")

    scores = lira_scores(
        vector["target"],
        vector["references"],
        vector[f"membership{groups}"],
        mode=mode,
        variance=variance,
        as_published=True,
    )

    # A constant sample divides by 1e-30, so scores go up to 1e59: relative.
    assert scores == pytest.approx(vector[mode + ("_fixed" if variance == "fixed" else "") + groups], rel=1e-9)


def test_the_default_online_score_with_equal_groups_is_the_published_one(published):
    vector = published("lira")

    scores = lira_scores(vector["target"], vector["references"], vector["membership"])

    assert scores == pytest.approx(vector["online"], rel=1e-9)


def by_definition(target, references, membership, mode, variance):
    samples, queries = target.shape
    groups = [{n: references[side[:, n], n] for n in range(samples)} for side in (membership, ~membership)]
    fixed = [
        np.sqrt(np.mean(np.concatenate([((g - g.mean(axis=0)) ** 2).ravel() for g in group.values()])))
        for group in groups
    ]
    scores = np.zeros((samples, queries))
    for n, q in np.ndindex(samples, queries):
        inside, outside = (
            norm(np.median(group[n][:, q]), (np.std(group[n][:, q]) if variance == "per-example" else sd) + 1e-30)
            for group, sd in zip(groups, fixed, strict=True)
        )
        online = inside.logpdf(target[n, q]) - outside.logpdf(target[n, q])
        scores[n, q] = online if mode == "online" else outside.logcdf(target[n, q])
    return scores.mean(axis=1)


@pytest.mark.parametrize("variance", ["per-example", "fixed"])
@pytest.mark.parametrize("mode", ["online", "offline"])
def test_scores_are_the_definition_sample_by_sample(mode, variance):
    rng = np.random.default_rng(0)
    references, target = rng.normal(size=(9, 20, 3)).round(1), rng.normal(size=(20, 3))
    membership = rng.random((9, 20)) < 0.5
    membership[0], membership[1] = True, False
    references[:, 0], target[0] = 0.5, 0.75

    scores = lira_scores(target, references, membership, mode=mode, variance=variance)

    assert scores == pytest.approx(by_definition(target, references, membership, mode, variance), rel=1e-9)


def test_offline_an_unusually_low_confidence_speaks_against_membership_but_not_as_published():
    references = np.array([-1.0, 1.0])[:, None, None] * np.ones((2, 3, 1))
    nobody = np.zeros((2, 3), dtype=bool)
    low_middle_high = np.array([[-5.0], [0.0], [5.0]])

    right = lira_scores(low_middle_high, references, nobody, mode="offline")
    published = lira_scores(low_middle_high, references, nobody, mode="offline", as_published=True)

    assert right == pytest.approx(norm.logcdf([-5.0, 0.0, 5.0]), rel=1e-12)
    assert published[0] == published[2] > published[1]


def test_a_published_fixed_deviation_grows_with_the_spread_between_samples_and_the_default_does_not():
    rng = np.random.default_rng(0)
    membership = half_in(16, 200)
    references = rng.normal(size=(16, 200, 1))
    apart = 100 * np.arange(200)[:, None]
    target = rng.normal(size=(200, 1))

    near = lira_scores(target, references, membership, variance="fixed")
    far = lira_scores(target + apart, references + apart, membership, variance="fixed")
    published = lira_scores(target + apart, references + apart, membership, variance="fixed", as_published=True)

    # Numbers up to 2e4 have 1e-12 less to round.
    assert far == pytest.approx(near, rel=1e-6, abs=1e-9)
    assert np.abs(published).max() < 1e-3


def test_infinite_confidences_are_the_most_extreme_and_never_nan():
    references = np.random.default_rng(0).normal(size=(8, 3, 1))
    references[0, 2] = -np.inf
    target = np.array([[np.inf], [-np.inf], [0.0]])

    for mode in ("online", "offline"):
        scores = lira_scores(target, references, half_in(8, 3), mode=mode, variance="fixed")
        assert np.isfinite(scores).all()
    assert lira_scores(target, references, half_in(8, 3), mode="offline")[1] < -100


@given(st.integers(0, 1000), st.sampled_from(["online", "offline"]), st.sampled_from(["per-example", "fixed"]))
def test_order_of_samples_references_and_queries_does_not_matter(seed, mode, variance):
    rng = np.random.default_rng(seed)
    references, target, membership = rng.normal(size=(6, 5, 3)), rng.normal(size=(5, 3)), half_in(6, 5, seed)
    r, n, q = rng.permutation(6), rng.permutation(5), rng.permutation(3)

    scores = lira_scores(target, references, membership, mode=mode, variance=variance)
    permuted = lira_scores(
        target[n][:, q], references[r][:, n][:, :, q], membership[r][:, n], mode=mode, variance=variance
    )
    doubled = lira_scores(
        target, np.tile(references, (2, 1, 1)), np.tile(membership, (2, 1)), mode=mode, variance=variance
    )

    # Sums in another order; three references a side can leave a variance of 1e-3 and so magnify that.
    assert permuted == pytest.approx(scores[n], rel=1e-9, abs=1e-9)
    assert doubled == pytest.approx(scores, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_known_gaussians_give_the_closed_form_auc_and_tpr(mode):
    rng = np.random.default_rng(3)
    samples, models, shift = 6000, 256, 1.5
    members = np.repeat([True, False], samples // 2)
    centre, membership = rng.normal(0, 5, samples), half_in(models, samples)
    references = (centre + shift * membership + rng.normal(size=(models, samples)))[:, :, None]
    target = (centre + shift * members + rng.normal(size=samples))[:, None]

    scores = lira_scores(target, references, membership, mode=mode, variance="fixed")

    # The difference of two N(0, 1). Three standard errors at n = 3,000; 128 models a side leave the medians 1 %
    # of a variance, which shifts the AUC by less than .002.
    assert roc_auc_score(members, scores) == pytest.approx(norm.cdf(shift / np.sqrt(2)), abs=3 * 0.0048 + 0.002)
    if mode == "offline":
        threshold = norm.logcdf(norm.isf(0.05))
        assert (scores[~members] > threshold).mean() == pytest.approx(0.05, abs=3 * 0.004 + 0.003)
        assert (scores[members] > threshold).mean() == pytest.approx(norm.sf(norm.isf(0.05) - shift), abs=3 * 0.0091)


def test_without_a_difference_the_auc_is_one_half_within_its_null_deviation():
    rng = np.random.default_rng(4)
    members = np.repeat([True, False], 1000)

    scores = lira_scores(rng.normal(size=(2000, 1)), rng.normal(size=(32, 2000, 1)), half_in(32, 2000))

    assert roc_auc_score(members, scores) == pytest.approx(0.5, abs=3 * 0.0129)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": [[np.nan], [0.0]]}, r"target is NaN at index \(0, 0\)"),
        ({"references": np.full((4, 2, 1), np.nan)}, "references is NaN"),
        ({"target": [0.0, 1.0]}, r"target has shape \(2,\); expected \(N, Q\)"),
        ({"target": np.ones((0, 1))}, "target is empty"),
        ({"references": np.ones((4, 3, 1))}, r"expected \(R, 2, 1\)"),
        ({"references": np.ones((0, 2, 1))}, "references is empty"),
        ({"membership": np.ones((4, 2))}, "membership holds float64; expected bool"),
        ({"membership": np.ones((4, 3), dtype=bool)}, r"membership has shape \(4, 3\); expected \(4, 2\)"),
        ({"membership": np.ones((4, 2), dtype=bool)}, "online LiRA needs at least one model not trained on"),
        ({"membership": np.zeros((4, 2), dtype=bool)}, "online LiRA needs at least one model trained on"),
        ({"membership": np.ones((4, 2), dtype=bool), "mode": "offline"}, "offline LiRA needs"),
        ({"mode": "both"}, "mode is 'both'; expected one of online, offline"),
        ({"variance": "global"}, "variance is 'global'; expected one of per-example, fixed"),
    ],
)
def test_what_cannot_be_scored_gets_one_clear_error(changes, message):
    fine = {"target": np.ones((2, 1)), "references": np.ones((4, 2, 1)), "membership": half_in(4, 2)}

    with pytest.raises(ValueError, match=message):
        lira_scores(**{**fine, **changes})
