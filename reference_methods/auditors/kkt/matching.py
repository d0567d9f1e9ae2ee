"""Find each image's nearest candidate, by correlation of pixels or of whitened pixels."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Of the mean variance of a pixel: directions that vary less than this tell images apart by noise alone.
_RIDGE = 0.01


@frozen(kw_only=True, eq=False)
class Matches:
    """The nearest candidate of each image.

    Attributes:
        candidate: (N,) index into the bank.
        correlation: (N,) Pearson correlation with it.
    """

    candidate: NDArray[np.int64]
    correlation: Array


def nearest(images: Array, bank: Array) -> Matches:
    """Return the nearest of ``bank`` (M, D) to each of ``images`` (N, D); the first of equals.

    An image or candidate without contrast correlates with nothing: 0.

    Raises:
        ValueError: if the bank is empty.

    Source: the distance of the published code, between images standardised one by one, is 2 - 2 * correlation.
    """
    if len(bank) == 0:
        raise ValueError("nearest: the bank has no candidates")
    correlations = standardised(images) @ standardised(bank).T
    candidate = correlations.argmax(axis=1)
    return Matches(candidate=candidate, correlation=correlations[np.arange(len(images)), candidate])


def standardised(images: Array) -> Array:
    """Return (N, D) rows of mean 0 and norm 1; rows without contrast become 0."""
    centred = images - images.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    # Rounding leaves a constant image with a norm of about 1e-16 of its size instead of 0.
    tiny = 1e-12 * np.abs(images).max(axis=1, keepdims=True, initial=0.0)
    standard: Array = np.divide(centred, norms, out=np.zeros_like(centred), where=norms > tiny)
    return standard


@frozen(kw_only=True, eq=False)
class Whitening:
    """Coordinates in which public images have unit variance in every direction.

    Images of one kind share a few directions in which all of them vary most; there, any image lies near some candidate.
    After whitening, every direction counts the same, and what only one image has counts as much as what all have.

    Attributes:
        mean: (D,) of the public images.
        matrix: (D, D) from pixels to coordinates.
    """

    mean: Array
    matrix: Array

    def view(self, images: Array) -> Array:
        """Return (N, D) coordinates of images (N, D), without the mean image."""
        coordinates: Array = (images - self.mean) @ self.matrix
        return coordinates


def whitening(public: Array) -> Whitening:
    """Return the whitening of ``public`` images (P, D).

    Raises:
        ValueError: if there are fewer than two.
    """
    if len(public) < 2:
        raise ValueError(f"whitening: {len(public)} public images; expected at least 2")
    variances, directions = np.linalg.eigh(np.cov(public, rowvar=False))
    ridge = _RIDGE * max(variances.mean(), np.finfo(float).tiny)
    return Whitening(mean=public.mean(axis=0), matrix=directions / np.sqrt(np.maximum(variances, 0) + ridge))


def explained_shares(images: Array, basis: Array, white: Whitening) -> Array:
    """Return (N,) shares in [0, 1] of the squared length of images (N, D) that ``basis`` (r, D) spans, both whitened.

    An image that gradient descent has seen lies in the span of the first layer's weights, but for what the start was.
    The mean image is left in: the span holds the images as the network sees them.
    """
    coordinates = images @ white.matrix
    orthonormal = np.linalg.qr((basis @ white.matrix).T)[0]
    squares = np.square(coordinates).sum(axis=1)
    shares: Array = np.divide(np.square(coordinates @ orthonormal).sum(axis=1), squares, out=np.zeros_like(squares),
                              where=squares > 0)
    return shares
