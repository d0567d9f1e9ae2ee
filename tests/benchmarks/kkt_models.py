"""Networks for the experiments with reconstruction: MNIST digits, odd or even, in full-batch gradient descent.

Written out by hand because hundreds of small networks are trained, each for hundreds of epochs: this takes a third of
the time of autograd at these sizes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from attrs import evolve, frozen
from numpy.typing import NDArray
from torch import Tensor

from reference_methods.auditors.kkt.matching import Whitening, whitening
from reference_methods.auditors.kkt.network import ReluNetwork
from reference_methods.auditors.kkt.reconstruct import PixelRange
from suites.datasets import MNIST, Centred

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

RATE = 0.5
# Standard deviation of the first layer at the start. The papers have 1e-4; below it, every image that has been seen
# stands out of what is left of the start, 100 of 100 directions instead of 62.
FIRST_SCALE = 1e-6
MOST_EPOCHS = 100_000


@frozen(kw_only=True, eq=False)
class Digits:
    """Centred MNIST, odd or even.

    Attributes:
        images, labels: (N, 784) float32 and (N,) of the training set.
        test_images, test_labels: of the test set.
        unseen, public: disjoint indices into the test set: what training images are compared with, and what whitens.
    """

    images: NDArray[np.float32]
    labels: Integers
    test_images: NDArray[np.float32]
    test_labels: Integers
    unseen: Integers
    public: Integers

    def draw(self, count: int, seed: int) -> Integers:
        """Return ``count`` training indices, as many odd as even ones."""
        order = np.random.default_rng(seed).permutation(len(self.labels))
        return np.concatenate([order[self.labels[order] == label][:count // 2] for label in (0, 1)])

    @property
    def white(self) -> Whitening:
        """The whitening of the public images."""
        return whitening(self.test_images[self.public].astype(np.float64))

    @property
    def pixels(self) -> PixelRange:
        """The range of each pixel of the public images."""
        public = self.test_images[self.public]
        return PixelRange(low=torch.tensor(public.min(axis=0)), high=torch.tensor(public.max(axis=0)))


def load(root: Path, never_seen: int = 500, public: int = 4000) -> Digits:
    """Return the digits below ``root``, ``never_seen`` and ``public`` images of the test set set apart."""
    data = Centred("mnist-parity", MNIST, parity=True).load(root, download=False)
    order = np.random.default_rng(0).permutation(len(data.test))
    return Digits(images=data.train.inputs.reshape(len(data.train), -1), labels=data.train.labels,
                  test_images=data.test.inputs.reshape(len(data.test), -1), test_labels=data.test.labels,
                  unseen=order[:never_seen], public=order[never_seen:never_seen + public])


def fresh(width: int, outputs: int, seed: int, first_scale: float = FIRST_SCALE) -> ReluNetwork:
    """Return 784-width-width-outputs at the start of training, later layers as PyTorch starts them."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(rows: int, columns: int) -> Tensor:
        return (2 * torch.rand(rows, columns, generator=generator) - 1) * columns**-0.5

    first, bias = (first_scale * torch.randn(shape, generator=generator) for shape in ((width, 784), (width,)))
    return ReluNetwork(weights=(first, uniform(width, width), uniform(outputs, width)), bias=bias)


def train(start: ReluNetwork, images: NDArray[np.float32], labels: Integers, loss: float,
          epochs: int = MOST_EPOCHS) -> ReluNetwork:
    """Return ``start`` trained until its mean loss is below ``loss``, or for so many epochs."""
    inputs, targets = torch.tensor(images), torch.tensor(labels)
    first, second, third = (weight.clone() for weight in start.weights)
    bias = torch.zeros(len(first)) if start.bias is None else start.bias.clone()
    for _ in range(epochs):
        before_1 = inputs @ first.T + bias
        hidden_1 = before_1.relu()
        before_2 = hidden_1 @ second.T
        hidden_2 = before_2.relu()
        value, delta_3 = _loss(hidden_2 @ third.T, targets)
        if value < loss:
            break
        delta_2 = (delta_3 @ third) * (before_2 > 0)
        delta_1 = (delta_2 @ second) * (before_1 > 0)
        third -= RATE * delta_3.T @ hidden_2
        second -= RATE * delta_2.T @ hidden_1
        first -= RATE * delta_1.T @ inputs
        bias -= RATE * delta_1.sum(dim=0)
    return ReluNetwork(weights=(first, second, third), bias=bias)


def pruned(network: ReluNetwork, share: float, seed: int) -> ReluNetwork:
    """Return ``network`` with a random ``share`` of every weight matrix set to zero."""
    generator = torch.Generator().manual_seed(seed)
    return evolve(network, weights=tuple(weight * (torch.rand(weight.shape, generator=generator) >= share)
                                         for weight in network.weights))


def accuracy(network: ReluNetwork, images: NDArray[np.float32], labels: Integers) -> float:
    """Return the share of right predictions, in per cent."""
    margins = network.margins(torch.tensor(images), torch.tensor(labels))
    return 100 * float((margins > 0).double().mean())


def _loss(outputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
    """Return the mean logistic or cross-entropy loss, and its derivative by the outputs."""
    if outputs.shape[1] == 1:
        signs = (2 * targets - 1).to(outputs.dtype)[:, None]
        return float(torch.nn.functional.softplus(-signs * outputs).mean()), (
            -signs * torch.sigmoid(-signs * outputs) / len(outputs))
    wanted = torch.nn.functional.one_hot(targets, outputs.shape[1])
    return float(torch.nn.functional.cross_entropy(outputs, targets)), (outputs.softmax(dim=1) - wanted) / len(outputs)
