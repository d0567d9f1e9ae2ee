"""The yardstick: one more retraining, with sampling error, spread, and many scores at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.auditing.judgement import accused_oracles, compare, detectable
from harness.audits import AuditReport
from tests.harness.auditing.scores import examination, finding, report, score


def test_sampling_error_and_spread_add_in_squares() -> None:
    # Spread of 0.49, 0.50, 0.51 is 0.01, so the error is sqrt((0.03^2 + 0.01^2) * (1 + 1/3)).
    oracles = [report(value, error=0.03) for value in (0.49, 0.50, 0.51)]

    (one,) = compare(examination(finding(report(0.6), oracles)))

    assert one.error is not None
    assert one.oracle == pytest.approx(0.50)
    assert one.error == pytest.approx(math.sqrt((0.03**2 + 0.01**2) * 4 / 3))
    assert one.p == pytest.approx(math.erfc(0.1 / one.error / math.sqrt(2)))
    assert one.differs
    assert detectable(one) == pytest.approx(1.959964 * one.error)


def test_a_single_oracle_has_no_spread() -> None:
    (one,) = compare(examination(finding(report(0.6), [report(0.5, error=0.03)])))

    assert one.error == pytest.approx(math.sqrt(2) * 0.03)


def test_without_a_sampling_error_three_oracles_and_t_are_needed() -> None:
    oracles = [report(value, error=None) for value in (0.48, 0.50, 0.52)]

    (two,) = compare(examination(finding(report(0.6), oracles[:2])))
    (three,) = compare(examination(finding(report(0.6), oracles)))

    assert (two.error, two.p) == (None, None)
    assert three.degrees == 2
    assert three.error is not None
    assert three.error == pytest.approx(0.02 * math.sqrt(4 / 3))
    # For two degrees of freedom the t distribution is 1/2 + x / (2 sqrt(2 + x^2)).
    ratio = 0.1 / three.error
    assert three.p == pytest.approx(1 - ratio / math.sqrt(2 + ratio**2))
    assert detectable(three) == pytest.approx(4.3027 * three.error, rel=1e-4)  # t table


def test_eight_oracles_are_their_own_yardstick() -> None:
    values = [0.49, 0.51] * 4
    (one,) = compare(examination(finding(report(0.55), [report(value, error=0.5) for value in values])))

    assert one.degrees == 7
    assert one.error == pytest.approx(np.std(values, ddof=1) * math.sqrt(9 / 8))
    assert one.differs


def test_no_error_is_smaller_than_one_example() -> None:
    percent = [report(100.0, error=0.0, unit="%", n=50) for _ in range(3)]

    (near,) = compare(examination(finding(report(98.0, unit="%", n=50), percent)))
    (far,) = compare(examination(finding(report(80.0, unit="%", n=50), percent)))

    assert near.error == pytest.approx(2.0 * math.sqrt(4 / 3))
    assert not near.differs
    assert far.differs


def test_a_unit_without_examples_and_without_any_spread_is_not_judged() -> None:
    same = [report(1.0, error=0.0, unit="nats") for _ in range(3)]

    (one,) = compare(examination(finding(report(2.0, unit="nats"), same)))

    assert (one.p, detectable(one)) == (None, None)


def test_many_scores_are_adjusted_together() -> None:
    # Alone p = 0.02; among five scores not.
    value = 0.5 + 2.33 * 0.01 * math.sqrt(4 / 3)
    oracles = [report(*[0.5] * 5) for _ in range(3)]

    (alone,) = compare(examination(finding(report(value), [report(0.5)] * 3)))
    among = compare(examination(finding(report(value, 0.5, 0.5, 0.5, 0.5), oracles)))

    assert alone.differs
    assert among[0].p == pytest.approx(5 * (alone.p or 0))
    assert not any(one.differs for one in among)


def test_only_scores_whose_target_is_the_oracle_are_compared() -> None:
    assert compare(examination(finding(report(0.6, target="lower"), [report(0.5, target="lower")] * 3))) == ()


def test_the_original_shows_what_a_score_can_see() -> None:
    oracles = [report(0.5, 0.5)] * 3
    sees, blind = compare(examination(finding(report(0.6, 0.5), oracles, original=report(0.7, 0.5))))

    assert sees.tells_original
    assert sees.remains == pytest.approx(0.5)
    assert not blind.tells_original
    assert blind.remains is None


def test_oracles_are_judged_against_each_other() -> None:
    alike = [report(value) for value in (0.49, 0.50, 0.51)]
    stray = [report(value) for value in (0.49, 0.50, 0.51, 0.9)]

    assert accused_oracles(examination(finding(report(0.6), alike))) == 0
    assert accused_oracles(examination(finding(report(0.6), stray))) == 1
    assert accused_oracles(examination(finding(report(0.6), alike[:2]))) is None
    assert accused_oracles(examination()) is None


@pytest.mark.parametrize("oracles", [1, 2, 3, 8])
def test_a_retrained_model_is_seldom_accused_and_a_different_one_mostly_found(oracles: int) -> None:
    random = np.random.default_rng(oracles)
    accused = found = 0
    for _ in range(200):
        # Ten scores; examples that all models share move them together, retraining moves them apart.
        shared = random.normal(0.5, 0.02, 10)
        drawn = shared + random.normal(0, 0.01, (oracles + 1, 10))
        others = [_report(values) for values in drawn[1:]]
        accused += any(one.differs for one in compare(examination(finding(_report(drawn[0]), others))))
        found += any(one.differs for one in compare(examination(finding(_report(drawn[0] + 0.15), others))))

    assert accused <= 0.05 * 200
    assert found >= 0.95 * 200


def _report(values: NDArray[np.float64]) -> AuditReport:
    return AuditReport(scores=tuple(score(float(value), 0.022, f"score {i}") for i, value in enumerate(values)))
