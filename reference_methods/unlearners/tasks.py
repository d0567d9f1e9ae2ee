"""Reading an `UnlearnTask`: declarations that methods share, and the parts of the data."""

from __future__ import annotations

from typing import Literal

import numpy as np

from harness import Access, Examples, Scope, UnlearnTask

LayerMode = Literal["train", "eval", "none"]
"""How layers such as batch norm run while weights are learned; ``none`` where nothing is learned."""

ANY_ACCESS: tuple[Access, ...] = ("retain+forget", "forget-only")
NEEDS_RETAIN: tuple[Access, ...] = ("retain+forget",)
ANY_SCOPE: tuple[Scope, ...] = ("sample", "class")
CLASS_ONLY: tuple[Scope, ...] = ("class",)


def retain_of(task: UnlearnTask) -> Examples:
    """Return the retain set.

    Raises:
        ValueError: in access mode ``forget-only``.
    """
    if task.retain is None:
        raise ValueError(f"request '{task.request.name}' gives no retain set, and this method cannot do without one; "
                         "run it in access mode 'retain+forget'")
    return task.retain


def full_training_set(task: UnlearnTask) -> Examples:
    """Return D = D_R and D_F in the order in which the original was trained on them, without what was forgotten before.

    Raises:
        ValueError: in access mode ``forget-only``.
    """
    retain = retain_of(task)
    forgotten = np.zeros(len(retain) + len(task.forget), dtype=bool)
    forgotten[task.request.forget - np.searchsorted(task.request.earlier, task.request.forget)] = True
    inputs = np.empty((len(forgotten), *task.forget.inputs.shape[1:]), dtype=np.float32)
    labels = np.empty(len(forgotten), dtype=np.int64)
    inputs[forgotten], inputs[~forgotten] = task.forget.inputs, retain.inputs
    labels[forgotten], labels[~forgotten] = task.forget.labels, retain.labels
    return Examples(inputs=inputs, labels=labels)
