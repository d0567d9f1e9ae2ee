"""From what models return to logits."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.data import Floats

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
