import numpy as np
import pytest

from reference_methods.auditors.inputs import INFINITE_CONFIDENCE, check_numbers, replace_infinite

INF = np.inf


def test_infinities_become_the_largest_value_and_keep_the_order():
    small, large = replace_infinite(np.array([1.0, INF]), np.array([-INF, 2.0]))
    over, _ = replace_infinite(np.array([200.0, INF]), np.array([-300.0]))

    assert small == pytest.approx([1.0, INFINITE_CONFIDENCE])
    assert large == pytest.approx([-INFINITE_CONFIDENCE, 2.0])
    assert over == pytest.approx([200.0, 300.0])


def test_arrays_without_infinities_come_back_as_they_are():
    values = np.array([1.0, 2.0])

    assert replace_infinite(values)[0] is values


def test_float64_is_checked_without_a_copy_and_other_numbers_become_float64():
    values = np.ones((2, 3))

    assert check_numbers("x", values, ("R", 3)) is values
    assert check_numbers("x", np.ones(2, dtype=np.float32), ("N",)).dtype == np.float64


def test_nan_is_found_beside_infinities():
    with pytest.raises(ValueError, match=r"x is NaN at index \(2,\); every value must be a number"):
        check_numbers("x", [INF, -INF, np.nan, np.nan], ("N",))
