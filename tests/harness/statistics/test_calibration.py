import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.statistics import alarm_rate, benjamini_hochberg, fisher_combine, holm

P_VALUES = st.lists(st.floats(1e-12, 1), min_size=1, max_size=20)


def test_the_alarm_rate_has_an_exact_interval() -> None:
    rate = alarm_rate(np.array([True, False, False, False, False, False, False, False, False, False]))
    witness = stats.binomtest(1, 10).proportion_ci(method="exact")

    assert (rate.value, rate.n) == (0.1, 10)
    assert (rate.low, rate.high) == pytest.approx((witness.low, witness.high), abs=1e-9)  # SciPy finds a root


@pytest.mark.parametrize("alarms", [[], [0, 1], [[True]]])
def test_alarms_are_a_vector_of_booleans(alarms: list[object]) -> None:
    with pytest.raises(ValueError, match="expected a non-empty vector of booleans"):
        alarm_rate(alarms)  # type: ignore[arg-type]


@given(P_VALUES)
def test_benjamini_hochberg_agrees_with_scipy(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(stats.false_discovery_control(p_values), rel=1e-12)


def test_holm_keeps_its_order_and_multiplies_by_what_is_left() -> None:
    # By hand: .01 * 4, .02 * 3, then .03 * 2 = .06 and .04 * 1 raised to .06.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06], rel=1e-12)


def test_holm_never_exceeds_one() -> None:
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]


@given(P_VALUES)
def test_fisher_agrees_with_scipy(p_values: list[float]) -> None:
    witness = stats.combine_pvalues(p_values, method="fisher").pvalue

    assert fisher_combine(p_values) == pytest.approx(witness, rel=1e-9, abs=1e-300)  # two tail routines


def test_one_p_value_is_its_own_combination() -> None:
    assert fisher_combine([0.03]) == pytest.approx(0.03, rel=1e-12)


def test_an_impossible_event_decides_the_combination() -> None:
    assert fisher_combine([0.0, 0.9]) == 0.0


@pytest.mark.parametrize("function", [benjamini_hochberg, holm, fisher_combine])
@pytest.mark.parametrize(("p_values", "message"), [
    ([], "p_values: 0 values"),
    ([0.1, float("nan")], "p_values: 1 of 2 values are NaN"),
    ([0.5, 1.5], r"largest 1\.5; expected numbers in \[0, 1\]"),
])
def test_what_is_no_probability_is_refused(function, p_values: list[float], message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        function(p_values)
