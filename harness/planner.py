"""How a plan is made: stages are added once each, cells refer to them by key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from harness.audits import Auditor, Needs
from harness.data import Dataset
from harness.digests import derive_seed
from harness.plan import ORACLE, Cell, Plan, PlannedMethod, Skipped, Stage
from harness.plugins import Registry
from harness.provenance import class_digest
from harness.settings import as_json, configure
from harness.suite import AuditorSpec, Suite
from harness.tasks import Access, Unlearner


class Planner:
    """Collects stages while a plan is made."""

    def __init__(self, suite: Suite, data: Dataset, registry: Registry, device: str) -> None:
        self.suite, self.data, self.registry = suite, data, registry
        self.stages: dict[str, Stage] = {}
        self.skipped: list[Skipped] = []
        architecture = registry.models[suite.model.name]
        adapter = registry.adapters[architecture.adapter]
        self.capabilities = adapter.capabilities
        self.data_spec = {**as_json(suite.data), "digest": data.digest}
        self.model_spec = {
            "adapter": adapter.name, "adapter_version": adapter.version, "adapter_source": class_digest(adapter),
            "architecture": architecture.name, "architecture_source": class_digest(type(architecture)),
            "settings": as_json(suite.model.settings), "device": device.partition(":")[0],
        }
        self.recipe = as_json(suite.recipe)
        self.auditors = self._auditors()

    def plan(self) -> Plan:
        suite = self.suite
        originals = tuple(self._train(i) for i in range(suite.originals))
        requests = tuple(self._forget(r, originals[0]) for r in range(suite.requests.count))
        oracles = [[self._retrain(r, requests[r], k) for k in range(suite.oracles)] for r in range(len(requests))]
        references = self._references() if any(a.needs.references for a in self.auditors.values()) else ()
        methods = self._methods()
        cells = self._oracle_cells(requests, oracles, references)
        audited = {(cell.request, cell.run): cell for cell in cells}
        for method in methods:
            for i, original in enumerate(originals):
                for r, request in enumerate(requests):
                    others = [audited[r, k] for k in range(suite.oracles)]
                    for run in range(method.runs):
                        key = self._unlearn(method, i, original, r, request, run)
                        audits = self._audit(f"{method.spec.title} {method.access} original {i} request {r} run {run}",
                                             key, original, request, others, references)
                        cells.append(Cell(method=method.spec.title, access=method.access, original=i, request=r,
                                          run=run, model=key, audits=audits))
        return Plan(suite=suite, data=self._data_facts(), stages=tuple(self.stages.values()), methods=tuple(methods),
                    auditors=self.auditors, cells=tuple(cells), skipped=tuple(self.skipped), requests=requests,
                    originals=originals, references=references)

    def _data_facts(self) -> dict[str, Any]:
        data = self.data
        return {"name": data.name, "version": data.version, "digest": data.digest, "source": data.source,
                "train": len(data.train), "test": len(data.test), "classes": data.num_classes}

    def _add(self, kind: str, label: str, inputs: Iterable[str], work: float = 0.0, limit: float | None = None,
             **content: Any) -> str:
        spec = {"kind": kind, "schema": 1, "data": self.data_spec, **content}
        stage = Stage(kind=kind, label=label, spec=spec, inputs=tuple(dict.fromkeys(inputs)), work=work, limit=limit)
        return self.stages.setdefault(stage.key, stage).key

    def _seed(self, stage: str, *parts: int | str) -> int:
        return derive_seed(self.suite.seed, stage, *parts)

    def _train(self, i: int) -> str:
        return self._add("train", f"train original {i}", (), len(self.data.train) * self.suite.recipe.epochs,
                         model=self.model_spec, recipe=self.recipe, seed=self._seed("train", i))

    def _forget(self, r: int, ranking: str) -> str:
        spec = self.suite.requests
        inputs = (ranking,) if spec.generator.endswith("-loss") else ()
        return self._add("forget", f"forget set {r}", inputs, generator=as_json(spec), index=r,
                         ranking=list(inputs), seed=self._seed("forget", r))

    def _retrain(self, r: int, request: str, k: int) -> str:
        return self._add("retrain", f"retrain request {r} oracle {k}", (request,),
                         len(self.data.train) * self.suite.recipe.epochs, model=self.model_spec, recipe=self.recipe,
                         request=request, seed=self._seed("retrain", r, k))

    def _references(self) -> tuple[str, ...]:
        spec = self.suite.references
        recipe = self.suite.recipe if spec.epochs is None else attrs.evolve(self.suite.recipe, epochs=spec.epochs)
        work = spec.block * (len(self.data.train) + len(self.data.test)) / 2 * recipe.epochs
        return tuple(
            self._add("reference", f"references {b * spec.block}-{(b + 1) * spec.block - 1}", (), work,
                      model=self.model_spec, recipe=as_json(recipe), models=spec.block,
                      seed=self._seed("reference", b))
            for b in range(spec.count // spec.block))

    def _methods(self) -> list[PlannedMethod]:
        planned = []
        for spec in self.suite.unlearners:
            kind = self.registry.unlearners[spec.name]
            for access in self.suite.access:
                if spec.access and access not in spec.access:
                    continue
                reason = self._cannot(kind, access)
                if reason:
                    self.skipped.append(Skipped(kind="unlearner", title=spec.title, access=access, reason=reason))
                    continue
                unlearner = configure(kind, spec.settings_for(access), f"method '{spec.title}'")
                runs = 1 if getattr(kind, "deterministic", False) else self.suite.runs
                planned.append(PlannedMethod(spec=spec, access=access, unlearner=unlearner, runs=runs))
        return planned

    def _cannot(self, kind: type[Unlearner], access: Access) -> str | None:
        missing = sorted(kind.requires - self.capabilities)
        if missing:
            return f"needs {', '.join(missing)}; adapter '{self.model_spec['adapter']}' does not offer it"
        if self.suite.requests.scope not in kind.scopes:
            return f"serves {', '.join(kind.scopes)} requests, the suite's are {self.suite.requests.scope} requests"
        if access not in kind.access:
            return "needs the retain set" if access == "forget-only" else f"runs in {', '.join(kind.access)} only"
        return None

    def _unlearn(self, method: PlannedMethod, i: int, original: str, r: int, request: str, run: int) -> str:
        title, unlearner, access = method.spec.title, method.unlearner, method.access
        epochs = getattr(unlearner, "epochs", 0)
        size = len(self.data.train) if access == "retain+forget" else self.suite.requests.size
        return self._add(
            "unlearn", f"unlearn {title} {access} original {i} request {r} run {run}", (original, request),
            work=float(epochs) * size, limit=self.suite.unlearn_seconds, model=self.model_spec, recipe=self.recipe,
            original=original, request=request, access=access, method=describe(unlearner),
            seed=self._seed("unlearn", unlearner.name, access, i, r, run))

    def _auditors(self) -> dict[str, Auditor]:
        chosen: dict[str, Auditor] = {}
        for spec in self.suite.auditors:
            kind = self.registry.auditors[spec.name]
            auditor = configure(kind, spec.settings, f"auditor '{spec.title}'")
            reason = self._cannot_audit(spec, auditor, chosen)
            if reason:
                self.skipped.append(Skipped(kind="auditor", title=spec.title, access=None, reason=reason))
            else:
                chosen[spec.title] = auditor
        return chosen

    def _cannot_audit(self, spec: AuditorSpec, auditor: Auditor, chosen: Mapping[str, Auditor]) -> str | None:
        needs: Needs = auditor.needs
        missing = sorted(auditor.requires - self.capabilities)
        if missing:
            return f"needs {', '.join(missing)}; adapter '{self.model_spec['adapter']}' does not offer it"
        if self.suite.requests.scope not in auditor.scopes:
            return f"judges {', '.join(auditor.scopes)} requests, the suite's are {self.suite.requests.scope} requests"
        if needs.oracles >= self.suite.oracles:
            return (f"needs {needs.oracles} oracles beside the audited one; "
                    f"the suite has {self.suite.oracles} per forget set")
        wanted = 2 if needs.references == -1 else needs.references
        if wanted > self.suite.references.count:
            return f"needs {wanted} references; the suite has {self.suite.references.count}"
        absent = [name for name in needs.reports if name not in chosen]
        if absent:
            return f"needs the reports of {', '.join(absent)}, which must stand before it in the suite"
        return None

    def _oracle_cells(self, requests: Sequence[str], oracles: Sequence[Sequence[str]],
                      references: tuple[str, ...]) -> list[Cell]:
        """Audit every oracle against the others of its request; auditor by auditor, since some read earlier reports."""
        audits: list[list[dict[str, str]]] = [[{} for _ in row] for row in oracles]
        for title, auditor in self.auditors.items():
            for r, row in enumerate(oracles):
                for k, model in enumerate(row):
                    others = [j for j in range(len(row)) if j != k]
                    audits[r][k][title] = self._audit_stage(
                        f"oracle {k} request {r}", title, auditor, model, None, requests[r],
                        [row[j] for j in others], references, audits[r][k], [audits[r][j] for j in others])
        return [Cell(method=ORACLE, access=None, original=None, request=r, run=k, model=model, audits=audits[r][k])
                for r, row in enumerate(oracles) for k, model in enumerate(row)]

    def _audit(self, label: str, model: str, original: str | None, request: str, oracles: Sequence[Cell],
               references: tuple[str, ...]) -> dict[str, str]:
        audits: dict[str, str] = {}
        for title, auditor in self.auditors.items():
            audits[title] = self._audit_stage(label, title, auditor, model, original, request,
                                              [cell.model for cell in oracles], references, audits,
                                              [cell.audits for cell in oracles])
        return audits

    def _audit_stage(self, label: str, title: str, auditor: Auditor, model: str, original: str | None, request: str,
                     oracles: Sequence[str], references: tuple[str, ...], audits: Mapping[str, str],
                     oracle_audits: Sequence[Mapping[str, str]]) -> str:
        needs = auditor.needs
        content: dict[str, Any] = {
            "auditor": describe(auditor), "audited": model, "request": request, "original": original,
            "oracles": list(oracles) if needs.oracles else [],
            "references": list(references) if needs.references else [],
            "reports": {name: audits[name] for name in needs.reports},
            "oracle_reports": [{name: one[name] for name in needs.reports} for one in oracle_audits]
            if needs.reports else [],
            "model": self.model_spec if needs.models else None,
            "seed": self._seed("audit", title),
        }
        inputs = [model, request, *([original] if original else []), *content["oracles"], *content["references"],
                  *content["reports"].values(), *(key for one in content["oracle_reports"] for key in one.values())]
        return self._add("audit", f"audit {title} of {label}", inputs, **content)


def describe(plugin: Unlearner | Auditor) -> dict[str, Any]:
    """Return what names a configured plugin in a key: name, version, source digest, settings as resolved."""
    return {"name": plugin.name, "version": plugin.version, "source": class_digest(type(plugin)),
            "settings": as_json(plugin)}
