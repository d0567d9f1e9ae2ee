"""A classifier of odd and even digits, small enough to be trained and reconstructed from in a second."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from attrs import frozen
from sklearn.datasets import load_digits

from harness import AuditCase, Dataset, Examples, ForgetRequest, Signals

HIDDEN = 100
TRAIN = 16


@frozen
class DenseModel:
    """A ReLU network with two hidden layers, as a harness model."""

    weights: Mapping[str, np.ndarray]

    def parameters(self):
        return dict(self.weights)

    def with_parameters(self, parameters):
        return DenseModel(dict(parameters))

    def logits(self, inputs):
        hidden = inputs.reshape(len(inputs), -1) @ self.weights["hidden1.weight"].T + self.weights["hidden1.bias"]
        hidden = np.maximum(hidden, 0) @ self.weights["hidden2.weight"].T
        return (np.maximum(hidden, 0) @ self.weights["output.weight"].T).astype(np.float32)


def trained(inputs, labels, *, seed, epochs=400, rate=0.5, first_scale=1e-4):
    """Return a model trained by gradient descent on the cross-entropy from a small start."""
    generator = torch.Generator().manual_seed(seed)
    images, targets = torch.tensor(inputs.reshape(len(inputs), -1)), torch.tensor(labels)
    shapes = {"hidden1.weight": (HIDDEN, images.shape[1]), "hidden1.bias": (HIDDEN,),
              "hidden2.weight": (HIDDEN, HIDDEN), "output.weight": (2, HIDDEN)}
    leaves = {name: (torch.randn(shape, generator=generator) * (
        first_scale if name.startswith("hidden1") else (3 * HIDDEN)**-0.5)).requires_grad_()
        for name, shape in shapes.items()}
    for _ in range(epochs):
        hidden = (images @ leaves["hidden1.weight"].T + leaves["hidden1.bias"]).relu()
        outputs = (hidden @ leaves["hidden2.weight"].T).relu() @ leaves["output.weight"].T
        gradients = torch.autograd.grad(torch.nn.functional.cross_entropy(outputs, targets), list(leaves.values()))
        with torch.no_grad():
            for leaf, gradient in zip(leaves.values(), gradients, strict=True):
                leaf -= rate * gradient
    return DenseModel({name: leaf.detach().numpy() for name, leaf in leaves.items()})


@pytest.fixture(scope="session")
def data():
    """Return 16 training digits, odd or even, without their mean image."""
    digits = load_digits()
    images = ((digits.images - digits.images.mean(axis=0)) / 16)[:, None].astype(np.float32)
    labels = digits.target % 2
    return Dataset(name="digits-parity", version="1", num_classes=2, source="scikit-learn",
                   train=Examples(inputs=images[:TRAIN], labels=labels[:TRAIN]),
                   test=Examples(inputs=images[24:624], labels=labels[24:624]))


@pytest.fixture(scope="session")
def request_four(data):
    """Return the request to forget four of them."""
    return ForgetRequest(name="four", scope="sample", forget=np.arange(0, TRAIN, 4), generator="random", seed=0)


@pytest.fixture(scope="session")
def original(data):
    return trained(data.train.inputs, data.train.labels, seed=0)


@pytest.fixture(scope="session")
def oracles(data, request_four):
    kept = request_four.retain_mask(TRAIN)
    return [trained(data.train.inputs[kept], data.train.labels[kept], seed=seed) for seed in (1, 2, 3)]


@pytest.fixture(scope="session")
def make_case(data, request_four):
    """Return a function from a model, and whatever else the audit is given, to its case."""
    def make(model, request=request_four, **given):
        signals = Signals(train=model.logits(data.train.inputs), test=model.logits(data.test.inputs), digest="")
        return AuditCase(data=data, request=request, unlearned=signals, models={"unlearned": model}, seed=3, **given)
    return make
