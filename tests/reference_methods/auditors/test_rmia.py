import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm, trim_mean
from sklearn.metrics import roc_auc_score

from reference_methods.auditors.rmia import rmia_majority, rmia_ratio, rmia_scores

# Dyadic signals: ties everywhere, and sums and quotients of two that no order of evaluation rounds differently.
# Zero, infinity and the negative values of the published Taylor series among them.
AWKWARD = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 2.0, -0.25, -1.0, np.inf])


def half_in(references, samples, seed=0):
    """Return a membership in which half of the references saw each sample."""
    rows = np.arange(references)[:, None] < references // 2
    return np.random.default_rng(seed).permuted(np.repeat(rows, samples, axis=1), axis=0)


def table_scores(target_x, target_z, reference_x, reference_z, membership_x, *, mode, gamma, a):
    """Return the definition: means sample by sample, all N x Z quotients, an undefined one outdoing nothing."""
    with np.errstate(all="ignore"):
        prior_x = np.empty(len(target_x))
        for n, seen in enumerate(membership_x.T):
            inside, outside = reference_x[seen, n], reference_x[~seen, n]
            online = mode == "online"
            prior_x[n] = (inside.mean() + outside.mean()) / 2 if online else (1 + a) / 2 * outside.mean() + (1 - a) / 2
        prior_z = reference_z.mean(axis=0)
        if mode == "offline":
            prior_z = (1 + a) / 2 * prior_z + (1 - a) / 2
        quotients = (target_x / (prior_x + 0.0) + 0.0)[:, None] / (target_z / (prior_z + 0.0) + 0.0)[None, :]
        return (quotients > gamma).mean(axis=1)


@given(st.data(), st.sampled_from(["online", "offline"]), st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0]))
def test_scores_equal_the_table_of_all_pairs(data, mode, gamma):
    samples, population = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 8))
    target_x, target_z, reference_x, reference_z = (
        data.draw(hnp.arrays(np.float64, shape, elements=AWKWARD))
        for shape in [samples, population, (4, samples), (4, population)]
    )
    membership = half_in(4, samples)

    scores = rmia_scores(
        target_x, target_z, reference_x, reference_z, membership_x=membership, mode=mode, gamma=gamma, a=0.5
    )

    table = table_scores(target_x, target_z, reference_x, reference_z, membership, mode=mode, gamma=gamma, a=0.5)
    assert np.array_equal(scores, table)


@pytest.mark.parametrize("gamma", [1.0, 1.3, 2.0, 3.7])
def test_quotients_a_rounding_away_from_gamma_are_decided_as_in_the_table(gamma):
    rng = np.random.default_rng(0)
    ratio_z = rng.random(500)
    near = ratio_z * gamma
    ratio_x = np.concatenate([near, np.nextafter(near, 0.0), np.nextafter(near, np.inf)])
    ones = np.ones((1, len(ratio_x)))

    scores = rmia_scores(
        ratio_x, ratio_z, np.repeat(ones, 2, axis=0), np.ones((1, 500)), membership_x=half_in(2, 1500), gamma=gamma
    )

    assert np.array_equal(scores, (ratio_x[:, None] / ratio_z > gamma).mean(axis=1))


@pytest.mark.parametrize(("gamma", "name"), [(2.0, "scores"), (1.0, "scores_gamma_1")])
def test_amuns_scores_are_reproduced_with_x_out_of_its_own_population(published, gamma, name):
    vector = published("rmia_amun")
    target, references, membership = vector["target"], vector["references"], vector["membership"]

    scores = rmia_scores(
        target,
        target,
        references,
        references,
        membership_x=membership,
        membership_z=membership,
        gamma=gamma,
        own_z=np.arange(len(target)),
    )

    # Counts of z, exact but for the division.
    assert scores == pytest.approx(vector[name], abs=1e-12)


def test_negative_published_signals_are_compared_as_amun_compares_them(published):
    vector = published("rmia_amun_negative")
    target, references = vector["target"], vector["references"]

    scores = rmia_scores(
        target,
        target,
        references,
        references,
        membership_x=vector["membership"],
        own_z=np.arange(len(target)),
    )

    assert scores == pytest.approx(vector["scores"], abs=1e-12)


