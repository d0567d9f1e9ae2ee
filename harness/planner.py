"""How a plan is made: stages are added once each, cells refer to them by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from harness.audit_planner import Audited, AuditPlanner, why_not
from harness.audits import Auditor
from harness.data import Dataset
from harness.describe import describe
from harness.errors import BadSetting
from harness.forget_sets import needs_losses, needs_memorisation, request_seed
from harness.plan import ORACLE, Cell, Plan, PlannedMethod, Skipped
from harness.plugins import Registry
from harness.provenance import class_digest
from harness.settings import as_json, configure
from harness.shadow_planner import ShadowPlanner
from harness.stage_list import StageList
from harness.suite import Suite
from harness.tasks import Access, Unlearner
from harness.training import describe_aids, with_aids


class Planner:
    """Collects stages while a plan is made."""

    def __init__(self, suite: Suite, data: Dataset, registry: Registry, device: str) -> None:
        self.suite, self.data, self.registry = suite, data, registry
        self.stages = StageList({**as_json(suite.data), "digest": data.digest}, suite.seed)
        self.skipped: list[Skipped] = []
        self.unlearned: dict[tuple[str, Access, int, int, int], str] = {}
        architecture = registry.models[suite.model.name]
        adapter = registry.adapters[architecture.adapter]
        self.capabilities = adapter.capabilities
        self.model_spec = {
            "adapter": adapter.name, "adapter_version": adapter.version, "adapter_source": class_digest(adapter),
            "architecture": architecture.name, "architecture_source": class_digest(type(architecture)),
            "settings": as_json(suite.model.settings), "device": device.partition(":")[0],
            "aids": describe_aids(with_aids(suite.recipe, registry.aids), registry.aids),
        }
        self.recipe = as_json(suite.recipe)
        self.shadows = ShadowPlanner(suite=suite, stages=self.stages, model=self.model_spec, recipe=self.recipe,
                                     train=len(data.train))
        self.auditors = self._auditors()

    def plan(self) -> Plan:
        """Return the plan."""
        suite = self.suite
        originals = tuple(self._train(i) for i in range(suite.originals))
        requests = self._requests(originals[0])
        oracles = [[self._retrain(r, request, k) for k in range(suite.oracles)] for r, request in enumerate(requests)]
        wants_references = (needs_memorisation(suite.requests)
                            or any(auditor.needs.references for auditor in self.auditors.values()))
        audits = AuditPlanner(stages=self.stages, auditors=self.auditors, model=self.model_spec,
                              references=self._references() if wants_references else ())
        cells = audits.audit_oracles([[self._oracle(r, request, k, oracles[r], audits.wants_shadows)
                                       for k in range(suite.oracles)] for r, request in enumerate(requests)])
        methods = self._methods()
        for r, request in enumerate(requests):
            own = [cell for cell in cells if cell.method == ORACLE and cell.request == r]
            for i, original in enumerate(originals):
                base = Audited(label=f"original {i} request {r}", model=original, request=request,
                               oracles=tuple(cell.model for cell in own))
                base = attrs.evolve(base, original=original, oracle_audits=tuple(cell.audits for cell in own),
                                    original_audits=audits.audit_original(base))
                for method in methods:
                    shadows = self.shadows.of_method(method, request, r) if audits.wants_shadows else None
                    cells += [self._cell(method, attrs.evolve(base, shadows=shadows), audits, (i, r, run))
                              for run in range(method.runs)]
        return Plan(suite=suite, data=self._data_facts(), stages=tuple(self.stages), methods=tuple(methods),
                    auditors=self.auditors, cells=tuple(cells), skipped=tuple(self.skipped), requests=requests,
                    originals=originals, references=audits.references,
                    input_shape=self.data.input_shape)

    def _oracle(self, r: int, request: str, k: int, oracles: Sequence[str], wants_shadows: bool) -> Audited:
        return Audited(label=f"oracle {k} request {r}", model=oracles[k], request=request,
                       oracles=tuple(oracles[j] for j in range(len(oracles)) if j != k),
                       shadows=self.shadows.of_oracle(request, r, k) if wants_shadows else None)

    def _cell(self, method: PlannedMethod, base: Audited, audits: AuditPlanner, place: tuple[int, int, int]) -> Cell:
        i, r, run = place
        label = f"{method.spec.title} {method.access} original {i} request {r} run {run}"
        model = self._unlearn(method, label, base, i, r, run)
        audited = attrs.evolve(base, label=label, model=model, first=i == 0 and run == 0)
        return Cell(method=method.spec.title, access=method.access, original=i, request=r, run=run, model=model,
                    audits=audits.audit(audited))

    def _data_facts(self) -> dict[str, Any]:
        data = self.data
        return {"name": data.name, "version": data.version, "digest": data.digest, "source": data.source,
                "train": len(data.train), "test": len(data.test), "classes": data.num_classes}

    def _train(self, i: int) -> str:
        return self.stages.add("train", f"train original {i}", (), len(self.data.train) * self.suite.recipe.epochs,
                         model=self.model_spec, recipe=self.recipe, seed=self.stages.seed("train", i))

    def _requests(self, original: str) -> tuple[str, ...]:
        spec, keys = self.suite.requests, list[str]()
        ranking = self._ranking(original)
        for r in range(spec.count):
            previous: dict[str, Any] = {"previous": keys[-1]} if spec.step(r) else {}
            keys.append(self.stages.add(
                "forget", f"forget set {r}", (*ranking, *previous.values()), generator=as_json(spec), index=r,
                ranking=list(ranking), seed=request_seed(self.suite, r), **previous))
        return tuple(keys)

    def _ranking(self, original: str) -> tuple[str, ...]:
        """Return the keys of the stages whose models rank the examples, if the forget sets are cut from a ranking."""
        spec = self.suite.requests
        if needs_losses(spec):
            return (original,)
        if not needs_memorisation(spec):
            return ()
        references = self._references()
        if not references:
            raise BadSetting(f"requests: '{spec.generator}' asks the suite's references what they memorise, and "
                             f"'{self.suite.name}' has none; set [references] count")
        return references

    def _retrain(self, r: int, request: str, k: int) -> str:
        return self.stages.add("retrain", f"retrain request {r} oracle {k}", (request,),
                         len(self.data.train) * self.suite.recipe.epochs, model=self.model_spec, recipe=self.recipe,
                         request=request, seed=self.stages.seed("retrain", r, k))

    def _references(self) -> tuple[str, ...]:
        spec = self.suite.references
        recipe = self.suite.recipe if spec.epochs is None else attrs.evolve(self.suite.recipe, epochs=spec.epochs)
        work = spec.block * (len(self.data.train) + len(self.data.test)) / 2 * recipe.epochs
        return tuple(
            self.stages.add("reference", f"references {b * spec.block}-{(b + 1) * spec.block - 1}", (), work,
                      model=self.model_spec, recipe=as_json(recipe), models=spec.block,
                      seed=self.stages.seed("reference", b))
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
        start = self._left_before(method, i, r, run)
        inputs = [key for key in (base.original, base.request, *start.values()) if key]
        key = self.stages.add(
            "unlearn", f"unlearn {label}", inputs, work=float(getattr(unlearner, "epochs", 0)) * size,
            limit=self.suite.unlearn_seconds, model=self.model_spec, recipe=self.recipe, original=base.original,
            request=base.request, access=access, method=describe(unlearner),
            seed=self.stages.seed("unlearn", unlearner.name, access, i, r, run), **start)
        self.unlearned[method.spec.title, access, i, r, run] = key
        return key

    def _left_before(self, method: PlannedMethod, i: int, r: int, run: int) -> dict[str, Any]:
        """Return the model that the method left at the step before; nothing where the request opens a sequence."""
        if not self.suite.requests.step(r):
            return {}
        return {"start": self.unlearned[method.spec.title, method.access, i, r - 1, run]}

    def _auditors(self) -> dict[str, Auditor]:
        chosen: dict[str, Auditor] = {}
        for spec in self.suite.auditors:
            kind = self.registry.auditors[spec.name]
            auditor = configure(kind, spec.settings, f"auditor '{spec.title}'")
            reason = why_not(auditor, self.suite, self.capabilities, self.model_spec["adapter"], chosen)
            if reason:
                self.skipped.append(Skipped(kind="auditor", name=kind.name, title=spec.title, access=None,
                                            reason=reason))
            else:
                chosen[spec.title] = auditor
        return chosen
