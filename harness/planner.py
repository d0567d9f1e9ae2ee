"""How a plan is made: stages are added once each, cells refer to them by key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
from attrs import field, frozen

from harness.audits import Auditor, Needs
from harness.data import Dataset
from harness.digests import derive_seed
from harness.plan import ORACLE, Cell, Plan, PlannedMethod, Skipped, Stage
from harness.plugins import Registry
from harness.provenance import class_digest
from harness.settings import as_json, configure
from harness.suite import AuditorSpec, Suite
from harness.tasks import Access, Unlearner


@frozen(kw_only=True)
class Audited:
    """One model to be audited, with what its auditors may compare it to.

    Attributes:
        label: in words.
        model, request, original: keys of their stages; no original for an oracle.
        oracles: keys of the oracles beside it.
        oracle_audits, original_audits: keys of the audits of these, by the auditor's title.
    """

    label: str
    model: str
    request: str
    original: str | None = None
    oracles: tuple[str, ...] = ()
    oracle_audits: tuple[Mapping[str, str], ...] = ()
    original_audits: Mapping[str, str] = field(factory=dict)


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
        self.references: tuple[str, ...] = ()
        self.auditors = self._auditors()

    def plan(self) -> Plan:
        """Return the plan."""
        suite = self.suite
        originals = tuple(self._train(i) for i in range(suite.originals))
        requests = tuple(self._forget(r, originals[0]) for r in range(suite.requests.count))
        oracles = [[self._retrain(r, request, k) for k in range(suite.oracles)] for r, request in enumerate(requests)]
        if any(auditor.needs.references for auditor in self.auditors.values()):
            self.references = self._references()
        cells = self._audit_oracles(requests, oracles)
        methods = self._methods()
        for r, request in enumerate(requests):
            oracle_cells = [cell for cell in cells if cell.method == ORACLE and cell.request == r]
            for i, original in enumerate(originals):
                base = Audited(
                    label=f"original {i} request {r}", model=original, request=request, original=original,
                    oracles=tuple(cell.model for cell in oracle_cells),
                    oracle_audits=tuple(cell.audits for cell in oracle_cells),
                    original_audits=self._audit_original(i, original, r, request, oracle_cells))
                for method in methods:
                    cells += [self._cell(method, base, i, r, run) for run in range(method.runs)]
        return Plan(suite=suite, data=self._data_facts(), stages=tuple(self.stages.values()), methods=tuple(methods),
                    auditors=self.auditors, cells=tuple(cells), skipped=tuple(self.skipped), requests=requests,
                    originals=originals, references=self.references)

    def _cell(self, method: PlannedMethod, base: Audited, i: int, r: int, run: int) -> Cell:
        label = f"{method.spec.title} {method.access} original {i} request {r} run {run}"
        model = self._unlearn(method, label, base, i, r, run)
        return Cell(method=method.spec.title, access=method.access, original=i, request=r, run=run, model=model,
                    audits=self._audit(attrs.evolve(base, label=label, model=model)))

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
                    self.skipped.append(Skipped(kind="unlearner", name=kind.name, title=spec.title, access=access,
                                                reason=reason))
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

    def _unlearn(self, method: PlannedMethod, label: str, base: Audited, i: int, r: int, run: int) -> str:
        unlearner, access = method.unlearner, method.access
        size = len(self.data.train) if access == "retain+forget" else self.suite.requests.size
        inputs = [key for key in (base.original, base.request) if key]
        return self._add(
            "unlearn", f"unlearn {label}", inputs, work=float(getattr(unlearner, "epochs", 0)) * size,
            limit=self.suite.unlearn_seconds, model=self.model_spec, recipe=self.recipe, original=base.original,
            request=base.request, access=access, method=describe(unlearner),
            seed=self._seed("unlearn", unlearner.name, access, i, r, run))

    def _auditors(self) -> dict[str, Auditor]:
        chosen: dict[str, Auditor] = {}
        for spec in self.suite.auditors:
            kind = self.registry.auditors[spec.name]
            auditor = configure(kind, spec.settings, f"auditor '{spec.title}'")
            reason = self._cannot_audit(spec, auditor, chosen)
            if reason:
                self.skipped.append(Skipped(kind="auditor", name=kind.name, title=spec.title, access=None,
                                            reason=reason))
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

    def _audit_oracles(self, requests: Sequence[str], oracles: Sequence[Sequence[str]]) -> list[Cell]:
        """Audit every oracle against the others of its request; auditor by auditor, since some read earlier reports."""
        audits: list[list[dict[str, str]]] = [[{} for _ in row] for row in oracles]
        for title, auditor in self.auditors.items():
            for r, row in enumerate(oracles):
                for k, model in enumerate(row):
                    others = [j for j in range(len(row)) if j != k]
                    audited = Audited(label=f"oracle {k} request {r}", model=model, request=requests[r],
                                      oracles=tuple(row[j] for j in others),
                                      oracle_audits=tuple(audits[r][j] for j in others))
                    audits[r][k][title] = self._audit_stage(title, auditor, audited, audits[r][k])
        return [Cell(method=ORACLE, access=None, original=None, request=r, run=k, model=model, audits=audits[r][k])
                for r, row in enumerate(oracles) for k, model in enumerate(row)]

    def _audit_original(self, i: int, original: str, r: int, request: str, oracles: Sequence[Cell]) -> dict[str, str]:
        """Audit an original as if it were unlearned, for the auditors that compare with it."""
        wanted = {title for auditor in self.auditors.values() if auditor.needs.original_reports
                  for title in auditor.needs.reports}
        audited = Audited(label=f"original {i} request {r}", model=original, request=request,
                          oracles=tuple(cell.model for cell in oracles))
        audits: dict[str, str] = {}
        for title in self.auditors:
            if title in wanted:
                audits[title] = self._audit_stage(title, self.auditors[title], audited, audits)
        return audits

    def _audit(self, audited: Audited) -> dict[str, str]:
        audits: dict[str, str] = {}
        for title, auditor in self.auditors.items():
            audits[title] = self._audit_stage(title, auditor, audited, audits)
        return audits

    def _audit_stage(self, title: str, auditor: Auditor, audited: Audited, audits: Mapping[str, str]) -> str:
        needs = auditor.needs
        compared = audited.oracle_audits if needs.reports else ()
        content: dict[str, Any] = {
            "auditor": describe(auditor), "audited": audited.model, "request": audited.request,
            "original": audited.original,
            "oracles": list(audited.oracles) if needs.oracles else [],
            "references": list(self.references) if needs.references else [],
            "reports": {name: audits[name] for name in needs.reports},
            "oracle_reports": [{name: one[name] for name in needs.reports} for one in compared],
            "original_reports": dict(audited.original_audits) if needs.original_reports else {},
            "model": self.model_spec if needs.models else None,
            "seed": self._seed("audit", title),
        }
        reports = [content["reports"], content["original_reports"], *content["oracle_reports"]]
        inputs = [audited.model, audited.request, *([audited.original] if audited.original else []),
                  *content["oracles"], *content["references"], *(key for one in reports for key in one.values())]
        return self._add("audit", f"audit {title} of {audited.label}", inputs, **content)


def describe(plugin: Unlearner | Auditor) -> dict[str, Any]:
    """Return what names a configured plugin in a key: name, version, source digest, settings as resolved."""
    return {"name": plugin.name, "version": plugin.version, "source": class_digest(type(plugin)),
            "settings": as_json(plugin)}
