import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_methods.auditors.epsilon import _inside, _inside_intervals, _intervals, epsilon_scores, forgetting_score


def test_epsilons_and_forgetting_score_are_those_of_the_challenges_code(published):
    vector = published("epsilon")

    epsilons = epsilon_scores(vector["unlearned"], vector["retrained"])

    # The published rates are float32.
    assert epsilons == pytest.approx(vector["epsilon"], rel=1e-6, abs=1e-6)
    assert forgetting_score(epsilons) == pytest.approx(vector["forgetting_score"], rel=1e-12)
    assert forgetting_score(epsilons, models=40) == pytest.approx(vector["forgetting_score"], rel=1e-12)


def test_one_threshold_gives_the_epsilon_worked_out_by_hand():
    # Above 0.5 lie three of four unlearned models and one of four retrained: FNR = FPR = 1/4. No interval does better.
    unlearned, retrained = np.array([[0.0], [1.0], [1.1], [1.2]]), np.array([[-0.2], [-0.1], [0.1], [1.05]])

    assert epsilon_scores(unlearned, retrained, delta=0.0) == pytest.approx([np.log(3)], rel=1e-12)


def test_an_interval_finds_the_narrower_group_that_no_threshold_finds():
    narrow = np.repeat([-0.1, -0.05, 0.05, 0.1], 5)[:, None]
    # A tenth of the wide group lies within the narrow one, which reaches beyond the interval with a twentieth.
    wide = np.r_[np.linspace(-4, -1, 9), np.linspace(1, 4, 9), [0.0, 0.0]][:, None]
    narrow[0] = 0.9

    epsilon = epsilon_scores(narrow, wide, delta=0.0)

    assert epsilon == pytest.approx([np.log(0.9 / 0.05)], rel=1e-12)


def test_perfect_separation_and_a_collapsed_group_have_the_largest_epsilon_and_earn_nothing():
    rng = np.random.default_rng(0)
    retrained = rng.normal(size=(20, 4))
    unlearned = np.stack([retrained[:, 0] + 50, np.zeros(20), np.full(20, -np.inf), retrained[:, 3] * 1e-3], axis=1)

    epsilons = epsilon_scores(unlearned, retrained)

    assert epsilons.tolist() == [50.0] * 4
    assert forgetting_score(epsilons) == 0.0


def test_samples_constant_in_all_models_differ_wholly_or_not_at_all():
    ones = np.ones((5, 2))

    assert epsilon_scores(ones, ones * [1.0, 2.0]).tolist() == [0.0, 50.0]


@pytest.mark.parametrize("models", [64, 128, 512])
def test_equal_distributions_score_a_fifth_and_not_one(models):
    rng = np.random.default_rng(0)

    score = forgetting_score(epsilon_scores(rng.normal(size=(models, 150)), rng.normal(size=(models, 150))))

    # .187 +- .003 over 1,500 samples at each of the three sizes; three standard errors of a mean of 150.
    assert score == pytest.approx(0.187, abs=3 * 0.009)


@settings(max_examples=25)
@given(st.integers(0, 1000))
def test_epsilon_does_not_ask_which_group_is_which_nor_in_what_order_the_models_are(seed):
    rng = np.random.default_rng(seed)
    unlearned, retrained = rng.normal(size=(9, 2)), rng.normal(0.5, 2, size=(9, 2))

    epsilons = epsilon_scores(unlearned, retrained)

    assert np.array_equal(epsilon_scores(retrained, unlearned), epsilons)
    assert np.array_equal(epsilon_scores(unlearned[::-1], retrained[rng.permutation(9)]), epsilons)


def test_groups_may_differ_in_size():
    # Above 0.5: three of four unlearned, two of eight retrained.
    unlearned = np.array([[0.0], [1.0], [1.1], [1.2]])
    retrained = np.array([[-0.3], [-0.2], [-0.1], [0.1], [0.15], [0.2], [1.05], [1.3]])

    epsilons = epsilon_scores(unlearned, retrained, delta=0.0), epsilon_scores(retrained, unlearned, delta=0.0)

    assert epsilons[0] == epsilons[1]
    assert epsilons[0][0] >= np.log(0.75 / 0.25)


@pytest.mark.parametrize(
    ("epsilon", "reward"),
    [(0.0, 1.0), (0.49, 1.0), (0.5, 0.5), (0.99, 0.5), (1.0, 0.25), (6.99, 2.0**-13), (7.0, 0.0), (np.inf, 0.0)],
)
def test_rewards_halve_every_half_unit_up_to_what_512_models_can_show(epsilon, reward):
    assert forgetting_score([epsilon]) == reward


def test_the_forgetting_score_is_the_mean_reward():
    assert forgetting_score([0.1, 0.6, 50.0]) == pytest.approx(1.5 / 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.full((3, 1), np.nan), np.ones((3, 1))), "unlearned is NaN"),
        ((np.ones((3, 2)), np.ones((3, 1))), r"retrained has shape \(3, 1\); expected \(L, 2\)"),
        ((np.ones((3, 0)), np.ones((3, 0))), "unlearned is empty"),
        ((np.ones(3), np.ones(3)), r"unlearned has shape \(3,\); expected \(M, N\)"),
    ],
)
def test_what_cannot_be_compared_gets_one_clear_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        epsilon_scores(*arguments)


def test_options_out_of_range_get_one_clear_error():
    with pytest.raises(ValueError, match=r"delta is 1\.0"):
        epsilon_scores(np.ones((3, 1)), np.ones((3, 1)), delta=1.0)
    with pytest.raises(ValueError, match=r"epsilon is -1\.0"):
        forgetting_score([-1.0])
    with pytest.raises(ValueError, match="models is 2"):
        forgetting_score([1.0], models=2)


@pytest.mark.parametrize("decimals", [1, 2, 9])
@pytest.mark.parametrize("seed", range(4))
def test_what_lies_in_an_interval_is_counted_as_if_every_interval_were_tried(seed, decimals):
    rng = np.random.default_rng(seed)
    # Rounded values lie on the grid itself, where rounding decides.
    narrow, wide = (np.sort(np.round(rng.normal(3, spread, 12), decimals)) for spread in (0.5, 2.0))
    low, high = _intervals(narrow)
    every = (_inside(group, low, np.broadcast_to(high[:, None], low.shape)) for group in (narrow, wide))

    counted = set(zip(*(count.tolist() for count in _inside_intervals(narrow, wide)), strict=True))

    assert counted == set(zip(*(count.ravel().tolist() for count in every), strict=True))
