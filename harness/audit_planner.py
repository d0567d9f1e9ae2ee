"""Which audits are planned: of every unlearned model, and of every oracle and original in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from harness.audits import Auditor, Needs
from harness.describe import describe
from harness.plan import ORACLE, Cell
from harness.shadow_planner import ShadowSides
from harness.stage_list import StageList
from harness.suite import ModelSpec, Suite


@frozen(kw_only=True)
class Audited:
    """One model to be audited, with what its auditors may compare it to.

    Attributes:
        label: in words.
        model, request, original: keys of their stages; no original for an oracle.
        oracles: keys of the oracles beside it.
        oracle_audits, original_audits: keys of the audits of these, by the auditor's title.
        shadows: of the method that made it.
        first: whether audits that judge the method and not one model are made with this one.
    """

    label: str
    model: str
    request: str
    original: str | None = None
    oracles: tuple[str, ...] = ()
    oracle_audits: tuple[Mapping[str, str], ...] = ()
    original_audits: Mapping[str, str] = field(factory=dict)
    shadows: ShadowSides | None = None
    first: bool = True


@frozen(kw_only=True)
class AuditPlanner:
    """Adds audit stages.

    Attributes:
        stages: where they are added.
        auditors: by title.
        references: keys of the blocks of references.
        model: spec of the models, for auditors that want more than signals.
    """

    stages: StageList
    auditors: Mapping[str, Auditor]
    references: tuple[str, ...]
    model: Mapping[str, Any]

    @property
    def wants_shadows(self) -> bool:
        """Whether any auditor compares with shadows."""
        return any(auditor.needs.shadows for auditor in self.auditors.values())

    def audit(self, audited: Audited) -> dict[str, str]:
        """Return the keys of all audits of one model, by the auditor's title."""
        audits: dict[str, str] = {}
        for title, auditor in self.auditors.items():
            if self._applies(auditor, audited, audits):
                audits[title] = self._stage(title, auditor, audited, audits)
        return audits

    def audit_original(self, audited: Audited) -> dict[str, str]:
        """Audit an original as if it were unlearned, for the auditors that compare with it."""
        wanted = {title for auditor in self.auditors.values() if auditor.needs.original_reports
                  for title in auditor.needs.reports}
        audits: dict[str, str] = {}
        for title, auditor in self.auditors.items():
            if title in wanted:
                audits[title] = self._stage(title, auditor, audited, audits)
        return audits

    def audit_oracles(self, rows: Sequence[Sequence[Audited]]) -> list[Cell]:
        """Audit every oracle against the others of its request; auditor by auditor, since some read earlier reports.

        Args:
            rows: the oracles of each request.
        """
        audits: list[list[dict[str, str]]] = [[{} for _ in row] for row in rows]
        for title, auditor in self.auditors.items():
            for row, done in zip(rows, audits, strict=True):
                for k, audited in enumerate(row):
                    others = tuple(done[j] for j in range(len(row)) if j != k)
                    done[k][title] = self._stage(title, auditor, audited, done[k], others)
        return [Cell(method=ORACLE, access=None, original=None, request=r, run=k, model=audited.model,
                     audits=audits[r][k])
                for r, row in enumerate(rows) for k, audited in enumerate(row)]

    def _applies(self, auditor: Auditor, audited: Audited, audits: Mapping[str, str]) -> bool:
        needs = auditor.needs
        return (audited.first or not needs.method_level) and all(name in audits for name in needs.reports)

    def _stage(self, title: str, auditor: Auditor, audited: Audited, audits: Mapping[str, str],
               oracle_audits: Sequence[Mapping[str, str]] | None = None) -> str:
        needs = auditor.needs
        compared = (audited.oracle_audits if oracle_audits is None else oracle_audits) if needs.reports else ()
        shadows = audited.shadows if needs.shadows else None
        content: dict[str, Any] = {
            "auditor": describe(auditor), "audited": audited.model, "request": audited.request,
            "original": audited.original,
            "oracles": list(audited.oracles) if needs.oracles else [],
            "references": list(self.references) if needs.references else [],
            "shadows": shadows.spec if shadows else None,
            "reports": {name: audits[name] for name in needs.reports},
            "oracle_reports": [{name: one[name] for name in needs.reports} for one in compared],
            "original_reports": dict(audited.original_audits) if needs.original_reports else {},
            "model": self.model if needs.models else None,
            "seed": self.stages.seed("audit", title),
        }
        reports = [content["reports"], content["original_reports"], *content["oracle_reports"]]
        inputs = [audited.model, audited.request, *([audited.original] if audited.original else []),
                  *content["oracles"], *content["references"], *(shadows.keys if shadows else ()),
                  *(key for one in reports for key in one.values())]
        return self.stages.add("audit", f"audit {title} of {audited.label}", inputs, **content)


def why_not(auditor: Auditor, suite: Suite, capabilities: frozenset[str], adapter: str,
            chosen: Mapping[str, Auditor]) -> str | None:
    """Return why ``auditor`` cannot run in ``suite``, or None.

    Args:
        auditor: with its settings.
        suite: the suite.
        capabilities: what its models can do.
        adapter: name of what makes them.
        chosen: the auditors before it, by title.
    """
    needs: Needs = auditor.needs
    wrapped: Auditor | None = getattr(auditor, "wrapped", None)
    if wrapped is not None and (reason := why_not(wrapped, suite, capabilities, adapter, chosen)):
        return f"'{wrapped.name}' inside it {reason}"
    # Shadow originals wait in the store for the methods that will unlearn from them.
    required = auditor.requires | ({"parameters"} if needs.shadows else set())
    missing = sorted(required - capabilities)
    if missing:
        return f"needs {', '.join(missing)}; adapter '{adapter}' does not offer it"
    # An auditor may know architectures that it can say nothing about, whatever they are trained on.
    unsuited: Callable[[ModelSpec], str | None] | None = getattr(auditor, "unsuited", None)
    if unsuited is not None and (reason := unsuited(suite.model)):
        return reason
    if suite.requests.scope not in auditor.scopes:
        return f"judges {', '.join(auditor.scopes)} requests, the suite's are {suite.requests.scope} requests"
    if needs.oracles >= suite.oracles:
        return f"needs {needs.oracles} oracles beside the audited one; the suite has {suite.oracles} per forget set"
    wanted = 2 if needs.references == -1 else needs.references
    if wanted > suite.references.count:
        return f"needs {wanted} references; the suite has {suite.references.count}"
    if needs.shadows and suite.requests.sequence > 1:
        return "needs shadows, which unlearn one request and no sequence of them"
    if needs.shadows > suite.shadows.count:
        return f"needs {needs.shadows} shadows a side; the suite has {suite.shadows.count}"
    poison = suite.data.poison.kind if suite.data.poison else ""
    if needs.poison and needs.poison != poison:
        return f"needs a training set poisoned with '{needs.poison}'; the suite's is {poison or 'clean'}"
    if needs.poison and suite.requests.generator != "poisoned":
        return f"judges the forgetting of poisoned examples; the suite's requests are '{suite.requests.generator}'"
    absent = [name for name in needs.reports if name not in chosen]
    if absent:
        return f"needs the reports of {', '.join(absent)}, which must stand before it in the suite"
    return None