@pytest.mark.parametrize(("a", "name"), [(0.3, "scores"), (1.0, "scores_a_1")])
def test_offline_scores_are_those_of_the_authors_library(published, a, name):
    vector = published("rmia_offline")

    scores = rmia_scores(
        vector["target_x"],
        vector["target_z"],
        vector["reference_x"],
        vector["reference_z"],
        membership_x=vector["membership_x"],
        mode="offline",
        gamma=1.0,
        a=a,
    )

    assert scores == pytest.approx(vector[name], abs=1e-12)


def test_a_sample_in_its_own_population_does_not_vote_on_itself():
    ones, membership = np.ones((2, 3)), half_in(2, 3)
    signals = [1.0, 1.5, 9.0]

    scores = rmia_scores(signals, signals, ones, ones, membership_x=membership, gamma=0.9, own_z=[0, -1, 2])

    # Above 0.9: 1 / 1 is sample 0 itself, 1.5 is no row of its own, 9 outdoes the two others.
    assert scores.tolist() == [0.0, 2 / 3, 1.0]


def paper_scores(scores, members):
    """Return the authors' sign and their 'correction' for samples that are in the population."""
    population = (~members).sum()
    return np.where(members, -scores, (-scores * population - 1) / (population - 1))


@pytest.mark.parametrize(
    ("name", "mode", "trim"),
    [
        ("online", "online", 0.0),
        ("online_trimmed", "online", 0.2),
        ("offline", "offline", 0.0),
        ("offline_trimmed", "offline", 0.2),
        ("online_majority", "online", 0.2),
        ("offline_majority", "offline", 0.0),
    ],
)
def test_scores_are_those_of_the_papers_code(published, name, mode, trim):
    vector = published("rmia_paper")
    score, query = (rmia_majority, slice(None)) if "majority" in name else (rmia_scores, 0)
    target, references = vector["target"][:, query], vector["references"][:, :, query]
    members = vector["target_members"]
    # The code trims its two online groups as one, which is what a prior without membership does.
    membership = vector["membership"] if mode == "offline" or not trim else None

    scores = score(
        target,
        target[~members],
        references,
        references[:, ~members],
        membership_x=membership,
        membership_z=None if membership is None else membership[:, ~members],
        mode=mode,
        trim=trim,
    )

    # The published shares are float32.
    assert paper_scores(scores, members) == pytest.approx(vector[name], abs=1e-7)


@given(st.integers(1, 5), st.integers(0, 100))
def test_majority_equals_counting_every_pair_in_every_query(queries, seed):
    rng = np.random.default_rng(seed)
    target_x, target_z = rng.integers(-1, 5, (6, queries)) / 4, rng.integers(-1, 5, (7, queries)) / 4
    ones_x, ones_z = np.ones((2, 6, queries)), np.ones((2, 7, queries))

    scores = rmia_majority(target_x, target_z, ones_x, ones_z, membership_x=half_in(2, 6))

    with np.errstate(all="ignore"):
        votes = (target_x[:, None, :] / (target_z[None, :, :] + 0.0) > 2.0).sum(axis=2)
    assert np.array_equal(scores, (votes > queries / 2).mean(axis=1))


def test_majority_works_in_blocks_when_the_pairs_are_many(monkeypatch):
    rng = np.random.default_rng(0)
    arrays = rng.random((50, 3)), rng.random((40, 3)), rng.random((4, 50, 3)), rng.random((4, 40, 3))
    membership = half_in(4, 50)
    at_once = rmia_majority(*arrays, membership_x=membership)

    monkeypatch.setattr("reference_methods.auditors.rmia._PAIRS_AT_ONCE", 100)

    assert np.array_equal(rmia_majority(*arrays, membership_x=membership), at_once)


def test_online_prior_weighs_the_two_groups_equally_whatever_their_sizes():
    references = np.array([[0.9], [0.1], [0.2], [0.3]])
    membership = np.array([[True], [False], [False], [False]])

    ratio = rmia_ratio([0.55], references, membership)

    assert ratio == pytest.approx([0.55 / (0.45 + 0.1)], rel=1e-15)


def test_offline_prior_looks_only_at_references_that_did_not_see_the_sample():
    references = np.array([[0.9], [0.1], [0.3]])
    membership = np.array([[True], [False], [False]])

    ratio = rmia_ratio([0.5], references, membership, mode="offline", a=0.5)

    assert ratio == pytest.approx([0.5 / ((1.5 * 0.2 + 0.5) / 2)], rel=1e-15)


