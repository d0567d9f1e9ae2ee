import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import BadSetting, Dataset, Examples
from harness.subsets import permutation, stratified_indices, subset
from harness.suite import DataSpec


def a_dataset(train: int = 40, test: int = 20) -> Dataset:
    def examples(size: int) -> Examples:
        return Examples(inputs=np.arange(size, dtype=np.float32)[:, None], labels=np.arange(size) % 4)

    return Dataset(name="toy", version="1", num_classes=4, train=examples(train), test=examples(test), source="made")


def test_a_permutation_is_the_same_on_every_machine_and_release():
    # Published forget sets rest on these numbers.
    assert permutation(10, 0).tolist() == [3, 2, 1, 8, 6, 0, 7, 4, 5, 9]
    assert permutation(10, 2**53 - 1).tolist() == [4, 3, 7, 8, 5, 2, 6, 1, 9, 0]


@given(st.integers(0, 200), st.integers(0, 2**53 - 1))
def test_a_permutation_has_every_integer_once(size, seed):
    assert sorted(permutation(size, seed).tolist()) == list(range(size))


@st.composite
def labels_and_size(draw):
    labels = np.array(draw(st.lists(st.sampled_from([0, 1, 2, 7]), min_size=1, max_size=60)))
    return labels, draw(st.integers(0, len(labels)))


@given(labels_and_size(), st.integers(0, 2**53 - 1))
def test_every_class_gets_its_share_rounded_down_or_up(case, seed):
    labels, size = case

    taken = stratified_indices(labels, size, seed)

    assert len(taken) == size
    assert np.array_equal(taken, np.unique(taken))
    for label in np.unique(labels):
        exact = size * np.mean(labels == label)
        assert abs(np.sum(labels[taken] == label) - exact) < 1


def test_a_place_left_over_goes_to_the_largest_remainder():
    labels = np.array([0] * 5 + [1] * 3 + [2] * 2)

    # 7 places of 10: shares of 3.5, 2.1 and 1.4.
    assert np.bincount(labels[stratified_indices(labels, 7, seed=0)]).tolist() == [4, 2, 1]


def test_the_seed_decides_who_is_taken():
    labels = np.zeros(100, dtype=np.int64)

    assert np.array_equal(stratified_indices(labels, 50, 1), stratified_indices(labels, 50, 1))
    assert not np.array_equal(stratified_indices(labels, 50, 1), stratified_indices(labels, 50, 2))


@pytest.mark.parametrize("size", [-1, 4])
def test_a_size_that_does_not_fit_is_refused(size):
    with pytest.raises(ValueError, match=r"outside \[0, 3\]"):
        stratified_indices(np.zeros(3, dtype=np.int64), size, seed=0)


def test_a_subset_has_the_sizes_asked_for_and_the_order_of_the_whole():
    small = subset(a_dataset(), DataSpec(name="toy", train=8, test=4, seed=5))

    assert (len(small.train), len(small.test)) == (8, 4)
    assert np.all(np.diff(small.train.inputs[:, 0]) > 0)
    assert np.bincount(small.train.labels).tolist() == [2, 2, 2, 2]
    assert np.array_equal(small.train.inputs[:, 0] % 4, small.train.labels)


def test_a_subset_keeps_its_name_and_changes_its_digest():
    whole = a_dataset()

    first, again, other = (subset(whole, DataSpec(name="toy", train=8, seed=seed)) for seed in (1, 1, 2))

    assert first.name == whole.name
    assert first.digest == again.digest
    assert len({whole.digest, first.digest, other.digest}) == 3


def test_without_sizes_nothing_changes():
    whole = a_dataset()

    assert subset(whole, DataSpec(name="toy")).digest == whole.digest
    assert subset(whole, DataSpec(name="toy", train=40, test=20)).digest == whole.digest


def test_more_than_there_is_names_the_part_and_both_numbers():
    with pytest.raises(BadSetting, match=r"data 'toy': test = 21, but it has only 20 test examples"):
        subset(a_dataset(), DataSpec(name="toy", test=21))
