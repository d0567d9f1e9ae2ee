import math
import time
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from harness.statistics import average_gap, cell_gaps, gap_interval, hierarchical_bootstrap

Array = NDArray[np.float64]
Shape = tuple[int, int, int]


class Spread(NamedTuple):
    """Standard deviations of the effects that a simulated design is made of."""

    originals: float = 0.0
    forget_sets: float = 0.0
    runs: float = 0.0


def _simulate(spread: Spread, shape: Shape, rng: np.random.Generator) -> Array:
    originals, forget_sets, _ = shape
    return (spread.originals * rng.standard_normal((originals, 1, 1))
            + spread.forget_sets * rng.standard_normal((1, forget_sets, 1)) + spread.runs * rng.standard_normal(shape))


def _ideal(spread: Spread, shape: Shape) -> float:
    """Return the half width of the interval of somebody who knows all variances."""
    originals, forget_sets, _ = shape
    return 1.96 * math.sqrt(spread.originals**2 / originals + spread.forget_sets**2 / forget_sets
                            + spread.runs**2 / math.prod(shape))


@pytest.mark.parametrize(("shape", "spread", "widest"), [
    ((3, 3, 3), Spread(runs=1), 1.6),
    ((3, 3, 3), Spread(forget_sets=1), 1.95),
    ((3, 3, 3), Spread(originals=1), 1.95),
    ((3, 3, 3), Spread(originals=1, forget_sets=1, runs=1), 1.85),
    ((3, 3, 3), Spread(forget_sets=0.5, runs=1), 2.1),
    ((1, 3, 3), Spread(runs=1), 1.5),
    ((1, 3, 3), Spread(forget_sets=1), 1.95),
    ((1, 3, 3), Spread(forget_sets=1, runs=1), 1.95),
])
def test_the_interval_covers_the_truth_and_is_not_absurdly_wide(shape: Shape, spread: Spread, widest: float) -> None:
    rng = np.random.default_rng(0)

    # Fewer resamples than usual: their noise is far below that of 1000 repeats (.7 % of coverage).
    intervals = [hierarchical_bootstrap(10 + _simulate(spread, shape, rng), seed=seed, resamples=200)
                 for seed in range(1000)]

    assert 0.92 <= np.mean([i.low is not None and i.high is not None and i.low <= 10 <= i.high
                            for i in intervals]) <= 0.985
    widths = [(i.high - i.low) / 2 for i in intervals if i.low is not None and i.high is not None]
    # With three clusters Student's t alone costs 1.83 (4.30 standard errors, estimated, over 1.96).
    assert 1.0 <= np.median(widths) / _ideal(spread, shape) <= widest


@pytest.mark.parametrize(("shape", "narrower"), [((1, 3, 1), 0.6), ((1, 3, 3), 0.95)])
def test_known_sampling_errors_make_the_interval_narrower_and_keep_its_coverage(shape: Shape, narrower: float) -> None:
    rng = np.random.default_rng(1)
    data = [_simulate(Spread(runs=1), shape, rng) for _ in range(1000)]

    blind = [hierarchical_bootstrap(v, seed=0, resamples=200) for v in data]
    known = [hierarchical_bootstrap(v, seed=0, resamples=200, standard_errors=np.ones(shape)) for v in data]

    assert 0.92 <= np.mean([i.low is not None and i.high is not None and i.low <= 0 <= i.high for i in known]) <= 0.98
    widths = [np.median([i.high - i.low for i in side if i.low is not None and i.high is not None])
              for side in (blind, known)]
    assert widths[1] < narrower * widths[0]


def test_an_interval_of_one_cells_runs_is_students() -> None:
    runs = np.array([1.0, 2.0, 4.0, 9.0])
    witness = stats.t.interval(0.95, 3, runs.mean(), stats.sem(runs))

    found = hierarchical_bootstrap(runs.reshape(1, 1, 4), seed=0)

    assert found.value == 4.0
    assert found.standard_error == pytest.approx(stats.sem(runs), rel=1e-9)  # rounding only
    # Equal unless the resampled tails are heavier than normal ones, and those of four values are not.
    assert (found.low, found.high) == pytest.approx(witness, rel=1e-9)


def test_heavy_tails_widen_the_interval() -> None:
    runs = np.zeros((1, 1, 200))
    runs[0, 0, :2] = 1.0, -1.0

    found = hierarchical_bootstrap(runs, seed=0)

    # The weighted mean is a Laplace variable, whose 95 % quantile is 3 / sqrt(2) = 2.12 standard deviations, not 1.96.
    assert found.high is not None
    assert found.high - found.value > 1.04 * stats.t.ppf(0.975, 199) * stats.sem(runs.ravel())


