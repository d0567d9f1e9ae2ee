"""What each kind of stage does: a pure function of its spec and of the artefacts that it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from harness.audits import AuditCase, AuditReport
from harness.context import Context
from harness.data import Dataset, Floats
from harness.digests import derive_seed
from harness.errors import StoreError
from harness.forget_sets import losses_from_logits, make_request
from harness.measure import measured
from harness.membership import balanced_halves
from harness.memory import available_memory
from harness.models import FitOptions, FleetTrainable, HasParameters, Model, ModelFactory, Trainable, TrainingSet
from harness.plan import Stage
from harness.settings import as_json, configure, structure
from harness.store import Manifest
from harness.suite import RequestSpec
from harness.tasks import Unlearned, UnlearnTask

Spec = Mapping[str, Any]
# Of the memory that is free, a fleet may take a share; the rest is for data, logits and the workers beside.
FLEET_SHARE = 0.25
# Initial and trained values, gradient, momentum, and a stack of the last three while it is trained.
FLEET_COPIES = 6


class BadResult(Exception):
    """A plugin returned something that is no result."""


def execute(stage: Stage, context: Context) -> Manifest:
    """Compute one stage, write its artefact to the store and return the manifest.

    Raises:
        Exception: whatever a plugin raises; the run records it as that cell's result.
    """
    with measured() as costs:
        done = _WORK[stage.kind](stage.spec, context)
    return context.store.write(stage.kind, stage.label, stage.spec, report=done.report, arrays=done.arrays,
                               measured={**costs, **done.measured, "device": context.place.device})


@frozen(kw_only=True)
class Done:
    """What a stage has made.

    Attributes:
        report: small results as JSON.
        arrays: arrays by name, by file.
        measured: costs of a part of the stage, beside those of the whole.
        model: the model that it has made, if it makes one.
    """

    report: Mapping[str, Any]
    arrays: Mapping[str, Mapping[str, NDArray[Any]]]
    measured: Mapping[str, float] = field(factory=dict)
    model: Model | None = None


def make_again(manifest: Manifest, context: Context) -> Model:
    """Return the model of a stage that the store holds without its weights, computed once more from its spec.

    Raises:
        StoreError: if its logits are no longer those in the store.
    """
    done = _WORK[manifest.stage](manifest.spec, context)
    stored = context.signals(manifest.key)
    made = done.arrays["signals"]
    # Another CPU may round otherwise; another library version, which is what this is for, gives other numbers.
    if done.model is None or not all(np.allclose(made[part], getattr(stored, part), atol=1e-3) for part in made):
        raise StoreError(f"{manifest.label}: the store has no weights of this model, and trained once more it gives "
                         "other logits than before; was a library updated? start with an empty --store")
    return done.model


def _forget(spec: Spec, context: Context) -> Done:
    data = context.dataset(spec["data"])
    losses = None
    if spec["ranking"]:
        losses = losses_from_logits(context.signals(spec["ranking"][0]).train, data.train.labels)
    generator = structure(dict(spec["generator"]), RequestSpec, "requests")
    request = make_request(generator, spec["index"], spec["seed"], data.train, data.num_classes, losses)
    request.retain_mask(len(data.train))
    report = {"name": request.name, "scope": request.scope, "classes": list(request.classes),
              "generator": request.generator, "seed": request.seed, "digest": request.digest,
              "size": len(request.forget)}
    return Done(report=report, arrays={"forget": {"forget": request.forget}})


def _train(spec: Spec, context: Context) -> Done:
    data = context.dataset(spec["data"])
    everything = np.ones(len(data.train), dtype=bool)
    return _trained(spec, context, data, everything)


def _retrain(spec: Spec, context: Context) -> Done:
    data = context.dataset(spec["data"])
    retain = context.request(spec["request"]).retain_mask(len(data.train))
    return _trained(spec, context, data, retain)


def _trained(spec: Spec, context: Context, data: Dataset, members: NDArray[np.bool_]) -> Done:
    factory = context.factory(spec["model"], data)
    rows = np.flatnonzero(members)
    training = TrainingSet(inputs=data.train.inputs[rows], targets=data.train.labels[rows])
    fresh = factory.build(derive_seed(spec["seed"], "initialise"))
    if not isinstance(fresh, Trainable):
        raise TypeError(f"{type(fresh).__name__} cannot be trained")
    model = fresh.fit(training, context.recipe(spec["recipe"]), derive_seed(spec["seed"], "fit"))
    return Done(report={"members": len(rows)}, model=model,
                arrays={"weights": _weights(model), "signals": _signals(model, data)})


def _reference(spec: Spec, context: Context) -> Done:
    data = context.dataset(spec["data"])
    factory = context.factory(spec["model"], data)
    inputs = np.concatenate([data.train.inputs, data.test.inputs])
    pool = TrainingSet(inputs=inputs, targets=np.concatenate([data.train.labels, data.test.labels]))
    membership = balanced_halves(spec["models"], len(pool), derive_seed(spec["seed"], "halves"))
    recipe = context.recipe(spec["recipe"])
    at_once = models_at_once(factory, spec["models"], context.thrift)
    logits = np.empty((spec["models"], len(pool), data.num_classes), dtype=np.float32)
    for first in range(0, spec["models"], at_once):
        chunk = range(first, min(first + at_once, spec["models"]))
        for m, model in zip(chunk, _fleet(factory, pool, membership[chunk], recipe, spec["seed"], chunk), strict=True):
            logits[m] = _checked(model.logits(inputs), len(pool), data.num_classes)
    return Done(report={"models": spec["models"]}, arrays={"signals": {"logits": logits, "membership": membership}},
                measured={"models_at_once": at_once})


def models_at_once(factory: ModelFactory, models: int, thrift: int = 1) -> int:
    """Return how many models of a fleet to hold in memory together; what each of them learns does not depend on it."""
    fresh = factory.build(0)
    size = sum(array.nbytes for array in fresh.parameters().values()) if isinstance(fresh, HasParameters) else 0
    free = available_memory()
    fitting = models if free is None or not size else int(free * FLEET_SHARE / (FLEET_COPIES * size))
    return max(1, min(models, fitting) // thrift)


def _fleet(factory: ModelFactory, pool: TrainingSet, membership: NDArray[np.bool_], recipe: FitOptions,
           seed: int, numbers: Sequence[int]) -> list[Model]:
    fresh = [factory.build(derive_seed(seed, "initialise", m)) for m in numbers]
    seeds = [derive_seed(seed, "fit", m) for m in numbers]
    if isinstance(factory, FleetTrainable):
        return factory.fit_many(fresh, pool, membership, recipe, seeds)
    trained: list[Model] = []
    for model, members, own in zip(fresh, membership, seeds, strict=True):
        if not isinstance(model, Trainable):
            raise TypeError(f"{type(model).__name__} cannot be trained")
        rows = TrainingSet(inputs=pool.inputs[members], targets=pool.targets[members])
        trained.append(model.fit(rows, recipe, own))
    return trained


def _unlearn(spec: Spec, context: Context) -> Done:
    data = context.dataset(spec["data"])
    factory = context.factory(spec["model"], data)
    request = context.request(spec["request"])
    retain = np.flatnonzero(request.retain_mask(len(data.train)))
    unlearner = configure(context.registry.unlearners[spec["method"]["name"]], spec["method"]["settings"], "method")
    task = UnlearnTask(
        original=context.model(spec["original"], factory), forget=data.train.take(request.forget),
        retain=data.train.take(retain) if spec["access"] == "retain+forget" else None, request=request,
        num_classes=data.num_classes, recipe=context.recipe(spec["recipe"]), build=factory.build, seed=spec["seed"])
    before = _weights(task.original)
    with measured() as costs:
        result = unlearner.unlearn(task)
    unlearned = result if isinstance(result, Unlearned) else Unlearned(model=result)
    if not isinstance(unlearned.model, Model):
        raise BadResult(f"unlearn returned {type(unlearned.model).__name__}, which is not a model")
    if not _same(before, _weights(task.original)):
        raise BadResult("unlearn changed the original model; it must return a new one")
    return Done(report={"facts": {name: _finite(value) for name, value in unlearned.facts.items()}},
                model=unlearned.model,
                arrays={"weights": _weights(unlearned.model), "signals": _signals(unlearned.model, data)},
                measured={"unlearn_seconds": costs["seconds"], "unlearn_peak_memory_mb": costs["peak_memory_mb"]})


def _audit(spec: Spec, context: Context) -> Done:
    data = context.dataset(spec["data"])
    auditor = configure(context.registry.auditors[spec["auditor"]["name"]], spec["auditor"]["settings"], "auditor")
    case = AuditCase(
        data=data, request=context.request(spec["request"]), unlearned=context.signals(spec["audited"]),
        original=context.signals(spec["original"]) if spec["original"] else None,
        oracles=tuple(context.signals(key) for key in spec["oracles"]),
        references=context.references(spec["references"]) if spec["references"] else None,
        models=_models(spec, context, data),
        reports={name: context.report(key) for name, key in spec["reports"].items()},
        oracle_reports=[{name: context.report(key) for name, key in one.items()} for one in spec["oracle_reports"]],
        original_reports={name: context.report(key) for name, key in spec["original_reports"].items()},
        seed=spec["seed"])
    report = auditor.audit(case)
    if not isinstance(report, AuditReport):
        raise BadResult(f"audit returned {type(report).__name__}, expected AuditReport")
    figures = {name: np.frombuffer(png, dtype=np.uint8) for name, png in report.figures.items()}
    scores = [as_json(attrs.evolve(score, value=_finite(score.value))) for score in report.scores]
    return Done(report={"scores": scores, "notes": dict(report.notes)},
                arrays={"samples": report.per_sample, "figures": figures})


def _models(spec: Spec, context: Context, data: Dataset) -> dict[str, Model]:
    if spec["model"] is None:
        return {}
    factory = context.factory(spec["model"], data)
    keys = {"unlearned": spec["audited"], **({"original": spec["original"]} if spec["original"] else {}),
            **{f"oracle-{k}": key for k, key in enumerate(spec["oracles"])}}
    return {name: context.model(key, factory) for name, key in keys.items()}


def _weights(model: Model) -> dict[str, NDArray[Any]]:
    return dict(model.parameters()) if isinstance(model, HasParameters) else {}


def _same(left: Mapping[str, NDArray[Any]], right: Mapping[str, NDArray[Any]]) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


def _signals(model: Model, data: Dataset) -> dict[str, Floats]:
    return {part: _checked(model.logits(examples.inputs), len(examples), data.num_classes)
            for part, examples in (("train", data.train), ("test", data.test))}


def _checked(logits: Any, count: int, num_classes: int) -> Floats:
    array = np.asarray(logits, dtype=np.float32)
    if array.shape != (count, num_classes):
        raise BadResult(f"logits have shape {array.shape}, expected ({count}, {num_classes})")
    broken = int(np.count_nonzero(~np.isfinite(array).all(axis=1)))
    if broken:
        raise BadResult(f"the model returns NaN or infinite logits for {broken} of {count} examples")
    return array


def _finite(value: Any) -> float:
    number = float(value)
    if not np.isfinite(number):
        raise BadResult(f"a reported number is {number}")
    return number


_WORK: Mapping[str, Callable[[Spec, Context], Done]] = {
    "forget": _forget, "train": _train, "retrain": _retrain, "reference": _reference, "unlearn": _unlearn,
    "audit": _audit,
}