def test_trimmed_means_are_scipys_in_each_group():
    rng = np.random.default_rng(0)
    references, membership = rng.random((13, 5)), half_in(13, 5)
    membership[np.argmin(membership[:, 0]), 0] = True

    ratio = rmia_ratio(np.ones(5), references, membership, trim=0.2)

    for n, seen in enumerate(membership.T):
        means = trim_mean(references[seen, n], 0.2), trim_mean(references[~seen, n], 0.2)
        assert 1 / ratio[n] == pytest.approx(sum(means) / 2, rel=1e-14)


def test_a_population_nobody_saw_may_be_left_without_membership():
    rng = np.random.default_rng(0)
    arrays = rng.random(6), rng.random(9), rng.random((4, 6)), rng.random((4, 9))
    nobody = np.zeros((4, 9), dtype=bool)

    for mode in ("online", "offline"):
        scores = rmia_scores(*arrays, membership_x=half_in(4, 6), mode=mode, gamma=1.2)
        with_mask = rmia_scores(*arrays, membership_x=half_in(4, 6), membership_z=nobody, mode=mode, gamma=1.2)
        assert np.array_equal(scores, with_mask)


def test_an_undefined_ratio_outdoes_nothing_and_is_outdone_by_nothing():
    # Sample 0 is 0 / 0, sample 1 is 1 / 0, sample 2 is an ordinary 4.
    signals, references = [0.0, 1.0, 1.0], np.array([[0.0, 0.0, 0.25], [0.0, 0.0, 0.25]])

    scores = rmia_scores(signals, signals, references, references, membership_x=half_in(2, 3))

    assert scores.tolist() == [0.0, 1 / 3, 0.0]
    assert rmia_ratio(signals, references, half_in(2, 3)).tolist() == [0.0, np.inf, 4.0]


@given(st.integers(0, 1000), st.sampled_from([1.0, 2.0]))
def test_for_one_target_the_auc_of_the_scores_is_that_of_the_ratio_but_for_ties(seed, gamma):
    rng = np.random.default_rng(seed)
    members = np.repeat([True, False], 30)
    references, membership = rng.random((8, 60)), half_in(8, 60, seed)
    target, population, others = rng.beta(2 + members, 2), rng.beta(2, 2, 4000), rng.random((8, 4000))

    ratio = rmia_ratio(target, references, membership)
    scores = rmia_scores(target, population, references, others, membership_x=membership, gamma=gamma)

    order = np.argsort(ratio)
    assert np.all(np.diff(scores[order]) >= 0)
    # Pairs of a member and a non-member that a population of 4,000 cannot tell apart count one half.
    tied = (scores[members][:, None] == scores[~members][None, :]).mean()
    assert roc_auc_score(members, scores) == pytest.approx(roc_auc_score(members, ratio), abs=tied / 2 + 1e-12)


@given(st.integers(0, 1000))
def test_order_of_samples_references_and_population_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    # Eighths, so that no order of summation rounds.
    target_x, target_z = rng.integers(1, 9, 12) / 8, rng.integers(1, 9, 9) / 8
    reference_x, reference_z = rng.integers(1, 9, (4, 12)) / 8, rng.integers(1, 9, (4, 9)) / 8
    membership = half_in(4, 12, seed)
    x, z, r = rng.permutation(12), rng.permutation(9), rng.permutation(4)

    scores = rmia_scores(target_x, target_z, reference_x, reference_z, membership_x=membership)
    permuted = rmia_scores(
        target_x[x], target_z[z], reference_x[r][:, x], reference_z[r][:, z], membership_x=membership[r][:, x]
    )
    doubled = rmia_scores(
        target_x,
        target_z,
        np.tile(reference_x, (2, 1)),
        np.tile(reference_z, (2, 1)),
        membership_x=np.tile(membership, (2, 1)),
    )

    assert np.array_equal(permuted, scores[x])
    assert np.array_equal(doubled, scores)