def test_the_same_seed_gives_the_same_interval_and_leaves_the_global_generator_alone() -> None:
    values = _simulate(Spread(1, 1, 1), (3, 3, 3), np.random.default_rng(2))
    before = np.random.get_state(legacy=False)

    first, second = hierarchical_bootstrap(values, seed=5), hierarchical_bootstrap(values, seed=5)

    after = np.random.get_state(legacy=False)
    assert first == second
    assert before["state"]["pos"] == after["state"]["pos"]
    assert (before["state"]["key"] == after["state"]["key"]).all()


def test_shifting_and_scaling_the_values_shifts_and_scales_the_interval() -> None:
    values = _simulate(Spread(1, 1, 1), (3, 3, 3), np.random.default_rng(3))
    plain = hierarchical_bootstrap(values, seed=0)
    assert plain.low is not None

    moved = hierarchical_bootstrap(1e6 + 10 * values, seed=0)

    assert moved.low == pytest.approx(1e6 + 10 * plain.low, abs=1e-7)  # sixteen digits less those of 1e6


def test_originals_and_forget_sets_play_the_same_part() -> None:
    values = _simulate(Spread(1, 0.2, 0.5), (3, 3, 3), np.random.default_rng(4))

    found, turned = (hierarchical_bootstrap(v, seed=0) for v in (values, values.swapaxes(0, 1)))

    assert found.standard_error == pytest.approx(turned.standard_error, rel=1e-9)  # rounding only


def test_equal_values_have_an_interval_without_width() -> None:
    found = hierarchical_bootstrap(np.full((3, 3, 3), 0.3), seed=0)

    assert (found.value, found.low, found.high, found.n) == (0.3, 0.3, 0.3, 27)


def test_equal_values_with_known_errors_are_not_certain() -> None:
    found = hierarchical_bootstrap(np.full((1, 3, 3), 0.3), seed=0, standard_errors=np.full((1, 3, 3), 0.03))

    assert found.standard_error == pytest.approx(0.01, rel=1e-9)  # .03 over the root of nine cells


def test_a_single_value_has_the_interval_of_its_standard_error_or_none() -> None:
    known = hierarchical_bootstrap([[[0.5]]], seed=0, standard_errors=[[[0.1]]])
    unknown = hierarchical_bootstrap([[[0.5]]], seed=0)

    assert (known.low, known.high) == pytest.approx((0.5 - 0.196, 0.5 + 0.196), abs=1e-5)  # 1.959964
    assert (unknown.value, unknown.low, unknown.high, unknown.standard_error) == (0.5, None, None, None)


def test_missing_runs_leave_the_mean_of_the_cell_means() -> None:
    values = np.array([[[1.0, 3.0], [5.0, np.nan]]])

    found = hierarchical_bootstrap(values, seed=0)

    assert (found.value, found.n) == (3.5, 3)
    assert found.low is not None


@pytest.mark.parametrize("missing", [[(0, 0, slice(None))], [(0, 0, 0), (1, 1, slice(1, 3)), (2, 0, 2)]])
def test_an_incomplete_design_keeps_its_coverage(missing: list[tuple[int, int, int | slice]]) -> None:
    rng = np.random.default_rng(5)
    hits = []
    for seed in range(600):
        values = _simulate(Spread(1, 1, 1), (3, 3, 3), rng)
        for where in missing:
            values[where] = np.nan
        found = hierarchical_bootstrap(values, seed=seed, resamples=200)
        hits.append(found.low is not None and found.high is not None and found.low <= 0 <= found.high)

    assert 0.92 <= np.mean(hits) <= 0.985


def test_one_hundred_intervals_take_well_under_a_second() -> None:
    values = _simulate(Spread(1, 1, 1), (3, 3, 3), np.random.default_rng(6))
    hierarchical_bootstrap(values, seed=0)  # imports SciPy

    start = time.process_time()
    for seed in range(100):
        hierarchical_bootstrap(values, seed=seed)

    # A quarter of a second on one core of 2024; processor time, so a busy machine does not matter.
    assert time.process_time() - start < 1.5


