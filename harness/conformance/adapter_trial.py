"""One adapter with one of its architectures, and a small trained model of it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from attrs import define
from numpy.typing import NDArray

from harness.conformance.outcomes import CheckSkipped
from harness.conformance.problem import CLASSES, RECIPE, SMALL_MODELS, patterns
from harness.data import Dataset, Floats
from harness.errors import BadSetting, HarnessError
from harness.models import Adapter, FitOptions, HasParameters, Model, ModelFactory, Parameters, Trainable, TrainingSet
from harness.plugins import Registry

Losses = NDArray[np.float64]


@define(kw_only=True, eq=False)
class AdapterTrial:
    """An adapter and the architecture that it is tried with.

    Attributes:
        adapter: an instance.
        registry: where architectures come from.
        model: name of the architecture; the first that builds on the patterns when empty.
    """

    adapter: Adapter
    registry: Registry
    model: str = ""

    @property
    def data(self) -> Dataset:
        """The patterns."""
        return patterns()

    @property
    def inputs(self) -> Floats:
        """A few test inputs, writable and of its own."""
        return np.array(self.data.test.inputs[:20])

    @cached_property
    def chosen(self) -> tuple[str, ModelFactory]:
        """The architecture and its factory.

        Raises:
            CheckSkipped: if the adapter has no architecture.
            HarnessError: if none of them builds, with what each says.
        """
        own = [name for name in self.registry.models if self.registry.models[name].adapter == self.adapter.name]
        if not own:
            raise CheckSkipped(f"'{self.adapter.name}' has no architecture (harness_models): it opens models and "
                               "builds none")
        # Small ones first: an adapter may also register networks that take minutes.
        names = [self.model] if self.model else sorted(own, key=lambda name: (name not in SMALL_MODELS, name))
        said = []
        for name in names:
            try:
                return name, self.factory(name, dict(SMALL_MODELS.get(name, {})))
            except BadSetting as refusal:
                said.append(f"'{name}': {refusal}")
        raise HarnessError(f"none of the architectures of '{self.adapter.name}' can be built on {CLASSES} classes of "
                           f"12 x 12 images; {'; '.join(said)}")

    def factory(self, name: str, settings: dict[str, Any]) -> ModelFactory:
        """Return a factory of the architecture ``name`` for the patterns."""
        return self.adapter.factory(self.registry.models[name], self.data.input_shape, CLASSES, settings, "cpu")

    def build(self, seed: int = 1) -> Model:
        """Return a fresh model."""
        return self.chosen[1].build(seed)

    @property
    def training_set(self) -> TrainingSet:
        """The patterns' training set, in writable arrays."""
        train = self.data.train
        return TrainingSet(inputs=np.array(train.inputs), targets=np.array(train.labels))

    def fit(self, model: Model, data: TrainingSet, options: FitOptions = RECIPE, seed: int = 2,
            mask: Parameters | None = None) -> Model:
        """Return ``model`` trained.

        Raises:
            CheckSkipped: if the adapter refuses an option.
        """
        if not isinstance(model, Trainable):
            raise CheckSkipped(f"{type(model).__name__} has no fit")
        try:
            return model.fit(data, options, seed, mask)
        except BadSetting as refusal:
            raise CheckSkipped(f"the adapter refuses it: {refusal}") from refusal

    @cached_property
    def trained(self) -> Model:
        """A trained model, or a fresh one where there is no fit."""
        fresh = self.build()
        if not isinstance(fresh, Trainable):
            return fresh
        try:
            return self.fit(fresh, self.training_set)
        except CheckSkipped:
            # Some frameworks train in their own way and take no recipe but this.
            return self.fit(fresh, self.training_set, FitOptions(epochs=1))


def losses(model: Model, data: TrainingSet) -> Losses:
    """Return (N,) weighted cross-entropies, in double precision."""
    logits = np.asarray(model.logits(data.inputs), dtype=np.float64)
    logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    targets = data.targets if data.targets.ndim == 2 else np.eye(CLASSES)[data.targets]
    result: Losses = -(targets * logs).sum(axis=1)
    return result if data.weights is None else result * data.weights


def parameters(model: Model) -> Parameters:
    """Return the model's parameters.

    Raises:
        CheckSkipped: if it shows none.
    """
    if not isinstance(model, HasParameters):
        raise CheckSkipped(f"{type(model).__name__} shows no parameters to compare")
    return model.parameters()