def test_known_gaussians_give_the_closed_form_auc_tpr_and_scores():
    """log Pr(x | theta) - log Pr(x) is N(shift, 1) for members and N(0, 1) for the others and the population."""
    rng = np.random.default_rng(1)
    samples, shift, gamma = 8000, 1.2, 2.0
    members = np.repeat([True, False], samples // 2)
    difficulty_x, difficulty_z = rng.normal(-2, 1, samples), rng.normal(-2, 1, 20_000)
    evidence = rng.normal(shift * members)
    references = np.exp(difficulty_x)[None] * np.ones((2, 1))
    target_z = np.exp(difficulty_z + rng.normal(size=20_000))

    scores = rmia_scores(
        np.exp(difficulty_x + evidence),
        target_z,
        references,
        np.exp(difficulty_z)[None],
        membership_x=half_in(2, samples),
        gamma=gamma,
    )

    # Three standard errors of an AUC and of a TPR at n = 4,000; of a share of 20,000 at one half.
    assert roc_auc_score(members, scores) == pytest.approx(norm.cdf(shift / np.sqrt(2)), abs=3 * 0.0055)
    threshold = norm.cdf(norm.isf(0.01) - np.log(gamma))
    assert (scores[~members] > threshold).mean() == pytest.approx(0.01, abs=3 * 0.0016)
    assert (scores[members] > threshold).mean() == pytest.approx(norm.sf(norm.isf(0.01) - shift), abs=3 * 0.0053)
    assert scores == pytest.approx(norm.cdf(evidence - np.log(gamma)), abs=4 * 0.0036)


def test_without_a_difference_the_auc_is_one_half_within_its_null_deviation():
    rng = np.random.default_rng(2)
    members = np.repeat([True, False], 1000)
    references = rng.beta(5, 1, (8, 2000))

    scores = rmia_scores(
        rng.beta(5, 1, 2000), rng.beta(5, 1, 5000), references, rng.beta(5, 1, (8, 5000)), membership_x=half_in(8, 2000)
    )

    assert roc_auc_score(members, scores) == pytest.approx(0.5, abs=3 * 0.0129)


def fine_arguments():
    rng = np.random.default_rng(0)
    return {
        "target_x": rng.random(3),
        "target_z": rng.random(5),
        "reference_x": rng.random((4, 3)),
        "reference_z": rng.random((4, 5)),
        "membership_x": half_in(4, 3),
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target_x": [0.1, np.nan, 0.2]}, r"target_x is NaN at index \(1,\)"),
        ({"reference_z": np.full((4, 5), np.nan)}, r"reference_z is NaN at index \(0, 0\)"),
        ({"target_x": []}, "target_x is empty"),
        ({"target_z": []}, "target_z is empty"),
        ({"reference_x": np.ones((0, 3))}, "reference_x is empty"),
        ({"reference_x": np.ones((4, 2))}, r"reference_x has shape \(4, 2\); expected \(R, 3\)"),
        ({"reference_z": np.ones(5)}, r"reference_z has shape \(5,\); expected \(R, 5\)"),
        ({"membership_x": np.ones((3, 4), dtype=bool)}, r"membership_x has shape \(3, 4\); expected \(4, 3\)"),
        ({"membership_x": np.ones((4, 3))}, "membership_x holds float64; expected bool"),
        ({"membership_x": np.zeros((4, 3), dtype=bool)}, "online RMIA needs at least one model trained on"),
        ({"membership_x": np.ones((4, 3), dtype=bool)}, "not trained on each sample; sample 0 has none"),
        ({"membership_x": np.ones((4, 3), dtype=bool), "mode": "offline"}, "offline RMIA needs at least one model not"),
        ({"mode": "on-line"}, "mode is 'on-line'; expected one of online, offline"),
        ({"gamma": 0.0}, "gamma is 0.0"),
        ({"gamma": np.inf}, "gamma is inf"),
        ({"a": 1.5}, "a is 1.5"),
        ({"trim": 0.5}, "trim is 0.5"),
        ({"own_z": [0, 1, 5]}, "own_z must hold integers from -1 to 4"),
        ({"own_z": [0.0, 1.0, 2.0]}, "own_z must hold integers"),
        ({"own_z": [0]}, "own_z has shape"),
    ],
)
def test_what_cannot_be_scored_gets_one_clear_error(changes, message):
    with pytest.raises(ValueError, match=message):
        rmia_scores(**{**fine_arguments(), **changes})


def test_a_sample_cannot_be_its_whole_population():
    one = {"target_z": [0.5], "reference_z": np.ones((4, 1)), "own_z": [0, -1, -1]}

    with pytest.raises(ValueError, match="the only z is the sample itself"):
        rmia_scores(**{**fine_arguments(), **one})
