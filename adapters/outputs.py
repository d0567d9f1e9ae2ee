"""From what models return to logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from harness.data import Floats
from harness.errors import BadSetting

Kind = Literal["logits", "probabilities"]

FLOOR = 1e-12
"""The smallest probability that is told from zero: log 1e-12 = -27.6."""


def logits_from_probabilities(probabilities: NDArray[Any]) -> Floats:
    """Return (N, C) float32 ``log max(p, FLOOR)``, less the mean of its row.

    Softmax does not see what is taken from a row, but signals on the logits themselves do (RMIA's Taylor series).
    Networks trained with cross-entropy have rows of mean near zero, since its gradient sums to zero over classes.
    """
    logs = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), FLOOR))
    centred: Floats = (logs - logs.mean(axis=1, keepdims=True)).astype(np.float32)
    return centred


def kind_of(values: NDArray[Any]) -> Kind:
    """Return what (N, C) values are: probabilities if all are in [0, 1] and every row sums to one within 0.1 %."""
    array = np.asarray(values, dtype=np.float64)
    if len(array) == 0:
        return "logits"
    in_range = bool((array >= 0).all() and (array <= 1).all())
    return "probabilities" if in_range and bool((abs(array.sum(axis=1) - 1) < 1e-3).all()) else "logits"


def as_logits(values: NDArray[Any], kind: Kind) -> Floats:
    """Return (N, C) float32 logits from logits or probabilities."""
    return logits_from_probabilities(values) if kind == "probabilities" else np.asarray(values, dtype=np.float32)


@frozen
class Output:
    """Which of a model's outputs to read, and how."""

    name: str
    kind: Kind


def choose_output(outputs: Mapping[str, NDArray[Any]], rows: int, num_classes: int, model: str) -> Output:
    """Return the first output of shape (``rows``, ``num_classes``), logits before probabilities.

    Args:
        outputs: of one trial, by name.
        rows: number of inputs in the trial.
        num_classes: C.
        model: in words, for the error.

    Raises:
        BadSetting: if there is none, or its numbers are not finite.
    """
    fitting = {name: values for name, values in outputs.items()
               if values.shape == (rows, num_classes) and np.issubdtype(values.dtype, np.floating)}
    if not fitting:
        found = ", ".join(f"'{name}' {values.dtype} {values.shape}" for name, values in outputs.items())
        raise BadSetting(f"{model} answers {rows} inputs with {found or 'nothing'}; expected logits or probabilities "
                         f"of shape ({rows}, {num_classes})")
    kinds = {name: kind_of(values) for name, values in fitting.items()}
    name = next((name for name in kinds if kinds[name] == "logits"), next(iter(kinds)))
    if not np.isfinite(fitting[name]).all():
        raise BadSetting(f"{model} answers with NaN or infinity in '{name}'")
    return Output(name, kinds[name])


def trial_inputs(input_shape: tuple[int, ...]) -> Floats:
    """Return four inputs, zeros and noise in [0, 1), on which a model is tried when it is opened."""
    noise = np.random.default_rng(0).random((3, *input_shape), dtype=np.float32)
    return np.concatenate([np.zeros((1, *input_shape), dtype=np.float32), noise])
