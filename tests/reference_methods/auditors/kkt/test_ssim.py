"""SSIM against a plain loop over windows."""

import numpy as np
import pytest

from reference_methods.auditors.kkt.ssim import ssim, stretched

RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.uniform(size=(2, 2, 1, 14, 13))


def by_windows(first, second, length, mirror):
    """Return SSIM of two single images, window by window as Wang et al. 2004 write it."""
    offsets = np.arange(length) - length // 2
    kernel = np.exp(-(offsets[:, None]**2 + offsets[None]**2) / (2 * 1.5**2))
    kernel /= kernel.sum()
    if mirror:
        first, second = (np.pad(image, length // 2, mode="reflect") for image in (first, second))
    values = []
    for row in range(first.shape[0] - length + 1):
        for column in range(first.shape[1] - length + 1):
            x, y = (image[row:row + length, column:column + length] for image in (first, second))
            mean_x, mean_y = (kernel * x).sum(), (kernel * y).sum()
            variance_x, variance_y = (kernel * (x - mean_x)**2).sum(), (kernel * (y - mean_y)**2).sum()
            covariance = (kernel * (x - mean_x) * (y - mean_y)).sum()
            values.append((2 * mean_x * mean_y + 1e-4) * (2 * covariance + 9e-4)
                          / ((mean_x**2 + mean_y**2 + 1e-4) * (variance_x + variance_y + 9e-4)))
    return np.mean(values)


@pytest.mark.parametrize(("variant", "length", "mirror"), [("gaussian-3", 3, True), ("gaussian-11", 11, False)])
def test_ssim_is_the_mean_over_windows(variant, length, mirror):
    expected = [by_windows(x[0], y[0], length, mirror) for x, y in zip(FIRST, SECOND, strict=True)]

    assert ssim(FIRST, SECOND, variant) == pytest.approx(expected, rel=1e-9)


def test_an_image_is_like_itself():
    assert ssim(FIRST, FIRST) == pytest.approx([1, 1])


def test_images_smaller_than_the_window_are_refused():
    with pytest.raises(ValueError, match="at least 11 x 11"):
        ssim(FIRST[..., :8], SECOND[..., :8], "gaussian-11")


def test_stretching_takes_brightness_and_contrast_away():
    assert stretched(3 * FIRST + 2) == pytest.approx(stretched(FIRST))
    assert stretched(np.full((1, 1, 3, 3), 0.4)).max() == 0
