"""A problem small enough to try a plugin on: blurred patterns, a network of a registered adapter, its oracles.

The patterns are 12 x 12 images in [0, 1], so that convolutions and adversarial searches work on them. A fifth of the
labels is wrong, and there are as many pixels as images, so that every model knows its training set by heart: an
audit has something to find.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from typing import Any

import numpy as np
from attrs import define, field

from harness.data import Dataset, Examples
from harness.digests import derive_seed
from harness.errors import HarnessError
from harness.models import FLEETS, FitOptions, HasParameters, Model, ModelFactory, Trainable, TrainingSet
from harness.plugins import DISTRIBUTION, Registry
from harness.suite import PoisonSpec
from harness.tasks import Access, ForgetRequest, Scope, UnlearnTask

CLASSES = 3
SIZE = 150
FORGET = 30
RECIPE = FitOptions(epochs=60, batch_size=30, lr=0.03)
SMALL_MODELS: Mapping[str, Mapping[str, Any]] = {
    "linear": {},
    "mlp": {"hidden": [16]},
    "small-cnn": {"channels": [4, 8], "hidden": 16},
}
"""Architectures of this distribution that train in a moment, cheapest first, with settings."""

POISONS: Mapping[str, PoisonSpec] = {
    "gaussian": PoisonSpec(kind="gaussian", size=FORGET, deviation=1.0),
    "swap": PoisonSpec(kind="swap", size=FORGET, pairs=((0, 1),)),
    "trigger": PoisonSpec(kind="trigger", size=FORGET),
}
"""What is done to the patterns for audits of poisoned examples."""


@cache
def patterns() -> Dataset:
    """Return three kinds of 12 x 12 images, each a pattern with noise, a fifth of them labelled wrongly."""
    random = np.random.default_rng(0)
    centres = random.uniform(0.3, 0.7, (CLASSES, 1, 12, 12))
    parts = []
    for _ in range(2):
        truth = np.arange(SIZE) % CLASSES
        inputs = np.clip(centres[truth] + random.normal(0, 0.3, (SIZE, 1, 12, 12)), 0, 1)
        shown = np.where(random.random(SIZE) < 0.3, random.integers(CLASSES, size=SIZE), truth)
        parts.append(Examples(inputs=inputs, labels=shown))
    return Dataset(name="patterns", version="1", num_classes=CLASSES, train=parts[0], test=parts[1],
                   source="made by harness.conformance")


def request(scope: Scope, data: Dataset) -> ForgetRequest:
    """Return a request to forget some training examples at random, the poisoned ones, or the whole of class 1."""
    if scope == "class":
        return ForgetRequest(name="class-1", scope=scope, forget=np.flatnonzero(data.train.labels == 1), classes=(1,),
                             generator="class", seed=0)
    if data.poison:
        return ForgetRequest(name="poisoned", scope=scope, forget=data.poison.groups[0], generator="poisoned", seed=0)
    chosen = np.random.default_rng(1).choice(len(data.train), FORGET, replace=False)
    return ForgetRequest(name="some", scope=scope, forget=chosen, generator="random", seed=1)


@define(kw_only=True, eq=False)
class Problem:
    """The patterns and a factory of models for them; models are trained when first asked for.

    Attributes:
        model: name of the architecture.
        factory: makes its models.
        data: what they are trained and tested on.
    """

    model: str
    factory: ModelFactory
    data: Dataset = field(factory=patterns)

    @cached_property
    def original(self) -> Model:
        """A model trained on the whole training set."""
        return self.trained(np.arange(len(self.data.train)), 0)

    def trained(self, rows: Any, seed: int, inputs: Any = None, labels: Any = None) -> Model:
        """Return a model trained on ``rows`` of the training set, or of the examples given.

        Raises:
            HarnessError: if models of this architecture cannot be trained.
        """
        fresh = self.factory.build(derive_seed(seed, "initialise"))
        if not isinstance(fresh, Trainable):
            raise HarnessError(f"models of '{self.model}' cannot be trained, so there is nothing to unlearn or audit")
        inputs = self.data.train.inputs if inputs is None else inputs
        labels = self.data.train.labels if labels is None else labels
        return fresh.fit(TrainingSet(inputs=inputs[rows], targets=labels[rows]), RECIPE, derive_seed(seed, "fit"))

    def task(self, scope: Scope, access: Access, seed: int = 7) -> UnlearnTask:
        """Return a task with an original of its own, which a plugin may spoil without harm to the next."""
        data, wanted = self.data, request(scope, self.data)
        retain = np.flatnonzero(wanted.retain_mask(len(data.train)))
        original = self.original
        if isinstance(original, HasParameters):
            original = original.with_parameters(original.parameters())
        return UnlearnTask(original=original, forget=data.train.take(wanted.forget),
                           retain=data.train.take(retain) if access == "retain+forget" else None, request=wanted,
                           num_classes=data.num_classes, recipe=RECIPE, build=self.factory.build, seed=seed)


def problems(registry: Registry, requires: frozenset[str], model: str = "") -> Iterator[Problem]:
    """Yield problems whose models have the capabilities in ``requires``, the cheapest first.

    Args:
        registry: where adapters and architectures come from; those of other distributions come last.
        requires: names of capabilities.
        model: take this architecture and no other.
    """
    foreign = [name for name in registry.models if registry.models.find(name).owner.distribution != DISTRIBUTION]
    for name in [model] if model else [*SMALL_MODELS, *foreign]:
        if not model and name not in registry.models.entries:
            continue
        if name == "linear" and "features" in requires:
            # Its features are its inputs, which no training changes.
            continue
        architecture = registry.models[name]
        adapter = registry.adapters[architecture.adapter]
        if requires - set(FLEETS) <= adapter.capabilities:
            data = patterns()
            factory = adapter().factory(architecture, data.input_shape, data.num_classes,
                                        dict(SMALL_MODELS.get(name, {})), "cpu")
            yield Problem(model=name, factory=factory)
