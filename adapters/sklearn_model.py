"""A classifier of scikit-learn with NumPy at every boundary."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import has_fit_parameter

from adapters.arrays import flat, soft_targets
from adapters.outputs import logits_from_probabilities
from harness.data import Floats
from harness.errors import BadSetting
from harness.models import FitOptions, Parameters, TrainingSet


@frozen(kw_only=True)
class SklearnFactory:
    """One class of scikit-learn with its parameters."""

    kind: type
    parameters: Mapping[str, Any]
    num_classes: int

    def build(self, seed: int) -> UntrainedClassifier:
        """Return an untrained classifier; the seed makes no difference before it is trained."""
        return UntrainedClassifier(self)


@frozen
class UntrainedClassifier:
    """A classifier that knows nothing yet: all classes are equally likely."""

    factory: SklearnFactory

    def logits(self, inputs: Floats) -> Floats:
        """Return (N, C) zeros."""
        return np.zeros((len(inputs), self.factory.num_classes), dtype=np.float32)

    def fit(self, data: TrainingSet, options: FitOptions, seed: int,
            mask: Parameters | None = None) -> SklearnModel | UntrainedClassifier:
        """Return a trained model.

        Args:
            data: labels or soft targets; weights that are not negative, where the class takes any.
            options: ``epochs = 1`` and nothing else, since the class's own parameters say how it trains.
            seed: its ``random_state``.
            mask: must be empty.

        Raises:
            BadSetting: if an option or a parameter does not fit.
            ValueError: if the data do not fit.
        """
        if mask:
            raise ValueError("fit: a classifier of scikit-learn has no parameters that could be masked")
        if len(data) == 0:
            raise ValueError("fit: the training set is empty")
        _check(options)
        if options.epochs == 0:
            return self
        estimator = self._estimator(seed)
        rows, labels, weights = _weighted_labels(data, self.factory.num_classes)
        extra = {} if weights is None else {"sample_weight": weights}
        if extra and not has_fit_parameter(estimator, "sample_weight"):
            raise ValueError(f"fit: {type(estimator).__name__} takes no weights and no soft targets")
        with warnings.catch_warnings():
            # A suite trains for as long as it says, converged or not.
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                estimator.fit(flat(data.inputs)[rows], labels, **extra)
            except (TypeError, ValueError) as error:
                reason = str(error).splitlines()[0]
                raise BadSetting(f"{type(estimator).__name__} cannot be trained: {reason}") from error
        if not hasattr(estimator, "predict_proba"):
            raise BadSetting(f"{type(estimator).__name__} gives no probabilities with these parameters")
        return SklearnModel(estimator, self.factory.num_classes)

    def _estimator(self, seed: int) -> Any:
        estimator = self.factory.kind(**self.factory.parameters)
        if "random_state" in estimator.get_params():
            estimator.set_params(random_state=int(np.random.SeedSequence(seed).generate_state(1)[0]))
        return estimator


class SklearnModel:
    """A trained classifier."""

    def __init__(self, estimator: Any, num_classes: int) -> None:
        """Take over a fitted ``estimator`` whose classes are integers below ``num_classes``."""
        self._estimator = estimator
        self._num_classes = num_classes

    def logits(self, inputs: Floats) -> Floats:
        """Return (N, C) float32 logarithms of the probabilities; a class that was never seen has probability zero."""
        probabilities = np.zeros((len(inputs), self._num_classes))
        if len(inputs):
            probabilities[:, self._estimator.classes_] = self._estimator.predict_proba(flat(inputs))
        return logits_from_probabilities(probabilities)


def _check(options: FitOptions) -> None:
    plain = FitOptions(epochs=options.epochs)
    names = [one.name for one in attrs.fields(FitOptions)]
    other = [f"{name} = {getattr(options, name)}" for name in names if getattr(options, name) != getattr(plain, name)]
    if options.epochs > 1:
        other = [f"epochs = {options.epochs}", *other]
    if other:
        raise BadSetting("scikit-learn's classifiers are told in the model's settings how to train: "
                         f"a recipe must be epochs = 1 and nothing else, this one has {', '.join(other)}")


def _weighted_labels(data: TrainingSet, num_classes: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    """Return rows, their labels and weights; a soft target becomes one weighted row for each of its classes."""
    rows, labels = np.nonzero(soft_targets(data, num_classes))
    weights = soft_targets(data, num_classes)[rows, labels]
    if data.weights is not None:
        weights = weights * data.weights[rows]
    if (weights < 0).any():
        raise ValueError("fit: a classifier of scikit-learn takes no negative weights, so it cannot do gradient ascent")
    return rows, labels, None if (weights == 1).all() else weights
