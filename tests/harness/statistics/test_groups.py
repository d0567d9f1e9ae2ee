import numpy as np
import pytest
from numpy.typing import NDArray

from harness.statistics import rank_groups

Array = NDArray[np.float64]


def _gaps(mean: float, seed: int, spread: float = 1.0) -> Array:
    return mean + spread * np.random.default_rng(seed).standard_normal((3, 3, 3))


def test_clearly_different_methods_have_different_ranks_best_first() -> None:
    ranks = rank_groups({"bad": _gaps(90, 0), "good": _gaps(1, 1), "middling": _gaps(40, 2)}, seed=0)

    assert list(ranks.items()) == [("good", 1), ("middling", 2), ("bad", 3)]


def test_methods_that_cannot_be_told_apart_share_a_rank_and_the_next_is_counted() -> None:
    ranks = rank_groups({"a": _gaps(5, 0), "b": _gaps(5, 1), "c": _gaps(60, 2)}, seed=0)

    assert ranks == {"a": 1, "b": 1, "c": 3}


def test_a_chain_of_neighbours_is_one_group() -> None:
    steps = {name: _gaps(mean, seed) for seed, (name, mean) in enumerate({"a": 0, "b": 0.6, "c": 1.2}.items())}

    assert rank_groups({"a": steps["a"], "c": steps["c"]}, seed=0) == {"a": 1, "c": 2}
    assert set(rank_groups(steps, seed=0).values()) == {1}


def test_pairing_finds_a_small_difference_under_a_large_common_one() -> None:
    common = 100 * np.random.default_rng(3).standard_normal((3, 3, 1))

    ranks = rank_groups({"a": common + _gaps(0, 4, 0.1), "b": common + _gaps(1, 5, 0.1)}, seed=0)

    assert ranks == {"a": 1, "b": 2}


def test_equal_methods_are_never_separated_more_often_than_promised() -> None:
    separated = [len(set(rank_groups({name: _gaps(5, 10 * seed + place) for place, name in enumerate("abcd")},
                                     seed=seed, resamples=100).values())) > 1 for seed in range(300)]

    # Holm keeps 5 % for any difference among the six pairs; 300 repeats add at most 3 % by chance.
    assert np.mean(separated) <= 0.08


def test_the_order_of_the_methods_does_not_matter() -> None:
    values = {"x": _gaps(1, 0), "y": _gaps(1, 1), "z": _gaps(9, 2)}

    assert list(rank_groups(values, seed=0).items()) \
        == list(rank_groups(dict(reversed(values.items())), seed=0).items())


def test_equal_means_are_listed_by_name() -> None:
    same = _gaps(1, 0)

    assert list(rank_groups({"b": same, "a": same}, seed=0).items()) == [("a", 1), ("b", 1)]


def test_a_constant_difference_is_certain() -> None:
    assert rank_groups({"a": np.zeros((1, 3, 1)), "b": np.ones((1, 3, 1))}, seed=0) == {"a": 1, "b": 2}


def test_one_common_cell_cannot_tell_methods_apart() -> None:
    first, second = np.array([[[1.0, np.nan]]]), np.array([[[9.0, 9.0]]])

    assert rank_groups({"a": first, "b": second}, seed=0) == {"a": 1, "b": 1}


def test_one_method_is_first() -> None:
    assert rank_groups({"only": np.ones((1, 1, 1))}, seed=0) == {"only": 1}


def test_methods_need_values_on_the_same_cells() -> None:
    with pytest.raises(ValueError, match="expected one method or more, all of the same shape"):
        rank_groups({"a": np.ones((1, 2, 1)), "b": np.ones((1, 3, 1))}, seed=0)
    with pytest.raises(ValueError, match="expected one method or more"):
        rank_groups({}, seed=0)
    with pytest.raises(ValueError, match="values of 'a': every cell"):
        rank_groups({"a": np.full((1, 2, 1), np.nan)}, seed=0)
