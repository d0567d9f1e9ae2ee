import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import entropy, norm

from reference_methods.auditors.klom import binned_kl, klom

MARGINS = st.one_of(st.floats(-20, 20), st.integers(-3, 3).map(float), st.sampled_from([np.inf, -np.inf, 100.0]))


@pytest.mark.parametrize(("bins", "name"), [(20, "kl"), (7, "kl_7_bins")])
def test_as_published_is_the_authors_code(published, bins, name):
    vector = published("klom")

    values = klom(vector["unlearned"], vector["oracle"], bins=bins, as_published=True)

    # A sum of twenty terms in float64; sample 2 is NaN.
    assert values == pytest.approx(vector[name], abs=1e-12, nan_ok=True)


def test_the_direction_is_unlearned_given_oracle_and_turns_with_the_arguments(published):
    vector = published("klom")

    turned = klom(vector["oracle"], vector["unlearned"], as_published=True)

    assert turned == pytest.approx(vector["kl_turned"], abs=1e-12, nan_ok=True)


def by_definition(p, q, bins, as_published):
    """Return the divergence of two histograms made with numpy and scipy, one sample at a time."""
    p, q = np.clip(p, -100, 100), np.clip(q, -100, 100)
    low, high = min(p.min(), q.min()), max(p.max(), q.max())
    edges = np.linspace(low, high if low < high else low + 1, bins + 1)
    if as_published:
        counts = [[np.sum(np.digitize(values, edges) == i) for i in range(1, bins + 1)] for values in (p, q)]
    else:
        counts = [np.histogram(values, edges)[0] for values in (p, q)]
    shares = [np.array(count) / max(np.sum(count), 1) for count in counts]
    with np.errstate(all="ignore"):
        return entropy(shares[0], np.where(shares[0] > 0, np.maximum(shares[1], 1e-5), shares[1]))


@given(
    hnp.arrays(np.float64, (7, 3), elements=MARGINS),
    hnp.arrays(np.float64, (5, 3), elements=MARGINS),
    st.sampled_from([1, 4, 20]),
    st.booleans(),
)
def test_all_samples_at_once_equal_the_definition_one_by_one(unlearned, oracle, bins, as_published):
    values = klom(unlearned, oracle, bins=bins, as_published=as_published)

    one_by_one = [by_definition(p, q, bins, as_published) for p, q in zip(unlearned.T, oracle.T, strict=True)]
    assert values == pytest.approx(one_by_one, rel=1e-12, abs=1e-12, nan_ok=True)


def test_a_sample_alone_has_the_value_it_has_among_others():
    rng = np.random.default_rng(0)
    # More than one block of samples.
    unlearned, oracle = rng.normal(size=(10, 4100)), rng.normal(size=(12, 4100))

    values = klom(unlearned, oracle)

    alone = [binned_kl(unlearned[:, n], oracle[:, n]) for n in (0, 4095, 4096, 4099)]
    assert values[[0, 4095, 4096, 4099]] == pytest.approx(alone, rel=1e-12)


def test_equal_sets_diverge_by_nothing_and_separate_ones_by_the_empty_bin():
    left, right = np.array([0.0, 1.0]), np.array([10.0, 11.0])

    assert binned_kl(left, left) == 0.0
    # Two bins of p with one half each, of q with 1e-5 each beside its own two.
    assert binned_kl(left, right) == pytest.approx(np.log(0.5 / 1e-5) + np.log(1 + 2e-5), rel=1e-12)


def test_the_published_bins_take_an_oracle_on_top_for_equal_and_the_default_for_separate():
    assert binned_kl([1.0, 1.0], [3.0, 3.0], as_published=True) == 0.0
    assert np.isnan(binned_kl([3.0, 3.0], [1.0, 1.0], as_published=True))
    assert binned_kl([1.0, 1.0], [3.0, 3.0]) == binned_kl([3.0, 3.0], [1.0, 1.0]) == pytest.approx(11.513, abs=1e-3)


def test_known_gaussians_give_the_divergence_of_their_binned_distributions():
    rng = np.random.default_rng(0)
    p, q = rng.normal(0.0, 1.0, 400_000), rng.normal(0.5, 1.0, 400_000)
    edges = np.linspace(min(p.min(), q.min()), max(p.max(), q.max()), 21)

    binned = entropy(np.diff(norm.cdf(edges)), np.diff(norm.cdf(edges - 0.5)))

    # Chance adds (bins - 1) / n = 1e-4, and the divergence without bins is 0.5 ** 2 / 2 = .125.
    assert binned_kl(p, q) == pytest.approx(binned, abs=1e-3)
    assert binned == pytest.approx(0.125, abs=5e-3)


def test_the_null_level_at_one_hundred_models_is_a_third_and_not_zero():
    rng = np.random.default_rng(1)
    unlearned, oracle = rng.normal(size=(2, 100, 4000))

    published = klom(unlearned, oracle, as_published=True)

    # Measured on the authors' code: mean .331, 95th percentile .643. Their deviation over 4,000 samples is .003, .01.
    assert published.mean() == pytest.approx(0.331, abs=0.015)
    assert np.quantile(published, 0.95) == pytest.approx(0.643, abs=0.04)
    assert klom(unlearned, oracle).mean() == pytest.approx(0.345, abs=0.015)


@given(hnp.arrays(np.float64, (6, 2), elements=MARGINS), hnp.arrays(np.float64, (8, 2), elements=MARGINS))
def test_a_divergence_is_never_negative_nor_nan_and_ignores_the_order_of_models(unlearned, oracle):
    values = klom(unlearned, oracle)

    # Sums of twenty terms may round below zero.
    assert np.all((values >= -1e-12) & (values < 12))
    assert np.array_equal(values, klom(unlearned[::-1], oracle[::-1]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([np.nan], [1.0]), r"p is NaN at index \(0,\)"),
        (([1.0], []), "q is empty"),
        (([[1.0]], [1.0]), r"p has shape \(1, 1\); expected \(M\)"),
    ],
)
def test_what_cannot_be_compared_gets_one_clear_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        binned_kl(*arguments)


def test_models_must_share_their_samples_and_bins_be_at_least_one():
    with pytest.raises(ValueError, match=r"oracle has shape \(4, 2\); expected \(L, 3\)"):
        klom(np.ones((4, 3)), np.ones((4, 2)))
    with pytest.raises(ValueError, match="bins is 0"):
        binned_kl([1.0], [2.0], bins=0)
