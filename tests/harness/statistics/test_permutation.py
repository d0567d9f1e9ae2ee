import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from harness.statistics import auc, exact_auc_p_value
from harness.statistics.permutation import Alternative

ALTERNATIVES: tuple[Alternative, ...] = ("two-sided", "greater", "less")


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize(("p", "q"), [(4, 20), (20, 4), (7, 7), (1, 5), (25, 30)])
def test_exact_p_value_agrees_with_scipy_without_ties(p: int, q: int, alternative: Alternative) -> None:
    rng = np.random.default_rng(p)
    positive, negative = rng.standard_normal(p) + 0.4, rng.standard_normal(q)
    witness = stats.mannwhitneyu(positive, negative, alternative=alternative, method="exact").pvalue

    found = exact_auc_p_value(positive, negative, alternative=alternative)

    assert found.value == pytest.approx(witness, rel=1e-10)  # two orders of summation
    assert found.method == "exact"


@pytest.mark.parametrize("shift", [-1, 0, 2])
def test_exact_p_value_counts_every_permutation_with_ties(shift: int) -> None:
    rng = np.random.default_rng(5)
    positive, negative = rng.integers(0, 4, 4) + shift, rng.integers(0, 4, 6)
    less, greater = _enumerate(positive, negative)

    assert exact_auc_p_value(positive, negative, alternative="less").value == pytest.approx(less, rel=1e-12)
    assert exact_auc_p_value(positive, negative, alternative="greater").value == pytest.approx(greater, rel=1e-12)
    assert exact_auc_p_value(positive, negative).value == pytest.approx(min(1, 2 * min(less, greater)), rel=1e-12)


def _enumerate(positive: NDArray[np.int64], negative: NDArray[np.int64]) -> tuple[float, float]:
    everything = np.r_[positive, negative]
    observed = auc(positive, negative)
    values = [auc(everything[list(chosen)], np.delete(everything, chosen))
              for chosen in itertools.combinations(range(len(everything)), len(positive))]
    return float(np.mean(np.array(values) <= observed + 1e-9)), float(np.mean(np.array(values) >= observed - 1e-9))


def test_four_forgotten_above_twenty_unseen_have_the_smallest_p_value_possible() -> None:
    found = exact_auc_p_value([21, 22, 23, 24], range(20))

    assert found.value == pytest.approx(2 / math.comb(24, 4), rel=1e-12)  # rounding only


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("decimals", [1, 8])
def test_large_samples_use_the_tie_corrected_normal_distribution(decimals: int, alternative: Alternative) -> None:
    rng = np.random.default_rng(6)
    positive, negative = np.round(rng.standard_normal(80) + 0.2, decimals), np.round(rng.standard_normal(90), decimals)
    witness = stats.mannwhitneyu(positive, negative, alternative=alternative, method="asymptotic").pvalue

    found = exact_auc_p_value(positive, negative, alternative=alternative)

    assert found.value == pytest.approx(witness, rel=1e-9)  # same formula
    assert found.method == "normal"


def test_equal_scores_are_no_evidence() -> None:
    assert exact_auc_p_value(np.ones(4), np.ones(20)).value == 1.0
    assert exact_auc_p_value(np.ones(100), np.ones(200)).value == 1.0


def test_an_unknown_alternative_is_refused() -> None:
    with pytest.raises(ValueError, match="'above' is unknown; expected 'two-sided'"):
        exact_auc_p_value([1.0], [0.0], alternative="above")  # type: ignore[arg-type]


def test_empty_and_missing_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="negative: 0 values"):
        exact_auc_p_value([1.0], [])
    with pytest.raises(ValueError, match="positive: 1 of 1 values are NaN"):
        exact_auc_p_value([math.nan], [1.0])
