import numpy as np
import pytest
from scipy.stats import nct, t

from harness.calibration import calibrate, false_alarm_and_power
from harness.columns import Column
from tests.harness.records import cells, merged, record

FT = Column("rmia", "FT AUC")


def normal(seed, shape, shift=0.0):
    """Return values around a mean of each forget set (the second axis but for oracles) with deviation .01."""
    rng = np.random.default_rng(seed)
    centre = np.linspace(0.4, 0.6, shape[-2])[:, None]
    return centre + 0.01 * (shift + rng.normal(size=shape))


def test_alarms_about_oracles_come_as_often_as_the_level_says():
    found = [false_alarm_and_power(record(cells("oracle", normal(seed, (3, 3)))), FT) for seed in range(400)]
    alarms, models = sum(one.false_alarms for one in found), sum(one.retrained for one in found)
    assert models == 9 * 400
    # Three standard errors of 3,600 trials, doubled since nine oracles of one run share their spread.
    assert alarms / models == pytest.approx(0.05, abs=2 * 3 * 0.0036)


def test_the_power_is_that_of_a_t_test():
    shift, forget_sets, oracles = 4.0, 3, 3
    found = [false_alarm_and_power(record([*cells("oracle", normal(seed, (forget_sets, oracles))),
                                           *cells("original", normal(9000 + seed, (3, 3, 1), shift))]), FT)
             for seed in range(400)]
    freedom = forget_sets * (oracles - 1)
    limit, away = t.ppf(0.975, freedom), shift / np.sqrt(1 + 1 / oracles)
    truth = nct.sf(limit, freedom, away) + nct.cdf(-limit, freedom, away)
    assert sum(one.power * one.originals for one in found) / (9 * 400) == pytest.approx(truth, abs=0.03)


def test_models_of_the_method_that_retrains_count_as_retrained_whatever_its_title():
    made = record([*cells("oracle", normal(0, (3, 3))), *cells("from scratch", normal(1, (2, 3, 2)))],
                  {"from scratch": "retrain"})
    assert false_alarm_and_power(made, FT).retrained == 9 + 12


def test_doing_nothing_counts_once_for_each_original_and_forget_set():
    made = record([*cells("oracle", normal(0, (3, 3))), *cells("original", np.full((2, 3, 4), 0.9))])
    found = false_alarm_and_power(made, FT)
    assert (found.originals, found.power) == (6, 1.0)
    assert found.power_low == pytest.approx(0.025 ** (1 / 6))


def test_equal_oracles_raise_no_alarm_and_anything_else_does():
    flat = record([*cells("oracle", np.full((2, 3), 0.1 + 0.2)), *cells("original", np.full((1, 2, 1), 0.31))])
    found = false_alarm_and_power(flat, FT)
    assert (found.false_alarms, found.power) == (0, 1.0)


@pytest.mark.parametrize(("target", "value", "power"), [
    ("higher", 0.9, 0.0), ("higher", 0.1, 1.0), ("lower", 0.9, 1.0), ("lower", 0.1, 0.0), ("oracle", 0.1, 1.0)])
def test_a_deviation_to_the_better_side_is_no_alarm_where_there_is_one(target, value, power):
    made = record([*cells("oracle", normal(0, (3, 3)), target=target),
                   *cells("original", np.full((1, 3, 1), value), target=target)])
    assert false_alarm_and_power(made, FT).power == power


def test_a_score_with_one_wild_value_in_four_is_marked():
    rng = np.random.default_rng(0)
    # One value in eleven is far off: more often an alarm than one in twenty, with intervals that can show it.
    values = 0.01 * rng.normal(size=(3, 60))
    values[:, ::11] += 0.5
    calm = false_alarm_and_power(record(cells("oracle", 0.01 * rng.normal(size=(3, 60)))), FT)
    wild = false_alarm_and_power(record(cells("oracle", values)), FT)
    assert (calm.off, wild.off) == (False, True)


def test_too_few_retrained_models_say_nothing():
    assert false_alarm_and_power(record(cells("oracle", [[0.5], [0.6]])), FT) is None


def test_a_suite_without_the_control_has_no_power_to_tell():
    assert false_alarm_and_power(record(cells("oracle", normal(0, (3, 3)))), FT).power is None


def test_every_score_of_a_run_is_calibrated():
    made = record(merged(cells("oracle", normal(0, (3, 3))),
                         cells("oracle", normal(1, (3, 3)), name="MIS", auditor="mis", unit="%")))
    assert [(one.auditor, one.name) for one in calibrate(made)] == [("rmia", "FT AUC"), ("mis", "MIS")]
