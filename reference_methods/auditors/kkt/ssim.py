"""Structural similarity of two small images, in the two variants that reconstruction papers mean by "SSIM"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Variant = Literal["gaussian-3", "gaussian-11"]

# Window length and standard deviation: kornia's with window 3, and that of Wang et al. 2004.
_WINDOWS: dict[Variant, tuple[int, float]] = {"gaussian-3": (3, 1.5), "gaussian-11": (11, 1.5)}


def ssim(first: Array, second: Array, variant: Variant = "gaussian-3") -> Array:
    """Return (N,) mean structural similarities of images (N, C, H, W) with values in [0, 1].

    ``gaussian-3`` is kornia's function with window 3, which the published code calls: borders are mirrored, and the map
    keeps the size of the image. ``gaussian-11`` has the window and the valid area of Wang et al. 2004.

    Raises:
        ValueError: if the shapes differ or are smaller than the window.
    """
    length, sigma = _WINDOWS[variant]
    if first.shape != second.shape or first.ndim != 4 or min(first.shape[2:]) < length:
        raise ValueError(f"ssim: shapes {first.shape} and {second.shape}; expected (N, C, H, W) twice, with images of "
                         f"at least {length} x {length}")
    mean = _blur(length, sigma, mirror=variant == "gaussian-3")
    mean_1, mean_2 = mean(first), mean(second)
    variance_1, variance_2 = mean(first**2) - mean_1**2, mean(second**2) - mean_2**2
    covariance = mean(first * second) - mean_1 * mean_2
    c_1, c_2 = 0.01**2, 0.03**2
    similarity = ((2 * mean_1 * mean_2 + c_1) * (2 * covariance + c_2)
                  / ((mean_1**2 + mean_2**2 + c_1) * (variance_1 + variance_2 + c_2)))
    averaged: Array = similarity.mean(axis=(1, 2, 3))
    return averaged


def stretched(images: Array) -> Array:
    """Return images (N, C, H, W) scaled one by one to [0, 1]; constant images become 0.

    The published evaluation does this to both images, so SSIM is blind to brightness and contrast.
    """
    low = images.min(axis=(1, 2, 3), keepdims=True)
    reach = images.max(axis=(1, 2, 3), keepdims=True) - low
    scaled: Array = np.divide(images - low, reach, out=np.zeros_like(images), where=reach > 0)
    return scaled


def _blur(length: int, sigma: float, mirror: bool) -> Callable[[Array], Array]:
    offsets = np.arange(length) - length // 2
    weights = np.exp(-offsets**2 / (2 * sigma**2))
    weights /= weights.sum()

    def blur(images: Array) -> Array:
        if mirror:
            reach = length // 2
            images = np.pad(images, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="reflect")
        for axis in (2, 3):
            images = np.lib.stride_tricks.sliding_window_view(images, length, axis=axis) @ weights
        return images

    return blur
