"""What each kind of stage does: a pure function of its spec and of the artefacts that it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from harness.audits import AuditCase, AuditReport
from harness.context import Context
from harness.data import Dataset
from harness.digests import derive_seed
from harness.done import Done
from harness.errors import StoreError
from harness.fleets import Fleet, models_at_once
from harness.forget_sets import losses_from_logits, make_request, memorisation, needs_memorisation
from harness.measure import measured
from harness.membership import balanced_halves
from harness.models import Model, Trainable, TrainingSet
from harness.outputs import BadResult, checked_logits, finite, signals_of, weights_of
from harness.plan import Stage
from harness.settings import as_json, configure, structure
from harness.shadows import retrain_shadows, train_shadows, unlearn_shadows
from harness.store import Manifest
from harness.suite import RequestSpec
from harness.tasks import UnlearnTask
from harness.unlearning import run_method

Spec = Mapping[str, Any]


def execute(stage: Stage, context: Context) -> Manifest:
    """Compute one stage, write its artefact to the store and return the manifest.

    Raises:
        Exception: whatever a plugin raises; the run records it as that cell's result.
    """
    with measured() as costs:
        done = _WORK[stage.kind](stage.spec, context)
    return context.store.write(stage.kind, stage.label, stage.spec, report=done.report, arrays=done.arrays,
                               measured={**costs, **done.measured, "device": context.place.device})


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
    generator = structure(dict(spec["generator"]), RequestSpec, "requests")
    ranked_by = None
    if needs_memorisation(generator):
        references = context.references(spec["ranking"])
        ranked_by = memorisation(references.logits, references.membership, data.train.labels)
    elif spec["ranking"]:
        ranked_by = losses_from_logits(context.signals(spec["ranking"][0]).train, data.train.labels)
    previous = context.request(spec["previous"]) if "previous" in spec else None
    request = make_request(generator, spec["index"], spec["seed"], data.train, data.num_classes, ranked_by,
                           data.poison, previous)
    request.retain_mask(len(data.train))
    report = {"name": request.name, "scope": request.scope, "classes": list(request.classes),
              "generator": request.generator, "seed": request.seed, "digest": request.digest,
              "size": len(request.forget)}
    if previous is None:
        return Done(report=report, arrays={"forget": {"forget": request.forget}})
    return Done(report={**report, "earlier": len(request.earlier), "earlier_classes": list(request.earlier_classes)},
                arrays={"forget": {"forget": request.forget, "earlier": request.earlier}})


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
                arrays={"weights": weights_of(model), "signals": signals_of(model, data)})


def _reference(spec: Spec, context: Context) -> Done:
    data = context.dataset(spec["data"])
    factory = context.factory(spec["model"], data)
    inputs = np.concatenate([data.train.inputs, data.test.inputs])
    pool = TrainingSet(inputs=inputs, targets=np.concatenate([data.train.labels, data.test.labels]))
    membership = balanced_halves(spec["models"], len(pool), derive_seed(spec["seed"], "halves"))
    fleet = Fleet(factory=factory, data=pool, membership=membership, recipe=context.recipe(spec["recipe"]),
                  seed=spec["seed"])
    at_once = models_at_once(factory, spec["models"], context.thrift)
    logits = np.empty((spec["models"], len(pool), data.num_classes), dtype=np.float32)
    for m, model in enumerate(fleet.train(at_once)):
        logits[m] = checked_logits(model.logits(inputs), len(pool), data.num_classes)
    return Done(report={"models": spec["models"]}, arrays={"signals": {"logits": logits, "membership": membership}},
                measured={"models_at_once": at_once})


def _unlearn(spec: Spec, context: Context) -> Done:
    data = context.dataset(spec["data"])
    factory = context.factory(spec["model"], data)
    request = context.request(spec["request"])
    retain = np.flatnonzero(request.retain_mask(len(data.train)))
    task = UnlearnTask(
        original=context.model(spec.get("start", spec["original"]), factory), forget=data.train.take(request.forget),
        retain=data.train.take(retain) if spec["access"] == "retain+forget" else None, request=request,
        num_classes=data.num_classes, recipe=context.recipe(spec["recipe"]), build=factory.build, seed=spec["seed"],
        initial=context.model(spec["original"], factory) if "start" in spec else None)
    unlearned, costs = run_method(spec, context, task)
    return Done(report={"facts": {name: finite(value) for name, value in unlearned.facts.items()}},
                model=unlearned.model,
                arrays={"weights": weights_of(unlearned.model), "signals": signals_of(unlearned.model, data)},
                measured={"unlearn_seconds": costs["seconds"], "unlearn_peak_memory_mb": costs["peak_memory_mb"],
                          "isolation": costs["isolation"]})


def _audit(spec: Spec, context: Context) -> Done:
    data = context.dataset(spec["data"])
    auditor = configure(context.registry.auditors[spec["auditor"]["name"]], spec["auditor"]["settings"], "auditor")
    case = AuditCase(
        data=data, request=context.request(spec["request"]).so_far, unlearned=context.signals(spec["audited"]),
        original=context.signals(spec["original"]) if spec["original"] else None,
        oracles=tuple(context.signals(key) for key in spec["oracles"]),
        references=context.references(spec["references"]) if spec["references"] else None,
        shadows=context.shadows(spec["shadows"]) if spec["shadows"] else None,
        models=_models(spec, context, data),
        reports={name: context.report(key) for name, key in spec["reports"].items()},
        oracle_reports=[{name: context.report(key) for name, key in one.items()} for one in spec["oracle_reports"]],
        original_reports={name: context.report(key) for name, key in spec["original_reports"].items()},
        seed=spec["seed"])
    report = auditor.audit(case)
    if not isinstance(report, AuditReport):
        raise BadResult(f"audit returned {type(report).__name__}, expected AuditReport")
    figures = {name: np.frombuffer(png, dtype=np.uint8) for name, png in report.figures.items()}
    scores = [as_json(attrs.evolve(score, value=finite(score.value))) for score in report.scores]
    return Done(report={"scores": scores, "notes": dict(report.notes)},
                arrays={"samples": report.per_sample, "figures": figures})


def _models(spec: Spec, context: Context, data: Dataset) -> dict[str, Model]:
    if spec["model"] is None:
        return {}
    factory = context.factory(spec["model"], data)
    keys = {"unlearned": spec["audited"], **({"original": spec["original"]} if spec["original"] else {}),
            **{f"oracle-{k}": key for k, key in enumerate(spec["oracles"])}}
    return {name: context.model(key, factory) for name, key in keys.items()}


_WORK: Mapping[str, Callable[[Spec, Context], Done]] = {
    "forget": _forget, "train": _train, "retrain": _retrain, "reference": _reference, "unlearn": _unlearn,
    "shadow": train_shadows, "shadow-retrain": retrain_shadows, "shadow-unlearn": unlearn_shadows, "audit": _audit,
}
