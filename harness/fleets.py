"""Many models of one architecture, trained together as far as memory allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from harness.data import Booleans
from harness.digests import derive_seed
from harness.memory import available_memory
from harness.models import FitOptions, FleetTrainable, HasParameters, Model, ModelFactory, Trainable, TrainingSet

# Of the memory that is free, a fleet may take a share; the rest is for data, logits and the workers beside.
FLEET_SHARE = 0.25
# Initial and trained values, gradient, momentum, and a stack of the last three while it is trained.
FLEET_COPIES = 6
# As a method composes it, as the adapter takes it, and joined with those of the other models.
DATA_COPIES = 3


@frozen(kw_only=True, eq=False)
class Fleet:
    """Models to train, each on its own part of one training set, from a seed of its own.

    Attributes:
        factory: of the models.
        data: the training set.
        membership: (M, N) bool, the part of each.
        recipe: how each is trained.
        seed: of the fleet; every model's are derived from it and from its number.
    """

    factory: ModelFactory
    data: TrainingSet
    membership: Booleans
    recipe: FitOptions
    seed: int

    def train(self, at_once: int) -> Iterator[Model]:
        """Yield the trained models in order, ``at_once`` of them trained together."""
        for first in range(0, len(self.membership), at_once):
            yield from self._chunk(range(first, min(first + at_once, len(self.membership))))

    def _chunk(self, numbers: Sequence[int]) -> list[Model]:
        fresh = [self.factory.build(derive_seed(self.seed, "initialise", m)) for m in numbers]
        seeds = [derive_seed(self.seed, "fit", m) for m in numbers]
        if isinstance(self.factory, FleetTrainable):
            return self.factory.fit_many(fresh, self.data, self.membership[numbers], self.recipe, seeds)
        trained: list[Model] = []
        for model, members, own in zip(fresh, self.membership[numbers], seeds, strict=True):
            if not isinstance(model, Trainable):
                raise TypeError(f"{type(model).__name__} cannot be trained")
            rows = TrainingSet(inputs=self.data.inputs[members], targets=self.data.targets[members])
            trained.append(model.fit(rows, self.recipe, own))
        return trained


def models_at_once(factory: ModelFactory, models: int, thrift: int = 1, data: int = 0) -> int:
    """Return how many models of a fleet to hold in memory together; what each of them learns does not depend on it.

    Args:
        factory: of the models.
        models: in the fleet.
        thrift: divides the number.
        data: bytes of a training set that each model has to itself.
    """
    fresh = factory.build(0)
    size = sum(array.nbytes for array in fresh.parameters().values()) if isinstance(fresh, HasParameters) else 0
    free, needed = available_memory(), FLEET_COPIES * size + DATA_COPIES * data
    fitting = models if free is None or not needed else int(free * FLEET_SHARE / needed)
    return max(1, min(models, fitting) // thrift)
