import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from harness.statistics.components import mean_squares, variance_of_mean

Array = NDArray[np.float64]


def _design(originals: float, forget_sets: float, runs: float, shape: tuple[int, int, int], seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    o, f, _ = shape
    return (originals * rng.standard_normal((o, 1, 1)) + forget_sets * rng.standard_normal((1, f, 1))
            + runs * rng.standard_normal(shape))


def test_mean_squares_are_those_of_the_textbook() -> None:
    values = _design(1, 2, 0.5, (4, 3, 5))
    cells = values.mean(axis=2)
    rows, columns = cells.mean(axis=1), cells.mean(axis=0)
    rest = cells - rows[:, None] - columns + cells.mean()

    found = mean_squares(values)

    # Rounding only, throughout.
    assert found.originals is not None
    assert found.originals.value == pytest.approx(3 * rows.var(ddof=1), rel=1e-10)
    assert found.forget_sets is not None
    assert found.forget_sets.value == pytest.approx(4 * columns.var(ddof=1), rel=1e-10)
    assert found.interaction is not None
    assert found.interaction.value == pytest.approx((rest**2).sum() / 6, rel=1e-10)
    assert found.runs is not None
    assert found.runs.value == pytest.approx(values.var(axis=2, ddof=1).mean() / 5, rel=1e-10)
    assert [level.degrees for level in (found.originals, found.forget_sets, found.interaction, found.runs)] \
        == [3, 2, 6, 48]


def test_all_mean_squares_expect_the_variance_of_a_cell_when_only_runs_differ() -> None:
    found = [mean_squares(_design(0, 0, 1, (3, 3, 2), seed)) for seed in range(2000)]

    for name in ("originals", "forget_sets", "interaction", "runs"):
        # Half the variance of one run; 2000 repeats of two degrees of freedom vary by 2.2 %.
        assert np.mean([getattr(squares, name).value for squares in found]) == pytest.approx(0.5, rel=0.07)


def test_one_axis_leaves_the_levels_that_it_cannot_show() -> None:
    found = mean_squares(_design(0, 1, 1, (1, 3, 1)))

    assert (found.originals, found.interaction, found.runs) == (None, None, None)
    assert found.forget_sets is not None
    assert found.forget_sets.degrees == 2


def test_a_missing_cell_costs_one_degree_of_the_interaction_and_no_bias() -> None:
    values = _design(5, 5, 0, (3, 3, 2))
    values[0, 1] = np.nan

    found = mean_squares(values)

    assert found.interaction is not None
    assert found.interaction.degrees == 3
    assert found.interaction.value == pytest.approx(0, abs=1e-20)  # additive data, so only rounding is left


def test_cells_on_a_diagonal_are_clusters_along_one_axis() -> None:
    values = np.full((3, 3, 1), np.nan)
    values[range(3), range(3), 0] = 1.0, 2.0, 6.0

    variance = variance_of_mean(values, None)

    assert variance is not None
    assert variance.value == pytest.approx(stats.sem([1.0, 2.0, 6.0]) ** 2, rel=1e-9)  # rounding only
    assert variance.degrees == 2


def test_a_dominant_axis_gives_the_one_sample_variance_of_its_means() -> None:
    values = _design(0, 1, 1e-6, (1, 4, 3))

    variance = variance_of_mean(values, None)

    assert variance is not None
    assert variance.value == pytest.approx(stats.sem(values.mean(axis=2)[0]) ** 2, rel=1e-9)  # rounding only
    assert variance.degrees == pytest.approx(3, rel=1e-9)


def test_two_dominant_axes_add_and_subtract_their_interaction() -> None:
    values = _design(3, 3, 1, (3, 3, 1))
    squares = mean_squares(values)
    assert squares.originals is not None
    assert squares.forget_sets is not None
    assert squares.interaction is not None
    total = squares.originals.value + squares.forget_sets.value - squares.interaction.value
    degrees = total**2 / (squares.originals.value**2 / 2 + squares.forget_sets.value**2 / 2
                          + squares.interaction.value**2 / 4)

    variance = variance_of_mean(values, None)

    assert variance is not None
    assert variance.value == pytest.approx(total / 9, rel=1e-9)  # rounding only
    assert variance.degrees == pytest.approx(degrees, rel=1e-9)


def test_equal_runs_everywhere_pool_all_degrees_of_freedom() -> None:
    # The same three numbers in every cell: no axis differs at all.
    values = np.tile([1.0, 2.0, 3.0], (3, 3, 1))

    variance = variance_of_mean(values, None)

    assert variance is not None
    assert variance.degrees == 26
    assert variance.value == pytest.approx(18 / 26 / 3 / 9, rel=1e-9)  # 18 of 26 degrees carry variance 1


def test_a_known_sampling_error_is_the_least_variance() -> None:
    values = 0.01 * _design(0, 0, 1, (3, 3, 3))

    variance = variance_of_mean(values, np.full(values.shape, 0.6))

    assert variance is not None
    assert variance.value == pytest.approx(0.36 / 27, rel=1e-9)  # rounding only
    assert math.isinf(variance.degrees)


def test_the_examples_of_a_single_forget_set_do_not_average_out() -> None:
    values = _design(0, 0, 1, (1, 1, 4))

    variance = variance_of_mean(values, np.full(values.shape, 3.0))

    assert variance is not None
    assert variance.value == pytest.approx(9 + stats.sem(values.ravel()) ** 2, rel=1e-9)  # rounding only


def test_a_single_value_shows_no_variance() -> None:
    assert variance_of_mean(np.array([[[1.0]]]), None) is None
