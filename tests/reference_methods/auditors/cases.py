"""Cases whose truth is known: each model's confidence in each example is given, and its logits are made from that."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness import AuditCase, Dataset, Examples, ForgetRequest, References, Signals
from harness.audits import Shadows

CLASSES = 3


def dataset(train: int, test: int, classes: int = CLASSES) -> Dataset:
    """Return examples whose input is their number and whose labels take turns."""
    parts = [Examples(inputs=np.arange(size, dtype=np.float32)[:, None], labels=np.arange(size) % classes)
             for size in (train, test)]
    return Dataset(name="numbers", version="1", num_classes=classes, train=parts[0], test=parts[1], source="a test")


def sample_request(forget: int) -> ForgetRequest:
    """Return a request to forget the first examples."""
    return ForgetRequest(name="some", scope="sample", forget=np.arange(forget), generator="random", seed=0)


def class_request(data: Dataset, label: int = 1) -> ForgetRequest:
    """Return a request to forget a class."""
    return ForgetRequest(name="class", scope="class", forget=np.flatnonzero(data.train.labels == label),
                         classes=(label,), generator="class", seed=0)


def logits(confidence: ArrayLike, labels: NDArray[np.int64], classes: int = CLASSES) -> NDArray[np.float32]:
    """Return (..., N, C) logits with log(p_y / (1 - p_y)) = ``confidence``."""
    values = np.asarray(confidence)
    made = np.full((*values.shape, classes), -np.log(classes - 1))
    np.put_along_axis(made, np.broadcast_to(labels, values.shape)[..., None], values[..., None], axis=-1)
    return made.astype(np.float32)


def signals(confidence: ArrayLike, data: Dataset) -> Signals:
    """Return the signals of a model with this confidence in each example of the pool."""
    train, labels = len(data.train), np.concatenate([data.train.labels, data.test.labels])
    made = logits(confidence, labels, data.num_classes)
    return Signals(train=made[:train], test=made[train:], digest="a model")


def references(confidence: ArrayLike, membership: NDArray[np.bool_], data: Dataset) -> References:
    """Return references with these (R, P) confidences."""
    labels = np.concatenate([data.train.labels, data.test.labels])
    return References(logits=logits(confidence, labels, data.num_classes), membership=membership, digest="references")


def shadows(unlearned: ArrayLike, retrained: ArrayLike, data: Dataset) -> Shadows:
    """Return shadows with these (S, P) confidences."""
    labels = np.concatenate([data.train.labels, data.test.labels])
    return Shadows(unlearned=logits(unlearned, labels, data.num_classes),
                   retrained=logits(retrained, labels, data.num_classes))


def halves(models: int, size: int) -> NDArray[np.bool_]:
    """Return a membership in which half of the models saw each example, in turn."""
    return (np.arange(models)[:, None] + np.arange(size)) % 2 == 0


def case(data: Dataset, request: ForgetRequest, confidence: ArrayLike, **others: Any) -> AuditCase:
    """Return a case about a model with this confidence in each example of the pool."""
    return AuditCase(data=data, request=request, unlearned=signals(confidence, data), seed=3, **others)


def scores(report: Any) -> dict[str, Any]:
    """Return a report's scores by name."""
    return {score.name: score for score in report.scores}
