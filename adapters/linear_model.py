"""Softmax regression in NumPy: a model with every capability but PyTorch's, which trains in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from adapters.array_training import Stack, StackTask, train_stack
from adapters.arrays import flat, soft_targets, softmax
from adapters.linear_gradients import BIAS, WEIGHT, stack_gradients
from harness.data import Booleans, Floats, Integers
from harness.models import FitOptions, Parameters, TrainingSet, one_hot


class LinearModel:
    """``logits = W x + b`` with W (C, D) and b (C,); it never changes."""

    def __init__(self, weight: Floats, bias: Floats) -> None:
        """Take over (C, D) weights and (C,) biases, which nobody else may change from now on."""
        self._arrays: Stack = {WEIGHT: np.asarray(weight, np.float32), BIAS: np.asarray(bias, np.float32)}

    def logits(self, inputs: Floats) -> Floats:
        """Return (N, C) float32 logits."""
        with np.errstate(over="ignore", invalid="ignore"):
            logits: Floats = flat(inputs) @ self._arrays[WEIGHT].T + self._arrays[BIAS]
        return logits

    def features(self, inputs: Floats) -> Floats:
        """Return (N, D) float32: the inputs themselves, flattened."""
        return flat(inputs).copy()

    def loss_gradients(self, data: TrainingSet, batch_size: int = 256) -> Parameters:
        """Return the gradient of the mean weighted loss over ``data``; it takes one batch, whatever ``batch_size``."""
        weights = np.ones(len(data), dtype=np.float32) if data.weights is None else data.weights
        gradients = stack_gradients({name: values[None] for name, values in self._arrays.items()},
                                    flat(data.inputs)[None], soft_targets(data, len(self._arrays[BIAS]))[None],
                                    weights[None])
        return {name: values[0] for name, values in gradients.items()}

    def input_gradients(self, inputs: Floats, labels: Integers) -> tuple[Floats, Floats]:
        """Return the gradient (N, ...) of each example's own cross-entropy, and the (N, C) logits.

        Raises:
            ValueError: if there are not as many labels as inputs.
        """
        if len(inputs) != len(labels):
            raise ValueError(f"input_gradients: {len(inputs)} inputs but {len(labels)} labels")
        logits = self.logits(inputs)
        slope = softmax(logits) - one_hot(np.asarray(labels, dtype=np.int64), logits.shape[1])
        gradients: Floats = np.matmul(slope, self._arrays[WEIGHT])
        return gradients.reshape(np.shape(inputs)), logits

    def parameters(self) -> Parameters:
        """Return copies of weights and biases by name."""
        return {name: values.copy() for name, values in self._arrays.items()}

    def with_parameters(self, parameters: Parameters) -> LinearModel:
        """Return a new model with ``parameters``.

        Raises:
            ValueError: if names or shapes are not those of ``parameters()``.
        """
        self._check("with_parameters", parameters, complete=True)
        return LinearModel(np.array(parameters[WEIGHT]), np.array(parameters[BIAS]))

    def fit(self, data: TrainingSet, options: FitOptions, seed: int, mask: Parameters | None = None) -> LinearModel:
        """Return a new model trained from this one's parameters.

        Args:
            data: what to minimise over.
            options: how; augmentation and Lipschitz bounds are for networks.
            seed: decides data order.
            mask: boolean arrays by parameter name; entries that are False stay bit-identical.

        Raises:
            BadSetting: if an option does not fit.
            ValueError: if there is no data, or ``data`` or ``mask`` do not fit the model.
        """
        if len(data) == 0:
            raise ValueError("fit: the training set is empty")
        self._check("mask", mask or {}, complete=False)
        allowed = {name: np.asarray(values, dtype=bool) for name, values in (mask or {}).items()}
        return stacked([self], data, np.arange(len(data))[None], options, [seed], allowed)[0]

    def _check(self, where: str, given: Mapping[str, NDArray[Any]], *, complete: bool) -> None:
        missing = sorted(set(self._arrays) - set(given)) if complete else []
        unknown = sorted(set(given) - set(self._arrays))
        if missing or unknown:
            raise ValueError(f"{where}: missing {missing or 'none'}, unknown {unknown or 'none'}")
        for name, own in self._arrays.items():
            if name in given and np.shape(given[name]) != own.shape:
                raise ValueError(f"{where}: '{name}' has shape {np.shape(given[name])}, expected {own.shape}")


def stacked(models: Sequence[LinearModel], data: TrainingSet, rows: Integers, options: FitOptions,
            seeds: Sequence[int], mask: Mapping[str, Booleans] | None = None) -> list[LinearModel]:
    """Return M new models, the m-th trained from ``models[m]`` on the rows ``rows[m]`` (n,) of ``data``."""
    stack = {name: np.stack([model._arrays[name] for model in models]) for name in (WEIGHT, BIAS)}
    task = StackTask(adapter="linear", gradients=stack_gradients, num_classes=stack[BIAS].shape[1], data=data,
                     options=options)
    trained = train_stack(task, stack, rows, seeds, mask)
    return [LinearModel(weight, bias) for weight, bias in zip(trained[WEIGHT], trained[BIAS], strict=True)]


@frozen(kw_only=True)
class LinearFactory:
    """Softmax regression on inputs of one shape."""

    input_shape: tuple[int, ...]
    num_classes: int
    scale: float

    def build(self, seed: int) -> LinearModel:
        """Return a model drawn uniformly from +-scale/sqrt(D), as ``torch.nn.Linear`` draws; the seed decides it."""
        size = int(np.prod(self.input_shape))
        bound = self.scale / np.sqrt(size)
        draws = np.random.default_rng(seed).uniform(-bound, bound, (self.num_classes, size + 1)).astype(np.float32)
        return LinearModel(draws[:, :size].copy(), draws[:, size].copy())

    def fit_many(self, models: Sequence[LinearModel], data: TrainingSet, membership: Booleans, options: FitOptions,
                 seeds: Sequence[int]) -> list[LinearModel]:
        """Return M new models, the m-th trained from ``models[m]`` on the rows of ``data`` in ``membership[m]``.

        Raises:
            ValueError: if the lengths do not agree, or a model would have no rows.
            BadSetting: if an option does not fit.
        """
        membership = np.asarray(membership, dtype=bool)
        if membership.shape != (len(models), len(data)) or len(seeds) != len(models):
            raise ValueError(f"fit_many: {len(models)} models and {len(data)} rows, but membership is "
                             f"{membership.shape} and there are {len(seeds)} seeds")
        sizes = membership.sum(axis=1)
        if not sizes.all():
            raise ValueError(f"fit_many: model {int(sizes.argmin())} has no rows")
        trained: dict[int, LinearModel] = {}
        for size in np.unique(sizes):
            # Equally many rows: the models of a stack share every step's batch size.
            group = np.flatnonzero(sizes == size).tolist()
            rows = np.nonzero(membership[group])[1].reshape(len(group), size)
            done = stacked([models[m] for m in group], data, rows, options, [seeds[m] for m in group])
            trained.update(zip(group, done, strict=True))
        return [trained[m] for m in range(len(models))]
