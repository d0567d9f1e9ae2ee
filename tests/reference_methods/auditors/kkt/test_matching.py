"""Nearest candidates, whitening and the share that a span explains."""

import numpy as np
import pytest

from reference_methods.auditors.kkt.matching import explained_shares, nearest, standardised, whitening

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(5, 12))


def test_an_image_in_the_bank_is_found_whatever_its_brightness_and_contrast():
    bank = 3 * IMAGES[::-1] + 7

    matches = nearest(IMAGES, bank)

    assert matches.candidate.tolist() == [4, 3, 2, 1, 0]
    assert matches.correlation == pytest.approx(np.ones(5))


def test_correlation_is_that_of_numpy():
    bank = RNG.normal(size=(4, 12))

    assert nearest(IMAGES, bank).correlation == pytest.approx(np.corrcoef(IMAGES, bank)[:5, 5:].max(axis=1))


def test_the_published_distance_orders_alike():
    bank = RNG.normal(size=(4, 12))

    def scaled(images):
        centred = images - images.mean(axis=1, keepdims=True)
        return centred / centred.std(axis=1, ddof=1, keepdims=True)

    distances = np.square(scaled(IMAGES)[:, None] - scaled(bank)[None]).sum(axis=2)
    assert nearest(IMAGES, bank).candidate.tolist() == distances.argmin(axis=1).tolist()


def test_images_without_contrast_correlate_with_nothing():
    assert nearest(np.full((1, 12), 0.1), IMAGES).correlation.tolist() == [0.0]
    assert standardised(np.zeros((1, 12))).tolist() == [[0.0] * 12]


def test_an_empty_bank_is_refused():
    with pytest.raises(ValueError, match="no candidates"):
        nearest(IMAGES, np.empty((0, 12)))


def test_whitened_public_images_vary_alike_in_all_directions():
    public = RNG.normal(size=(4000, 3)) * [1.0, 2.0, 3.0] + 5

    view = whitening(public).view(public)

    assert view.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)
    # The ridge of 5 % of the mean variance takes up to a quarter from the smallest direction, here of variance 1.
    assert np.diag(np.cov(view, rowvar=False)) == pytest.approx([1.0, 1.0, 1.0], abs=0.25)
    assert np.cov(view, rowvar=False)[0, 1] == pytest.approx(0, abs=1e-9)


def test_whitening_needs_public_images():
    with pytest.raises(ValueError, match="1 public images"):
        whitening(IMAGES[:1])


def test_an_image_made_of_the_basis_is_explained_whole():
    white = whitening(RNG.normal(size=(50, 12)))
    inside = np.array([[2.0, -1.0]]) @ IMAGES[:2]

    shares = explained_shares(np.concatenate([inside, IMAGES[2:3], np.zeros((1, 12))]), IMAGES[:2], white)

    assert shares[0] == pytest.approx(1)
    assert 0 < shares[1] < 0.9
    assert shares[2] == 0
