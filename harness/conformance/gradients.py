"""Checks of gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.conformance.adapter_trial import AdapterTrial, losses
from harness.conformance.outcomes import CheckFailed, require
from harness.conformance.problem import CLASSES
from harness.models import Differentiable, HasParameters, InputDifferentiable, TrainingSet, one_hot

# Small enough for the kinks of ReLU to be rare, large enough for float32.
_STEP = 1e-2
_TOLERANCE = 0.05


def soft_set(trial: AdapterTrial, weights: NDArray[np.float64]) -> TrainingSet:
    """Return examples with soft targets and these weights."""
    targets = np.random.default_rng(3).dirichlet(np.ones(CLASSES), len(weights))
    return TrainingSet(inputs=trial.inputs[:len(weights)], targets=targets.astype(np.float32),
                       weights=weights.astype(np.float32))


def check_loss_gradients_are_slopes(trial: AdapterTrial) -> None:
    """``loss_gradients`` is the gradient of the mean loss, with soft targets and signed weights."""
    model, data = trial.build(), soft_set(trial, np.linspace(-0.5, 1.5, 20))
    if not (isinstance(model, Differentiable) and isinstance(model, HasParameters)):
        raise CheckFailed(f"{type(model).__name__} has no loss_gradients, or no parameters for them")
    start, gradients = model.parameters(), model.loss_gradients(data)
    wrong = sorted(name for name in gradients if name not in start or start[name].shape != gradients[name].shape)
    require(not wrong, f"gradients {', '.join(wrong)} have no parameter of that name and shape")

    def loss(step: float) -> NDArray[np.float64]:
        moved = {name: (value + step * gradients[name] / length).astype(value.dtype) if name in gradients else value
                 for name, value in start.items()}
        return np.array([losses(model.with_parameters(moved), data).mean()])

    length = float(np.sqrt(sum(np.sum(np.square(g, dtype=np.float64)) for g in gradients.values())))
    _compare(_slope(loss), np.array([length]), "the mean of w_i CE(softmax(logits(x_i)), t_i) over all examples")


def check_input_gradients_are_slopes(trial: AdapterTrial) -> None:
    """``input_gradients`` is each example's own gradient, with its logits."""
    model, inputs, labels = trial.trained, trial.inputs, trial.data.test.labels[:20]
    if not isinstance(model, InputDifferentiable):
        raise CheckFailed(f"{type(model).__name__} has no input_gradients")
    gradients, logits = model.input_gradients(inputs, labels)
    require(gradients.shape == inputs.shape, f"gradients have shape {gradients.shape}, expected {inputs.shape}")
    require(np.allclose(logits, model.logits(inputs), rtol=1e-4, atol=1e-4),
            "the logits beside the gradients are not those of logits()")
    lengths = np.sqrt(np.sum(np.square(gradients, dtype=np.float64), axis=tuple(range(1, inputs.ndim)), keepdims=True))
    directions = gradients / np.maximum(lengths, 1e-12)

    def loss(step: float) -> NDArray[np.float64]:
        moved = (inputs + step * directions).astype(np.float32)
        return losses(model, TrainingSet(inputs=moved, targets=one_hot(labels, CLASSES)))

    _compare(_slope(loss), lengths.ravel(), "each example's own cross-entropy, summed over the batch, not averaged")


def _slope(loss: Callable[[float], NDArray[np.float64]]) -> NDArray[np.float64]:
    return (loss(_STEP) - loss(-_STEP)) / (2 * _STEP)


def _compare(measured: NDArray[np.float64], claimed: NDArray[np.float64], what: str) -> None:
    # A typical example decides: at a kink of ReLU a single one may differ.
    error = float(np.median(np.abs(measured - claimed) / np.maximum(np.abs(claimed), 1e-3)))
    require(error < _TOLERANCE,
            f"along the gradient the loss rises by {np.median(measured):.4g}, the gradient's length says "
            f"{np.median(claimed):.4g}; differentiate {what}")