@pytest.mark.parametrize(("values", "message"), [
    (np.zeros((3, 3)), r"values: shape \(3, 3\); expected \(originals, forget sets, runs\)"),
    (np.full((1, 2, 2), np.nan), "every cell of shape"),
    (np.full((1, 2, 2), np.inf), "4 values are infinite"),
    (np.zeros((0, 3, 3)), "expected at least one value"),
])
def test_arrays_without_meaning_are_refused(values: Array, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hierarchical_bootstrap(values, seed=0)


def test_every_value_needs_its_standard_error() -> None:
    with pytest.raises(ValueError, match="some are missing, infinite or negative"):
        hierarchical_bootstrap(np.zeros((1, 1, 2)), seed=0, standard_errors=[[[0.1, np.nan]]])
    with pytest.raises(ValueError, match=r"standard_errors: shape \(1, 1, 1\); expected that of the values"):
        hierarchical_bootstrap(np.zeros((1, 1, 2)), seed=0, standard_errors=[[[0.1]]])


def test_levels_and_resamples_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="level 95 is not a confidence level"):
        hierarchical_bootstrap(np.zeros((1, 1, 2)), seed=0, level=95)
    with pytest.raises(ValueError, match="resamples 3: expected at least 100"):
        hierarchical_bootstrap(np.zeros((1, 1, 2)), seed=0, resamples=3)


def test_gaps_are_taken_to_the_mean_oracle_of_the_same_forget_set() -> None:
    unlearned = np.array([[[1.0, 2.0], [10.0, np.nan]], [[4.0, 4.0], [8.0, 7.0]]])
    oracle = np.array([[1.0, 3.0], [9.0, np.nan]])

    assert cell_gaps(unlearned, oracle).tolist()[0][0] == [1.0, 0.0]
    assert cell_gaps(unlearned, oracle).tolist()[1] == [[2.0, 2.0], [1.0, 2.0]]
    # Cell means .5, 1, 2 and 1.5.
    assert gap_interval(unlearned, oracle, seed=0).value == 1.25


def test_a_gap_interval_does_not_reach_below_zero() -> None:
    found = gap_interval([[[0.0, 0.1], [0.5, 0.6]]], [[0.0], [0.0]], seed=0)

    assert found.low == 0.0
    assert found.high is not None
    assert found.high > 0.6


@pytest.mark.parametrize(("shape", "shift"), [((3, 3, 3), 0.0), ((3, 3, 3), 2.0), ((1, 3, 3), 5.0)])
def test_the_gap_interval_covers_the_expected_gap(shape: Shape, shift: float) -> None:
    rng = np.random.default_rng(7)
    spread = Spread(originals=0.3, runs=1) if shape[0] > 1 else Spread(runs=1)
    # Difference of a value and the mean of three oracles, all of variance one but for the originals' effect.
    deviation = math.sqrt(spread.originals**2 + 1 + 1 / 3)
    truth = stats.foldnorm(shift / deviation, scale=deviation).mean()
    hits = []
    for seed in range(600):
        found = gap_interval(shift + _simulate(spread, shape, rng), rng.standard_normal((shape[1], 3)), seed=seed,
                             resamples=200)
        hits.append(found.low is not None and found.high is not None and found.low <= truth <= found.high)

    assert 0.92 <= np.mean(hits) <= 0.985


def test_one_forget_sets_oracles_add_their_own_uncertainty() -> None:
    unlearned = np.array([[[5.0, 5.2, 4.9]]])

    sure, unsure = (gap_interval(unlearned, oracle, seed=0) for oracle in ([[0.0, 0.0, 0.0]], [[-1.0, 0.0, 1.0]]))

    assert sure.high is not None
    assert unsure.high is not None
    assert unsure.high - unsure.value > 4.3 / math.sqrt(3)  # t of two degrees times the oracles' standard error
    assert sure.high - sure.value < 0.5


def test_gaps_need_the_same_forget_sets_and_an_oracle_for_each() -> None:
    with pytest.raises(ValueError, match="unlearned has 2 forget sets, oracle 1"):
        cell_gaps(np.zeros((1, 2, 1)), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="forget set 1 has values but no oracle"):
        cell_gaps(np.zeros((1, 2, 1)), [[1.0], [np.nan]])


def test_deviations_of_opposite_sign_cancel_in_the_published_average_gap_only() -> None:
    accuracy = (np.array([[[94.0, 98.0]]]), np.array([[96.0]]))
    attack = (np.array([[[50.0, 54.0]]]), np.array([[49.0, 51.0]]))

    # Per run: gaps 2 and 2, then 0 and 4. Of means: 96 - 96, then 52 - 50.
    assert average_gap([accuracy, attack]) == 2.0
    assert average_gap([accuracy, attack], as_published=True) == 1.0


def test_an_average_gap_needs_a_score() -> None:
    with pytest.raises(ValueError, match="average_gap: no scores"):
        average_gap([])
