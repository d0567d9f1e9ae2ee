import numpy as np
import pytest

from harness.membership import balanced_halves


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_every_example_is_in_exactly_half_of_the_models(size):
    assert (balanced_halves(6, size, seed=0).sum(axis=0) == 3).all()


def test_every_model_has_half_of_the_examples():
    assert (balanced_halves(8, 100, seed=1).sum(axis=1) == 50).all()


def test_halves_are_decided_by_the_seed():
    assert np.array_equal(balanced_halves(4, 50, seed=3), balanced_halves(4, 50, seed=3))
    assert not np.array_equal(balanced_halves(4, 50, seed=3), balanced_halves(4, 50, seed=4))


def test_membership_of_two_examples_is_nearly_independent():
    masks = balanced_halves(200, 200, seed=5).astype(float)
    correlation = np.corrcoef(masks.T)
    off_diagonal = correlation[~np.eye(200, dtype=bool)]
    # Each column is the complement of one other; all other pairs are independent, sd 1/sqrt(200).
    assert np.sum(off_diagonal < -0.99) == 200
    assert np.abs(off_diagonal[off_diagonal > -0.99]).mean() < 0.1


@pytest.mark.parametrize("models", [0, 1, 3])
def test_an_odd_number_of_models_is_refused(models):
    with pytest.raises(ValueError, match=f"even number of models, got {models}"):
        balanced_halves(models, 10, seed=0)
