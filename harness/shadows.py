"""Shadows: models that an audit compares the audited one with, never that one itself.

Protocol. A shadow original is trained on the *whole* training set with the suite's recipe and a seed of its own, and
then unlearns the forget set by the method under test; a retrained shadow is trained on the retain set alone. The
published half-splits would leave both sides less trained than the audited model; so, with the same recipe and the same
data, the unlearned shadows are draws from the very distribution that the audited model comes from, and the retrained
ones from that of a perfect one. Shadow originals do not depend on the forget set: all methods and requests share them,
and a method's unlearned shadows and a request's retrained ones serve all audits. For an oracle in the audited model's
place both sides are retrained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.context import Context
from harness.data import Booleans, Dataset, Floats
from harness.digests import derive_seed
from harness.done import Done
from harness.fleets import Fleet, models_at_once
from harness.models import HasParameters, Model, TrainingSet
from harness.outputs import checked_logits, weights_of
from harness.tasks import UnlearnTask
from harness.unlearning import run_method_on_all

Spec = Mapping[str, Any]


def train_shadows(spec: Spec, context: Context) -> Done:
    """Return a block of shadow originals: their weights, for the methods that will unlearn from them."""
    data = context.dataset(spec["data"])
    return _fleet(spec, context, np.ones(len(data.train), dtype=np.bool_), keep_weights=True)


def retrain_shadows(spec: Spec, context: Context) -> Done:
    """Return a block of models that never saw the forget set: their logits alone."""
    data = context.dataset(spec["data"])
    return _fleet(spec, context, context.request(spec["request"]).retain_mask(len(data.train)), keep_weights=False)


def unlearn_shadows(spec: Spec, context: Context) -> Done:
    """Return what a method makes of a block of shadow originals, as many at once as memory allows: their logits alone."""
    data = context.dataset(spec["data"])
    factory = context.factory(spec["model"], data)
    request = context.request(spec["request"])
    retain = np.flatnonzero(request.retain_mask(len(data.train)))
    forgotten = data.train.take(request.forget)
    retained = data.train.take(retain) if spec["access"] == "retain+forget" else None
    empty = factory.build(0)
    if not isinstance(empty, HasParameters):
        raise TypeError(f"{type(empty).__name__} has no parameters; shadows of it cannot be kept")
    at_once = models_at_once(factory, spec["models"], context.thrift, data.train.inputs.nbytes)
    recipe, logits = context.recipe(spec["recipe"]), []
    for first in range(0, spec["models"], at_once):
        tasks = [UnlearnTask(
            original=empty.with_parameters(context.store.arrays(spec["shadows"], _file(m))), forget=forgotten,
            retain=retained, request=request, num_classes=data.num_classes, recipe=recipe, build=factory.build,
            seed=derive_seed(spec["seed"], "unlearn", m)) for m in range(first, min(first + at_once, spec["models"]))]
        logits += [_pool_logits(unlearned.model, data)
                   for unlearned in run_method_on_all(spec, context, factory, tasks)]
    return Done(report={"models": spec["models"]}, arrays={"signals": {"logits": np.stack(logits)}},
                measured={"models_at_once": at_once})


def _fleet(spec: Spec, context: Context, members: Booleans, *, keep_weights: bool) -> Done:
    data = context.dataset(spec["data"])
    factory = context.factory(spec["model"], data)
    fleet = Fleet(factory=factory, data=TrainingSet(inputs=data.train.inputs, targets=data.train.labels),
                  membership=np.tile(members, (spec["models"], 1)), recipe=context.recipe(spec["recipe"]),
                  seed=spec["seed"])
    at_once = models_at_once(factory, spec["models"], context.thrift)
    weights, logits = {}, []
    for m, model in enumerate(fleet.train(at_once)):
        logits.append(_pool_logits(model, data))
        if keep_weights:
            weights[_file(m)] = weights_of(model)
    return Done(report={"models": spec["models"], "members": int(members.sum())},
                arrays={**weights, "signals": {"logits": np.stack(logits)}}, measured={"models_at_once": at_once})


def _pool_logits(model: Model, data: Dataset) -> Floats:
    inputs = np.concatenate([data.train.inputs, data.test.inputs])
    return checked_logits(model.logits(inputs), len(inputs), data.num_classes)


def _file(number: int) -> str:
    return f"weights-{number:04d}"
