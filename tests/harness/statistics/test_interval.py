import subprocess
import sys

import pytest
from scipy import stats

from harness.statistics import Interval, clopper_pearson


@pytest.mark.parametrize(("successes", "n"), [(0, 7), (1, 7), (7, 7), (50, 1000), (999, 1000)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_clopper_pearson_agrees_with_scipy(successes: int, n: int, level: float) -> None:
    witness = stats.binomtest(successes, n).proportion_ci(level, method="exact")

    interval = clopper_pearson(successes, n, level)

    # Both solve the same equation; SciPy by root finding to about 1e-12.
    assert (interval.low, interval.high) == pytest.approx((witness.low, witness.high), abs=1e-9)
    assert (interval.value, interval.n) == (successes / n, n)


@pytest.mark.parametrize(("n", "bound"), [(200, 0.0183), (500, 0.0074), (1000, 0.0037), (5000, 0.00074)])
def test_no_false_positive_still_bounds_the_rate_as_tabulated(n: int, bound: float) -> None:
    # The table gives two to three significant digits.
    assert clopper_pearson(0, n).high == pytest.approx(bound, rel=0.01)


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_clopper_pearson_refuses_impossible_counts(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{successes} successes of {n}"):
        clopper_pearson(successes, n)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_is_a_fraction(level: float) -> None:
    with pytest.raises(ValueError, match=r"between 0 and 1, such as 0\.95"):
        clopper_pearson(1, 2, level)


def test_an_interval_has_both_ends_or_neither() -> None:
    with pytest.raises(ValueError, match="both ends or neither"):
        Interval(value=1.0, low=0.0, high=None, n=3)


def test_an_interval_contains_its_value() -> None:
    with pytest.raises(ValueError, match="does not contain its value 2"):
        Interval(value=2.0, low=0.0, high=1.0, n=3)


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = "import sys, harness.statistics; print({'torch', 'sklearn', 'scipy'} & set(sys.modules))"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert printed.strip() == "set()"
