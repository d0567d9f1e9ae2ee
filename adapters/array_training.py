"""The training primitive on NumPy arrays: M models of one shape at once, each on its own rows.

A framework brings the gradients; order, schedule, penalty, clipping and optimizer are here. The updates are those of
``torch.optim``: the same parameters trained on the same batches end at the same place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from attrs import frozen

from adapters.arrays import soft_targets
from adapters.schedules import l1_strength, learning_rates
from harness.data import Booleans, Floats, Integers
from harness.errors import BadSetting
from harness.models import FitOptions, TrainingSet

Stack = dict[str, Floats]
"""Parameters of M models by name: (M, ...)."""

Gradients = Callable[[Stack, Floats, Floats, Floats], Stack]
"""From a stack, (M, B, ...) inputs, (M, B, C) targets and (M, B) weights to the gradient of each model's mean loss."""

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


@frozen(kw_only=True, eq=False)
class StackTask:
    """What to minimise, and how.

    Attributes:
        adapter: for errors.
        gradients: of ``w_i * CE(softmax(logits(x_i)), t_i)``, averaged over a batch.
        num_classes: C.
        data: what to minimise over.
        options: how; ``evaluation_mode`` makes no difference to models without such layers.
    """

    adapter: str
    gradients: Gradients
    num_classes: int
    data: TrainingSet
    options: FitOptions


def train_stack(task: StackTask, stack: Stack, rows: Integers, seeds: Sequence[int],
                mask: Mapping[str, Booleans] | None = None) -> Stack:
    """Return M models, the m-th trained from the m-th of ``stack`` on the rows ``rows[m]`` of the data.

    Args:
        task: what to minimise, and how.
        stack: unchanged.
        rows: (M, n) indices into the data.
        seeds: M of them; each decides the data order of its model.
        mask: arrays by parameter name; entries that are False stay bit-identical.

    Raises:
        BadSetting: if an option does not fit.
        ValueError: if the data do not fit.
    """
    options, data = task.options, task.data
    chosen = trainable_names(stack, options, task.adapter)
    inputs, targets = np.asarray(data.inputs, dtype=np.float32), soft_targets(data, task.num_classes)
    weights = np.ones(len(data), dtype=np.float32) if data.weights is None else data.weights
    trained = {name: values.copy() for name, values in stack.items()}
    optimizer = _Optimizer(trained, chosen, options)
    rates = iter(learning_rates(options, -(-rows.shape[1] // options.batch_size)))
    generators = [np.random.default_rng(seed) for seed in seeds]
    for epoch in range(options.epochs):
        orders = np.stack([generator.permutation(rows.shape[1]) for generator in generators])
        shuffled = np.take_along_axis(rows, orders, axis=1)
        for start in range(0, rows.shape[1], options.batch_size):
            batch = shuffled[:, start:start + options.batch_size]
            # Gradient ascent may diverge, and its result is a result.
            with np.errstate(over="ignore", invalid="ignore"):
                gradients = task.gradients(trained, inputs[batch], targets[batch], weights[batch])
                _change(gradients, trained, chosen, options, l1_strength(options, epoch), mask or {})
                optimizer.step(gradients, next(rates))
            for name, allowed in (mask or {}).items():
                trained[name] = np.where(allowed, trained[name], stack[name])
    return trained


def trainable_names(names: Iterable[str], options: FitOptions, adapter: str) -> list[str]:
    """Return the names of the parameters that ``options`` let change.

    Raises:
        BadSetting: if there is none, or an option asks for what only networks in PyTorch have.
    """
    if options.optimizer == "sgd" and options.nesterov and options.momentum == 0:
        raise BadSetting("nesterov needs a momentum above 0, got momentum 0")
    for option in ("augmentation", "lipschitz", "aids"):
        if getattr(options, option):
            raise BadSetting(f"adapter '{adapter}' has no {option}; leave the option '{option}' out")
    known = list(names)
    chosen = [name for name in known if not options.trainable
              or any(name == entry or name.startswith(f"{entry}.") for entry in options.trainable)]
    if not chosen:
        raise BadSetting(f"trainable = {list(options.trainable)} names no parameter; known: {', '.join(known)}")
    return chosen


def _change(gradients: Stack, stack: Stack, chosen: Sequence[str], options: FitOptions, l1: float,
            mask: Mapping[str, Booleans]) -> None:
    """Add the penalty's gradient, drop masked entries, then limit each model's norm of what is left."""
    for name in chosen:
        if l1:
            gradients[name] += np.float32(l1) * np.sign(stack[name])
        if name in mask:
            gradients[name] *= mask[name]
    if options.clip_gradient is not None:
        squares = sum(np.square(gradients[name]).reshape(len(gradients[name]), -1).sum(axis=1) for name in chosen)
        # The small constant is torch's, in clip_grad_norm_.
        factors = np.minimum(1.0, options.clip_gradient / (np.sqrt(squares) + 1e-6)).astype(np.float32)
        for name in chosen:
            gradients[name] *= factors.reshape(-1, *[1] * (gradients[name].ndim - 1))


class _Optimizer:
    """SGD or Adam; it updates the chosen arrays of a stack in place."""

    def __init__(self, stack: Stack, chosen: Sequence[str], options: FitOptions) -> None:
        self._stack, self._chosen, self._options = stack, chosen, options
        self._first = {name: np.zeros_like(stack[name]) for name in chosen}
        self._second = {name: np.zeros_like(stack[name]) for name in chosen}
        self._steps = 0

    def step(self, gradients: Stack, rate: float) -> None:
        """Make one step of learning rate ``rate``."""
        self._steps += 1
        direction = self._adam if self._options.optimizer == "adam" else self._sgd
        for name in self._chosen:
            gradient = gradients[name] + np.float32(self._options.weight_decay) * self._stack[name]
            self._stack[name] -= np.float32(rate) * direction(name, gradient)

    def _sgd(self, name: str, gradient: Floats) -> Floats:
        momentum = np.float32(self._options.momentum)
        self._first[name] = momentum * self._first[name] + gradient
        return gradient + momentum * self._first[name] if self._options.nesterov else self._first[name]

    def _adam(self, name: str, gradient: Floats) -> Floats:
        self._first[name] += np.float32(1 - _BETA1) * (gradient - self._first[name])
        self._second[name] += np.float32(1 - _BETA2) * (np.square(gradient) - self._second[name])
        spread = np.sqrt(self._second[name] / np.float32(1 - _BETA2 ** self._steps)) + np.float32(_EPSILON)
        direction: Floats = self._first[name] / np.float32(1 - _BETA1 ** self._steps) / spread
        return direction
