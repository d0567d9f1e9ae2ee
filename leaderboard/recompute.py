"""Every score again, from what a submission encloses: no model is trained, and no code of the submitter is run.

The audits are planned as a run plans them, from the record and the keys of the artefacts, and executed by this
installation in the unpacked bundle. A score that cannot be recomputed is named with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from attrs import frozen

from harness.audit_planner import Audited, AuditPlanner
from harness.audits import Auditor
from harness.context import Context
from harness.describe import describe
from harness.errors import HarnessError
from harness.plan import ORACLE, Stage
from harness.plugins import DISTRIBUTION, Registry
from harness.record import CellRecord
from harness.settings import as_json, configure
from harness.stage_list import StageList
from harness.stages import execute
from leaderboard.differences import differences
from leaderboard.evidence import Evidence

# Another processor or another version of NumPy moves the last digits of a score.
TOLERANCE = 1e-6


@frozen
class Recomputed:
    """One audit that was made again: what it found, or why it failed."""

    scores: list[dict[str, Any]]
    error: str = ""


class Recomputation:
    """The audits of a submission, made again by this installation.

    Attributes:
        unchecked: why an auditor's scores cannot be recomputed, by its title.
        compared: number of scores that were.
    """

    def __init__(self, evidence: Evidence, context: Context) -> None:
        self.evidence, self.context = evidence, context
        self.unchecked: dict[str, str] = {}
        self.compared = 0
        self.auditors = self._usable(context.registry)

    def problems(self) -> Iterator[str]:
        """Yield every score that does not come out as the record says."""
        stages = StageList(self.evidence.data_spec, self.evidence.suite.seed)
        planned = self._plan(stages)
        done = {stage.key: self._execute(stage) for stage in stages}
        for cell, audits in planned:
            for title in self.auditors:
                found = done[audits[title]] if title in audits else None
                yield from (f"{cell_words(cell)}: {line}" for line in self._compare(cell, title, found))

    def sources_differ(self) -> list[str]:
        """Return the titles of the auditors whose source here is not that of the record."""
        recorded = self.evidence.record.auditors
        return [title for title, auditor in self.auditors.items()
                if describe(auditor)["source"] != recorded[title].get("source")]

    def _usable(self, registry: Registry) -> dict[str, Auditor]:
        usable: dict[str, Auditor] = {}
        for title, described in self.evidence.record.auditors.items():
            try:
                entry = registry.auditors.find(str(described.get("name")))
                auditor = configure(entry.value, described.get("settings", {}), f"auditor '{title}'")
                reason = self._obstacle(auditor, entry.owner.distribution, usable)
            except HarnessError as error:
                reason = str(error)
            if reason:
                self.unchecked[title] = reason
            else:
                usable[title] = auditor
        return usable

    def _obstacle(self, auditor: Auditor, distribution: str, usable: Mapping[str, Auditor]) -> str:
        needs = auditor.needs
        if distribution != DISTRIBUTION:
            return f"it comes from {distribution}; only built-in auditors are run on a submission"
        if needs.models and not self.evidence.encloses("weights"):
            return "it needs the models themselves, and the bundle holds no weights"
        if needs.references and len(self.evidence.references) != len(self.evidence.record.references):
            return "the references are not enclosed"
        absent = [name for name in needs.reports if name not in usable]
        return f"it needs the reports of {', '.join(absent)}" if absent else ""

    def _plan(self, stages: StageList) -> list[tuple[CellRecord, Mapping[str, str]]]:
        """Add the stages of all audits and return their keys, by the auditor's title, beside each audited model."""
        evidence = self.evidence
        cells = [cell for cell in evidence.record.cells if cell.status == "ok"]
        audits = AuditPlanner(stages=stages, auditors=self.auditors, model=evidence.model_spec,
                              references=tuple(block.key for block in evidence.references))
        requests = range(len(evidence.record.requests))
        oracles = [[cell for cell in cells if cell.method == ORACLE and cell.request == r] for r in requests]
        planned = audits.audit_oracles([[self._oracle(cell, beside) for cell in beside] for beside in oracles])
        by_place = {(one.request, one.model): one.audits for one in planned}
        found: list[tuple[CellRecord, Mapping[str, str]]] = [
            (cell, by_place[cell.request, cell.key]) for beside in oracles for cell in beside]
        for cell in cells:
            if cell.method != ORACLE:
                beside = oracles[cell.request]
                base = Audited(label=cell_words(cell), model=evidence.link(cell, "original"),
                               request=evidence.link(cell, "request"), oracles=tuple(one.key for one in beside))
                own = attrs.evolve(
                    base, model=cell.key, original=base.model, original_audits=audits.audit_original(base),
                    oracle_audits=tuple(by_place[one.request, one.key] for one in beside),
                    shadows=evidence.shadows(cell), first=cell.original == 0 and cell.run == 0)
                found.append((cell, audits.audit(own)))
        return found

    def _oracle(self, cell: CellRecord, beside: list[CellRecord]) -> Audited:
        return Audited(label=cell_words(cell), model=cell.key, request=self.evidence.link(cell, "request"),
                       oracles=tuple(one.key for one in beside if one is not cell),
                       shadows=self.evidence.shadows(cell))

    def _execute(self, stage: Stage) -> Recomputed:
        try:
            return Recomputed(list(execute(stage, self.context).report["scores"]))
        # The border to somebody else's numbers: what an audit makes of them is compared with the record.
        except Exception as error:
            return Recomputed([], f"{type(error).__name__}: {error}")

    def _compare(self, cell: CellRecord, title: str, found: Recomputed | None) -> Iterator[str]:
        given = {score.name: as_json(score) for score in cell.scores.get(title, ())}
        if found is None:
            if given or title in cell.audit_errors:
                yield f"{title} judges the method and is made once; the record has it here too"
        elif found.error:
            if title not in cell.audit_errors:
                yield f"{title} cannot be recomputed: {found.error}"
        else:
            self.compared += len(found.scores)
            yield from differences(given, {score["name"]: score for score in found.scores}, TOLERANCE)


def cell_words(cell: CellRecord) -> str:
    """Return an audited model in words."""
    if cell.method == ORACLE:
        return f"oracle {cell.run} of forget set {cell.request}"
    return f"{cell.method} {cell.access} original {cell.original} forget set {cell.request} run {cell.run}"
