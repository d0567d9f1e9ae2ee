"""From the artefacts of a plan to the record of its run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import attrs

from harness.audits import Auditor, Score
from harness.calibration import calibrate
from harness.describe import describe
from harness.engine import Outcome
from harness.environment import environment
from harness.plan import Cell, Plan, Skipped
from harness.plugins import Registry
from harness.provenance import class_digest
from harness.record import CellRecord, MethodRecord, RequestRecord, RunRecord, SkippedRecord
from harness.settings import Settings, as_json, structure
from harness.store import Manifest, Store
from harness.tasks import Access, Unlearner


def collect(plan: Plan, store: Store, registry: Registry, failed: Mapping[str, Outcome], stages: Mapping[str, Any],
            seconds: float, device: str) -> RunRecord:
    """Return the record of a run whose artefacts are in ``store``.

    Raises:
        StoreError: if an artefact is damaged.
    """
    started = time.perf_counter()
    manifests = {stage.key: store.manifest(stage.key) for stage in plan.stages if stage.key not in failed}
    spent: dict[str, float] = {}
    for manifest in manifests.values():
        spent[manifest.stage] = spent.get(manifest.stage, 0.0) + float(manifest.measured["seconds"])
    record = RunRecord(
        suite=as_json(plan.suite), suite_digest=plan.suite.digest, protocol=plan.suite.protocol, data=plan.data,
        requests=tuple(_request(manifests[key], plan) for key in plan.requests),
        methods=tuple(_method(m.spec.title, m.access, type(m.unlearner), registry, as_json(m.unlearner), m.runs)
                      for m in plan.methods),
        auditors={title: _auditor(auditor) for title, auditor in plan.auditors.items()},
        cells=tuple(_cell(cell, manifests, failed) for cell in plan.cells),
        skipped=tuple(_skipped(skipped, registry) for skipped in plan.skipped),
        originals=tuple(manifests[key].digest for key in plan.originals),
        references=tuple(manifests[key].digest for key in plan.references),
        stages=dict(stages),
        measured={"seconds": round(seconds + time.perf_counter() - started, 3),
                  "stage_seconds": {kind: round(value, 3) for kind, value in sorted(spent.items())}},
        environment=environment(device))
    return attrs.evolve(record, calibration=calibrate(record))


def _auditor(auditor: Auditor) -> Settings:
    return {**describe(auditor), "note": str(getattr(auditor, "note", "")), "shadows": auditor.needs.shadows > 0}


def _request(manifest: Manifest, plan: Plan) -> RequestRecord:
    report = manifest.report
    return RequestRecord(name=report["name"], digest=report["digest"], scope=report["scope"],
                         classes=tuple(report["classes"]), forget=report["size"], train=plan.data["train"])


def _method(title: str, access: Access, kind: type[Unlearner], registry: Registry, settings: Settings,
            runs: int) -> MethodRecord:
    owner = registry.unlearners.find(kind.name).owner
    return MethodRecord(
        title=title, name=kind.name, version=kind.version, aliases=tuple(getattr(kind, "aliases", ())), access=access,
        settings=settings, source=class_digest(kind), owner=as_json(owner), runs=runs,
        note=str(getattr(kind, "note", "")))


def _skipped(skipped: Skipped, registry: Registry) -> SkippedRecord:
    method = None
    if skipped.kind == "unlearner" and skipped.access:
        method = _method(skipped.title, skipped.access, registry.unlearners[skipped.name], registry, {}, 0)
    return SkippedRecord(kind=skipped.kind, title=skipped.title, access=skipped.access, reason=skipped.reason,
                         method=method)


def _cell(cell: Cell, manifests: Mapping[str, Manifest], failed: Mapping[str, Outcome]) -> CellRecord:
    where = {"method": cell.method, "access": cell.access, "original": cell.original, "request": cell.request,
             "run": cell.run, "key": cell.model}
    outcome = failed.get(cell.model)
    if outcome:
        return CellRecord(**where, status=outcome.status, error=outcome.error)  # type: ignore[arg-type]
    model = manifests[cell.model]
    errors = {title: failed[key].error for title, key in cell.audits.items() if key in failed}
    scores = {title: tuple(structure(score, Score, "score") for score in manifests[key].report["scores"])
              for title, key in cell.audits.items() if key not in failed}
    measured = {name: model.measured.get(f"unlearn_{name}", model.measured[name])
                for name in ("seconds", "peak_memory_mb", "date")}
    if "isolation" in model.measured:
        measured["isolation"] = model.measured["isolation"]
    return CellRecord(**where, status="ok", model=model.digest, scores=scores,  # type: ignore[arg-type]
                      audit_errors=errors, facts=dict(model.report.get("facts", {})), measured=measured)
