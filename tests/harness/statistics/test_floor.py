import numpy as np
import pytest

from harness.statistics import noise_floor


def test_two_oracles_are_as_far_from_each_other_as_they_differ() -> None:
    assert noise_floor([[1.0, 4.0], [2.0, 3.0]]) == 2.0


def test_the_floor_agrees_with_leaving_one_out_by_hand() -> None:
    oracle = np.random.default_rng(0).standard_normal((3, 5))
    witness = np.mean([abs(oracle[f, k] - np.delete(oracle[f], k).mean()) for f in range(3) for k in range(5)])

    assert noise_floor(oracle) == pytest.approx(witness, rel=1e-12)  # rounding only


def test_the_floor_of_normal_oracles_is_the_folded_normal_mean() -> None:
    oracle = np.random.default_rng(1).standard_normal((4000, 3))

    # One against the mean of two others: sd sqrt(1 + 1/2), E|.| = sd sqrt(2 / pi); 12,000 draws within 2 %.
    assert noise_floor(oracle) == pytest.approx(np.sqrt(1.5) * np.sqrt(2 / np.pi), rel=0.02)


def test_missing_oracles_and_lonely_ones_are_left_out() -> None:
    assert noise_floor([[1.0, np.nan, 4.0], [9.0, np.nan, np.nan]]) == 3.0


@pytest.mark.parametrize("oracle", [[[1.0], [2.0]], [[1.0, np.nan], [np.nan, 2.0]]])
def test_one_oracle_has_no_noise_floor(oracle: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="needs at least 2 oracles of one forget set"):
        noise_floor(oracle)


def test_the_floor_refuses_other_shapes_and_infinities() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\); expected \(forget sets, oracles\)"):
        noise_floor([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="1 values are infinite"):
        noise_floor([[1.0, np.inf]])
    with pytest.raises(ValueError, match="every cell"):
        noise_floor([[np.nan, np.nan]])
