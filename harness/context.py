"""Where a stage finds what it reads: data set, models, signals and reports, each read once per process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from attrs import frozen

from harness.audits import AuditReport, References, Score, Shadows, Signals
from harness.data import Booleans, Dataset, Floats
from harness.digests import digest_json
from harness.errors import DataError
from harness.isolation.levels import Isolation
from harness.models import FitOptions, HasParameters, Model, ModelFactory
from harness.plugins import Registry, load_registry
from harness.poison import poisoned
from harness.settings import structure
from harness.store import Store
from harness.subsets import subset
from harness.suite import DataSpec
from harness.tasks import ForgetRequest
from harness.training import with_aids

T = TypeVar("T")


@frozen(kw_only=True)
class Place:
    """What a worker process needs to know to execute stages: small, and plain enough to be sent anywhere.

    Attributes:
        store: folder of the artefacts.
        data_root: folder of the data sets.
        download: whether a missing data set may be fetched.
        device: where models compute.
        plugins: files given with ``--plugin``.
        isolation: how the child of every unlearning run is held; None runs methods in the worker itself.
    """

    store: Path
    data_root: Path | None = None
    download: bool = False
    device: str = "cpu"
    plugins: tuple[Path, ...] = ()
    isolation: Isolation | None = None


class Memory:
    """The values read last, by key."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.values: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of ``key``, made on first use."""
        if key not in self.values:
            self.values[key] = make()
            if len(self.values) > self.size:
                self.values.popitem(last=False)
        self.values.move_to_end(key)
        value: T = self.values[key]
        return value


class Context:
    """The artefacts of one store, read through their stage keys.

    Attributes:
        place, registry, store: where everything is.
        thrift: divides the number of models that a stage holds in memory at a time.
    """

    def __init__(self, place: Place, registry: Registry | None = None, *, thrift: int = 1) -> None:
        self.place = place
        self.registry = registry or load_registry(place.plugins)
        self.store = Store(place.store)
        self.thrift = thrift
        self._memory, self._shadows = Memory(64), Memory(1)

    def thrifty(self) -> Context:
        """Forget everything read so far and return a context for a stage that has run out of memory."""
        self._memory, self._shadows = Memory(64), Memory(1)
        return Context(self.place, self.registry, thrift=2 * self.thrift)

    def keep(self, data: Dataset) -> None:
        """Use a data set that has been read already wherever a stage asks for it."""
        self._memory.get(("data", data.digest), lambda: data)

    def dataset(self, spec: Mapping[str, Any]) -> Dataset:
        """Return the data set of a stage.

        Raises:
            DataError: if it is not the one that the plan was made for.
        """
        def load() -> Dataset:
            given = {key: value for key, value in spec.items() if key != "digest"}
            loaded = load_dataset(self.registry, structure(given, DataSpec, "data"), self.place)
            if spec["digest"] != loaded.digest:
                raise DataError(f"data set '{loaded.name}' has changed since the plan was made")
            return loaded
        return self._memory.get(("data", spec["digest"]), load)

    def factory(self, spec: Mapping[str, Any], data: Dataset) -> ModelFactory:
        """Return the factory of a stage's models."""
        def make() -> ModelFactory:
            adapter = self.registry.adapters[spec["adapter"]]()
            architecture = self.registry.models[spec["architecture"]]
            return adapter.factory(architecture, data.input_shape, data.num_classes, spec["settings"],
                                   self.place.device)
        return self._memory.get(("factory", digest_json(dict(spec)), data.input_shape), make)

    def recipe(self, spec: Mapping[str, Any]) -> FitOptions:
        """Return the training options of a stage."""
        return with_aids(structure(dict(spec), FitOptions, "recipe"), self.registry.aids)

    def model(self, key: str, factory: ModelFactory) -> Model:
        """Return the model that the stage ``key`` made; one without parameters is made again."""
        def load() -> Model:
            empty = factory.build(0)
            if not isinstance(empty, HasParameters):
                from harness.stages import make_again

                return make_again(self.store.manifest(key), self)
            return empty.with_parameters(self.store.arrays(key, "weights"))
        return self._memory.get(("model", key), load)

    def signals(self, key: str) -> Signals:
        """Return the logits of the model that the stage ``key`` made."""
        def load() -> Signals:
            arrays = self.store.arrays(key, "signals")
            return Signals(train=arrays["train"], test=arrays["test"], digest=key)
        return self._memory.get(("signals", key), load)

    def request(self, key: str) -> ForgetRequest:
        """Return the forget request that the stage ``key`` made."""
        return self._memory.get(("request", key), lambda: stored_request(self.store, key))

    def references(self, keys: Sequence[str]) -> References:
        """Return the references of several blocks together."""
        def load() -> References:
            blocks = [self.store.arrays(key, "signals") for key in keys]
            membership: Booleans = np.concatenate([block["membership"] for block in blocks])
            return References(logits=np.concatenate([block["logits"] for block in blocks]),
                              membership=membership, digest=digest_json(list(keys)))
        return self._memory.get(("references", *keys), load)

    def shadows(self, spec: Mapping[str, Any]) -> Shadows:
        """Return both sides of shadows; where the spec has a seed, dealt out anew from both together."""
        def side(keys: Sequence[str]) -> Floats:
            return np.concatenate([self.store.arrays(key, "signals")["logits"] for key in keys])

        def load() -> Shadows:
            unlearned, retrained = side(spec["unlearned"]), side(spec["retrained"])
            if spec["deal"] is not None:
                everybody = np.concatenate([unlearned, retrained])
                order = np.random.default_rng(spec["deal"]).permutation(len(everybody))
                unlearned, retrained = np.split(everybody[order], [len(unlearned)])
            return Shadows(unlearned=unlearned, retrained=retrained)
        # Large, and read by the audits of one method after another.
        return self._shadows.get(("shadows", digest_json(dict(spec))), load)

    def report(self, key: str) -> AuditReport:
        """Return the report that the audit stage ``key`` made."""
        manifest = self.store.manifest(key)
        arrays = self.store.arrays(key, "samples") if "samples.safetensors" in manifest.files else {}
        scores = tuple(structure(score, Score, "score") for score in manifest.report["scores"])
        return AuditReport(scores=scores, per_sample=arrays, notes=manifest.report["notes"])


def stored_request(store: Store, key: str) -> ForgetRequest:
    """Return the forget request whose artefact is ``key``."""
    report, arrays = store.manifest(key).report, store.arrays(key, "forget")
    return ForgetRequest(name=report["name"], scope=report["scope"], classes=tuple(report["classes"]),
                         generator=report["generator"], seed=report["seed"], **arrays,
                         earlier_classes=tuple(report.get("earlier_classes", ())))


def load_dataset(registry: Registry, spec: DataSpec, place: Place) -> Dataset:
    """Return the data set that a suite names, cut to the sizes that it asks for, and poisoned where it says so."""
    return poisoned(subset(registry.dataset(spec.name).load(place.data_root, place.download), spec), spec.poison)
