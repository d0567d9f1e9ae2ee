"""What the recipe has to deliver before absence of evidence means anything: low loss and wide margins."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@frozen(kw_only=True)
class TrainingFacts:
    """How far a model is trained on its retain set.

    Attributes:
        loss: mean cross-entropy, nats.
        margin_min, margin_median: of the label's logit less the largest other one.
        forget_margin_median: the same on the forget set.
    """

    loss: float
    margin_min: float
    margin_median: float
    forget_margin_median: float


def training_facts(logits: Array, labels: Integers, kept: NDArray[np.bool_]) -> TrainingFacts:
    """Return the facts from logits (N, C) on the training set; ``kept`` (N,) is the retain set."""
    of_label, others = _split(logits, labels)
    largest = others.max(axis=1)
    top = np.maximum(of_label, largest)
    losses = top - of_label + np.log(np.exp(of_label - top) + np.exp(others - top[:, None]).sum(axis=1))
    margins = of_label - largest
    return TrainingFacts(loss=float(losses[kept].mean()), margin_min=float(margins[kept].min()),
                         margin_median=float(np.median(margins[kept])),
                         forget_margin_median=float(np.median(margins[~kept])))


def margins(logits: Array, labels: Integers) -> Array:
    """Return (N,) margins from logits (N, C)."""
    of_label, others = _split(logits, labels)
    result: Array = of_label - others.max(axis=1)
    return result


def _split(logits: Array, labels: Integers) -> tuple[Array, Array]:
    own = np.zeros(logits.shape, dtype=bool)
    own[np.arange(len(labels)), labels] = True
    return logits[own], logits[~own].reshape(len(labels), -1)
