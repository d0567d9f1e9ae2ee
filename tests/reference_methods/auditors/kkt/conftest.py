"""A classifier of odd and even digits, small enough to be trained and reconstructed from in a second."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from attrs import frozen
from sklearn.datasets import load_digits

from harness import AuditCase, Dataset, Examples, ForgetRequest, Signals

HIDDEN = 60
TRAIN = 24


@frozen
class DenseModel:
    """A ReLU network of two layers, as a harness model."""

    weights: Mapping[str, np.ndarray]

    def parameters(self):
        return dict(self.weights)

    def with_parameters(self, parameters):
        return DenseModel(dict(parameters))

    def logits(self, inputs):
        hidden = inputs.reshape(len(inputs), -1) @ self.weights["hidden1.weight"].T + self.weights["hidden1.bias"]
        return (np.maximum(hidden, 0) @ self.weights["output.weight"].T).astype(np.float32)


def trained(inputs, labels, *, seed, epochs=1500, rate=0.5, first_scale=1e-3):
    """Return a model trained by gradient descent on the cross-entropy from a small start."""
    generator = torch.Generator().manual_seed(seed)
    images, targets = torch.tensor(inputs.reshape(len(inputs), -1)), torch.tensor(labels)
    shapes = {"hidden1.weight": (HIDDEN, images.shape[1]), "hidden1.bias": (HIDDEN,), "output.weight": (2, HIDDEN)}
    scales = {"hidden1.weight": first_scale, "hidden1.bias": first_scale, "output.weight": HIDDEN**-0.5}
    leaves = {name: (torch.randn(shape, generator=generator) * scales[name]).requires_grad_()
              for name, shape in shapes.items()}
    for _ in range(epochs):
        hidden = (images @ leaves["hidden1.weight"].T + leaves["hidden1.bias"]).relu()
        loss = torch.nn.functional.cross_entropy(hidden @ leaves["output.weight"].T, targets)
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        with torch.no_grad():
            for leaf, gradient in zip(leaves.values(), gradients, strict=True):
                leaf -= rate * gradient
    return DenseModel({name: leaf.detach().numpy() for name, leaf in leaves.items()})


@pytest.fixture(scope="session")
def data():
    """Return 24 training digits, odd or even, without their mean image."""
    digits = load_digits()
    images = ((digits.images - digits.images.mean(axis=0)) / 16)[:, None].astype(np.float32)
    labels = digits.target % 2
    return Dataset(name="digits-parity", version="1", num_classes=2, source="scikit-learn",
                   train=Examples(inputs=images[:TRAIN], labels=labels[:TRAIN]),
                   test=Examples(inputs=images[TRAIN:624], labels=labels[TRAIN:624]))


@pytest.fixture(scope="session")
def request_six(data):
    """Return the request to forget six of them."""
    return ForgetRequest(name="six", scope="sample", forget=np.arange(0, TRAIN, 4), generator="random", seed=0)


@pytest.fixture(scope="session")
def original(data):
    return trained(data.train.inputs, data.train.labels, seed=0)


@pytest.fixture(scope="session")
def oracles(data, request_six):
    kept = request_six.retain_mask(TRAIN)
    return [trained(data.train.inputs[kept], data.train.labels[kept], seed=seed) for seed in (1, 2, 3)]


@pytest.fixture(scope="session")
def make_case(data, request_six):
    """Return a function from a model, and whatever else the audit is given, to its case."""
    def make(model, request=request_six, **given):
        signals = Signals(train=model.logits(data.train.inputs), test=model.logits(data.test.inputs), digest="")
        return AuditCase(data=data, request=request, unlearned=signals, models={"unlearned": model}, seed=3, **given)
    return make
