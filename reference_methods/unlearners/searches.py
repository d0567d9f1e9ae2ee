"""What searches for adversarial examples share: their result, their state and the model they ask."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from attrs import define, frozen
from numpy.typing import NDArray

from harness import Examples, Model
from harness.data import Booleans, Floats, Integers
from harness.models import InputDifferentiable


@frozen(kw_only=True, eq=False)
class AdversarialSet:
    """D_A: row i belongs to row i of the attacked examples.

    Attributes:
        inputs: (K, ...) float32; the clean input where nothing was found.
        labels: (K,) what the model says about ``inputs``; the true label where nothing was found.
        found: (K,) bool, whether the label is wrong, as it should be.
        already: (K,) bool, whether the clean input was misclassified: it is its own example, at distance 0.
        distance: (K,) L2 distance from the clean input.
        radius: (K,) the bound within which the example was sought.
        gradient_evaluations: number of input gradients computed, over all samples.
    """

    inputs: Floats
    labels: Integers
    found: Booleans
    already: Booleans
    distance: Floats
    radius: Floats
    gradient_evaluations: int

    @property
    def facts(self) -> Mapping[str, float]:
        """What a row should tell: failure rate, share already misclassified, median distance, gradients."""
        facts = {
            "attack failure rate": float(1 - self.found.mean()),
            "already misclassified share": float(self.already.mean()),
            "gradient evaluations": float(self.gradient_evaluations),
        }
        if self.found.any():
            facts["median delta"] = float(np.median(self.distance[self.found]))
        return facts


@runtime_checkable
class Attackable(Model, InputDifferentiable, Protocol):
    """What an attack needs of a model."""


@define
class Oracle:
    """The model's input gradients and predictions, counted and in batches."""

    model: Attackable
    batch_size: int
    evaluations: int = 0

    def __call__(self, inputs: Floats, labels: Integers) -> tuple[Floats, Integers]:
        """Return (n, ...) gradients of the cross-entropy and (n,) predicted classes.

        Raises:
            ValueError: if the model returns NaN, whose largest logit would pass for a changed mind.
        """
        gradients, predictions = np.empty_like(inputs), np.empty(len(inputs), dtype=np.int64)
        for start in range(0, len(inputs), self.batch_size):
            rows = slice(start, start + self.batch_size)
            gradients[rows], logits = self.model.input_gradients(inputs[rows], labels[rows])
            if np.isnan(logits).any():
                raise ValueError("the attacked model returns NaN; it cannot be unlearned with adversarial examples")
            predictions[rows] = logits.argmax(axis=1)
        self.evaluations += len(inputs)
        return gradients, predictions

    def predict(self, inputs: Floats) -> Integers:
        """Return (n,) predicted classes, without gradients."""
        batches = range(0, len(inputs), self.batch_size)
        logits = [self.model.logits(inputs[start:start + self.batch_size]) for start in batches]
        predictions: Integers = np.concatenate(logits).argmax(axis=1)
        return predictions


@define
class Search:
    """The state of one search: one row per sample."""

    clean: Examples
    already: Booleans
    inputs: Floats
    labels: Integers
    found: Booleans
    radius: Floats

    @classmethod
    def begin(cls, clean: Examples, predictions: Integers) -> Search:
        """Return a search in which the misclassified samples are done."""
        already = predictions != clean.labels
        return cls(clean, already, clean.inputs.copy(), predictions.copy(), already.copy(),
                   np.zeros(len(clean), dtype=np.float32))

    def record(self, rows: Integers, points: Floats, labels: Integers, radius: NDArray[Any]) -> None:
        """Keep ``points`` as the examples of ``rows``."""
        self.inputs[rows], self.labels[rows], self.radius[rows], self.found[rows] = points, labels, radius, True

    def result(self, evaluations: int) -> AdversarialSet:
        """Return the adversarial set, in the order of the clean examples."""
        return AdversarialSet(
            inputs=self.inputs, labels=self.labels, found=self.found, already=self.already,
            distance=norms(self.inputs - self.clean.inputs), radius=self.radius, gradient_evaluations=evaluations)


def norms(arrays: NDArray[Any]) -> Floats:
    """Return the L2 norm of each row."""
    flat: Floats = np.linalg.norm(arrays.reshape(len(arrays), math.prod(arrays.shape[1:])), axis=1)
    return flat
