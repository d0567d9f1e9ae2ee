"""The directions of the first layer that training images can have left there."""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor

from reference_methods.auditors.kkt.network import ReluNetwork

# Directions this much above the largest that n images cannot explain are taken for images.
_ABOVE_NOISE = 1.5
# Beyond this weight, faint directions (they span orders of magnitude when the start was tiny) drown the strong ones:
# from 100 MNIST digits, weights up to 100 give a whitened AUC of 0.97, unbounded ones 0.95 and bad pictures.
_LARGEST_WEIGHT = 100.0


@frozen(kw_only=True, eq=False)
class Span:
    """An orthonormal basis of what the first layer's weights have in common with the training images.

    Every gradient step adds a combination of training images to the rows of the first weight matrix, so rows less
    their (small) initial values lie in the span of at most n images: candidates need to be searched there only.

    Attributes:
        basis: (r, D) orthonormal rows.
        weights: (r,) what a squared error along each direction counts in the loss; the largest direction counts 1.
    """

    basis: Tensor
    weights: Tensor

    def network(self, network: ReluNetwork) -> ReluNetwork:
        """Return ``network`` as a function of coordinates (..., r) instead of pixels."""
        first, *rest = network.weights
        return ReluNetwork(weights=(first @ self.basis.T, *rest), bias=network.bias)


def image_span(network: ReluNetwork, train_size: int) -> Span:
    """Return the span of what about ``train_size`` images left in the first layer, largest direction first.

    A matrix of rank n plus small noise has its singular values from the n+1st on at the level of the noise; directions
    near that level are dropped. Errors along direction k are weighted with s_1 / sqrt(s_k^2 + noise^2), up to a bound:
    unweighted, the few directions that all images share drown the many that tell them apart.
    """
    _, values, basis = torch.linalg.svd(network.weights[0], full_matrices=False)
    noise = values[train_size] if train_size < len(values) else values.new_zeros(())
    kept = max(1, int((values > _ABOVE_NOISE * noise).sum()))
    weights = values[0] / (values[:kept].square() + noise.square()).sqrt()
    return Span(basis=basis[:kept], weights=weights.clamp_max(_LARGEST_WEIGHT))
