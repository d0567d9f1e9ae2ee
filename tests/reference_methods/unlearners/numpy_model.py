"""A two-layer perceptron in plain NumPy that offers the capabilities of a model: no framework is needed to unlearn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from harness import FitOptions, TrainingSet, one_hot

Arrays = dict[str, NDArray[Any]]


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Return the rows' probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@frozen(eq=False)
class NumpyModel:
    """tanh hidden layer and a linear head; inputs are flattened."""

    arrays: Arrays

    @classmethod
    def build(cls, seed: int, size: int = 2, hidden: int = 16, classes: int = 3) -> NumpyModel:
        """Return a freshly initialised model."""
        random = np.random.default_rng(seed)
        return cls({
            "hidden.weight": random.normal(0, 1.5 / np.sqrt(size), (hidden, size)).astype(np.float32),
            "hidden.bias": random.normal(0, 0.5, hidden).astype(np.float32),
            "head.weight": random.normal(0, 1 / np.sqrt(hidden), (classes, hidden)).astype(np.float32),
            "head.bias": np.zeros(classes, dtype=np.float32),
        })

    def parameters(self) -> Arrays:
        return {name: array.copy() for name, array in self.arrays.items()}

    def with_parameters(self, parameters: Mapping[str, NDArray[Any]]) -> NumpyModel:
        return NumpyModel({name: np.array(array) for name, array in parameters.items()})

    def features(self, inputs: NDArray[Any]) -> NDArray[Any]:
        flat = inputs.reshape(len(inputs), -1)
        return np.tanh(flat @ self.arrays["hidden.weight"].T + self.arrays["hidden.bias"])

    def logits(self, inputs: NDArray[Any]) -> NDArray[Any]:
        return self.features(inputs) @ self.arrays["head.weight"].T + self.arrays["head.bias"]

    def input_gradients(self, inputs: NDArray[Any],
                        labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        hidden, logits = self.features(inputs), self.logits(inputs)
        errors = softmax(logits) - one_hot(labels, logits.shape[1])
        gradients = ((errors @ self.arrays["head.weight"]) * (1 - hidden**2)) @ self.arrays["hidden.weight"]
        return gradients.reshape(inputs.shape), logits

    def loss_gradients(self, data: TrainingSet, batch_size: int = 256) -> Arrays:
        return _gradients(self, data, np.arange(len(data)))

    def fit(self, data: TrainingSet, options: FitOptions, seed: int,
            mask: Mapping[str, NDArray[Any]] | None = None) -> NumpyModel:
        model = self.with_parameters(self.arrays)
        random = np.random.default_rng(seed)
        state: dict[str, Any] = {name: (np.zeros_like(a), np.zeros_like(a)) for name, a in model.arrays.items()}
        batches = -(-len(data) // options.batch_size)
        for step in range(options.epochs * batches):
            if step % batches == 0:
                order = random.permutation(len(data))
            start = step % batches * options.batch_size
            gradients = _gradients(model, data, order[start:start + options.batch_size])
            _update(model.arrays, gradients, state, options, step, batches, mask or {})
        return model


def _gradients(model: NumpyModel, data: TrainingSet, rows: NDArray[Any]) -> Arrays:
    inputs = data.inputs[rows].reshape(len(rows), -1)
    hidden, logits = model.features(inputs), model.logits(inputs)
    targets = data.targets[rows] if data.targets.ndim == 2 else one_hot(data.targets[rows], logits.shape[1])
    weights = np.ones(len(rows)) if data.weights is None else data.weights[rows]
    errors = (softmax(logits) - targets) * weights[:, None] / len(rows)
    inner = (errors @ model.arrays["head.weight"]) * (1 - hidden**2)
    return {"hidden.weight": inner.T @ inputs, "hidden.bias": inner.sum(axis=0),
            "head.weight": errors.T @ hidden, "head.bias": errors.sum(axis=0)}


def _update(arrays: Arrays, gradients: Arrays, state: dict[str, Any], options: FitOptions, step: int, batches: int,
            mask: Mapping[str, NDArray[Any]]) -> None:
    epoch, progress = step // batches, step / (options.epochs * batches)
    lr = options.lr * {"constant": 1.0, "step": options.gamma ** (epoch // options.step_size),
                       "cosine": (1 + np.cos(np.pi * progress)) / 2, "linear": 1 - progress}[options.schedule]
    l1 = options.l1 * {"constant": 1.0, "decay": 1 - epoch / options.epochs,
                       "rise": epoch / options.epochs}[options.l1_schedule]
    for name, array in arrays.items():
        if options.trainable and not any(name == t or name.startswith(f"{t}.") for t in options.trainable):
            continue
        gradient = gradients[name] + options.weight_decay * array + l1 * np.sign(array)
        first, second = state[name]
        if options.optimizer == "adam":
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            move = first / (1 - 0.9 ** (step + 1)) / (np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8)
        else:
            first = options.momentum * first + gradient
            move = first
        state[name] = (first, second)
        moved = (array - lr * move).astype(np.float32)
        arrays[name] = np.where(mask[name], moved, array) if name in mask else moved
