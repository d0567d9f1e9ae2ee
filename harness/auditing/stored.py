"""Evidence from a suite: its data and forget set, and its original, oracles and references, trained where missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs
import numpy as np
from attrs import frozen

from harness.auditing.evidence import Answers, Selection
from harness.audits import Auditor, References
from harness.context import Context, Place, load_dataset
from harness.engine import run_inline, run_pool
from harness.errors import BadSetting, HarnessError
from harness.plan import ORACLE, Plan, Stage, make_plan
from harness.plugins import Registry
from harness.run import default_jobs, pending, run_folder
from harness.settings import configure
from harness.store import Store
from harness.store.locks import in_use
from harness.store.upkeep import list_objects
from harness.suite import AuditorSpec, Suite


@frozen(kw_only=True, eq=False)
class SuiteEvidence:
    """What a suite brings along.

    Attributes:
        selection: all of its data with one of its forget sets.
        original, oracles, references: the models that it compares with.
    """

    selection: Selection
    original: Answers
    oracles: tuple[Answers, ...]
    references: References | None


def from_suite(suite: Suite, request: int, auditors: Mapping[str, AuditorSpec], registry: Registry, place: Place, *,
               jobs: int | None = None) -> SuiteEvidence:
    """Return what ``suite`` compares with in its forget set number ``request``; the store is asked first.

    Args:
        suite: its methods play no part.
        request: index from 0.
        auditors: that will be run, by title; where none of them wants references or models, they are left out.
        registry: of the plugins.
        place: where the store is.
        jobs: worker processes; 0 trains in this one; one per core when None.

    Raises:
        BadSetting: if the suite has no such forget set.
        HarnessError: if the data cannot be loaded or a model cannot be trained.
    """
    if not 0 <= request < suite.requests.count:
        raise BadSetting(f"--request {request}: suite '{suite.name}' has {suite.requests.count} forget sets, "
                         f"0 to {suite.requests.count - 1}")
    data = load_dataset(registry, suite.data, place)
    plan = make_plan(_without_methods(suite, auditors, registry), data, registry, place.device)
    forget, original = plan.requests[request], plan.originals[0]
    oracles = [cell.model for cell in plan.cells if cell.method == ORACLE and cell.request == request]
    _compute(plan, [forget, original, *oracles, *plan.references], registry, place, jobs)
    context = Context(place, registry)
    labels = {stage.key: stage.label for stage in plan.stages}
    models = any(auditor.needs.models or auditor.requires for auditor in _configured(auditors, registry))

    def answers(key: str) -> Answers:
        spec = context.store.manifest(key).spec
        model = context.model(key, context.factory(spec["model"], data)) if models else None
        return Answers(name=f"{suite.name}: {labels[key]}", signals=context.signals(key), model=model)

    whole = Selection(whole=data, data=data, train=np.arange(len(data.train)), test=np.arange(len(data.test)),
                      request=context.request(forget).so_far)
    return SuiteEvidence(selection=whole, original=answers(original), oracles=tuple(answers(key) for key in oracles),
                    references=context.references(plan.references) if plan.references else None)


def _without_methods(suite: Suite, auditors: Mapping[str, AuditorSpec], registry: Registry) -> Suite:
    """Return the suite without methods; of its auditors only one that makes the plan include references, if wanted."""
    wanting = [spec for spec, auditor in zip(auditors.values(), _configured(auditors, registry), strict=True)
               if auditor.needs.references]
    return attrs.evolve(suite, unlearners=(), auditors=tuple(wanting[:1]))


def _configured(auditors: Mapping[str, AuditorSpec], registry: Registry) -> list[Auditor]:
    return [configure(registry.auditors[spec.name], spec.settings, f"auditor '{title}'")
            for title, spec in auditors.items()]


def _compute(plan: Plan, keys: Iterable[str], registry: Registry, place: Place, jobs: int | None) -> None:
    """Compute the stages ``keys``, and those that they read from, where the store lacks them."""
    stages = {stage.key: stage for stage in plan.stages}
    wanted: dict[str, Stage] = {}

    def want(key: str) -> None:
        for needed in stages[key].inputs:
            want(needed)
        wanted[key] = stages[key]

    for key in keys:
        want(key)
    part = attrs.evolve(plan, stages=tuple(wanted.values()))
    store = Store(place.store)
    with in_use(store.root):
        list_objects(run_folder(store.root, f"audit-{plan.suite.name}", plan.suite.digest), wanted)
        todo = pending(part, store)
        if not todo:
            return
        registry.hook.harness_run_started(plan=part, store=store)
        workers = default_jobs(place.device) if jobs is None else jobs
        for outcome in run_pool(todo, place, workers) if workers else run_inline(todo, place, registry):
            stage = stages[outcome.key]
            if outcome.status != "ok":
                raise HarnessError(f"{stage.label} failed: {outcome.error}")
            registry.hook.harness_stage_finished(stage=stage.label, key=stage.key, seconds=outcome.seconds,
                                                 cached=False)
