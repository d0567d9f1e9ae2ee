"""Sequences of requests in a record: the cells of one step, and means over the steps.

The requests of a sequence are its steps, put to one model one after the other (`harness.suite.RequestSpec.sequence`).
Steps differ by more than chance, since forgetting wears a model down; so every score is also given step by step, and
the interval of its mean is one over originals, sequences and runs, never over steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from harness.record import CellRecord
from harness.settings import Settings

Array = NDArray[np.float64]


def sequence_length(suite: Settings) -> int:
    """Return how many steps a sequence of a recorded suite has; 1 where every request is put to the original."""
    return int(suite.get("requests", {}).get("sequence", 1))


def step_name(name: str, step: int) -> str:
    """Return what a score is called at a step, counted from 1."""
    return f"{name} step {step}"


def at_step(cells: Sequence[CellRecord], step: int, length: int) -> list[CellRecord]:
    """Return the cells of one step, counted from 1, with the number of the sequence in place of the request's."""
    return [attrs.evolve(cell, request=cell.request // length) for cell in cells if cell.request % length == step - 1]


def over_steps(values: Array, length: int) -> Array:
    """Return (originals, sequences, runs) means over the steps of (originals, requests, runs) values.

    Where a model is missing, and with it all steps after it, the values are returned as they are.
    """
    originals, requests, runs = values.shape
    if np.isnan(values).any():
        return values
    means: Array = values.reshape(originals, requests // length, length, runs).mean(axis=2)
    return means
