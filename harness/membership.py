"""Who is in which reference model."""

from __future__ import annotations

import numpy as np

from harness.data import Booleans


def balanced_halves(models: int, size: int, seed: int) -> Booleans:
    """Return (models, size) bool: every column and, but for rounding, every row is half True.

    Columns are balanced exactly, so that every example is in as many references as it is out of (the ``keep``
    matrix of LiRA and RMIA). Rows are balanced too, unlike in the published code, so that all references are
    trained on equally many examples: columns come in pairs, the second the complement of the first.

    Raises:
        ValueError: if ``models`` is odd or below two.
    """
    if models < 2 or models % 2:
        raise ValueError(f"balanced halves need an even number of models, got {models}")
    generator = np.random.default_rng(seed)
    order = generator.permutation(size)
    half = np.arange(models) < models // 2
    membership = np.empty((models, size), dtype=bool)
    for first in range(0, size, 2):
        column = generator.permutation(half)
        membership[:, order[first]] = column
        if first + 1 < size:
            membership[:, order[first + 1]] = ~column
    return membership
