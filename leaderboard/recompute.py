"""Every score again, from the enclosed logits: no model is run, and no code of the submitter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from harness.audits import AuditCase, Auditor, AuditReport, References, Signals
from harness.context import Memory
from harness.data import Dataset
from harness.describe import describe
from harness.digests import derive_seed, digest_json
from harness.errors import HarnessError
from harness.plan import ORACLE
from harness.plugins import DISTRIBUTION, Registry
from harness.record import CellRecord
from harness.settings import as_json, configure
from harness.store import Manifest
from harness.tasks import ForgetRequest
from leaderboard.differences import differences
from leaderboard.evidence import Evidence

# Another processor or another version of NumPy moves the last digits of a score.
TOLERANCE = 1e-6
Reports = dict[str, AuditReport]


class Recomputation:
    """The audits of a submission, made again by this installation.

    Attributes:
        unchecked: why an auditor's scores cannot be recomputed, by its title.
        failures: the last failure of an auditor, by its title.
        compared: number of scores that were recomputed.
    """

    def __init__(self, evidence: Evidence, data: Dataset, registry: Registry) -> None:
        self.evidence, self.data = evidence, data
        self.unchecked: dict[str, str] = {}
        self.failures: dict[str, str] = {}
        self.compared = 0
        self._memory = Memory(64)
        self.auditors = self._auditors(registry)
        self.references = self._references()

    def problems(self) -> Iterator[str]:
        """Yield every score that does not come out as the record says."""
        for r in range(len(self.evidence.record.requests)):
            cells = [cell for cell in self.evidence.record.cells if cell.request == r and cell.status == "ok"]
            oracles = [cell for cell in cells if cell.method == ORACLE]
            others = [cell for cell in cells if cell.method != ORACLE]
            reports = self._oracle_reports(oracles)
            originals: dict[str, Reports] = {}
            for cell, found in zip(oracles, reports, strict=True):
                yield from self._compare(cell, found)
            for cell in others:
                yield from self._compare(cell, self._method_reports(cell, oracles, reports, originals))

    def _auditors(self, registry: Registry) -> dict[str, Auditor]:
        usable: dict[str, Auditor] = {}
        for title, described in self.evidence.record.auditors.items():
            try:
                entry = registry.auditors.find(str(described.get("name")))
                auditor = configure(entry.value, described.get("settings", {}), f"auditor '{title}'")
                reason = self._obstacle(title, auditor, entry.owner.distribution, usable)
            except HarnessError as error:
                reason = str(error)
            if reason:
                self.unchecked[title] = reason
            else:
                usable[title] = auditor
        return usable

    def _obstacle(self, title: str, auditor: Auditor, distribution: str, usable: Mapping[str, Auditor]) -> str:
        needs = auditor.needs
        if distribution != DISTRIBUTION:
            return f"it comes from {distribution}; only built-in auditors are run on a submission"
        if needs.models or needs.shadows:
            return "it needs the models themselves, not only their logits"
        if needs.references and len(self.evidence.references) != len(self.evidence.record.references):
            return "the references are not enclosed"
        absent = [name for name in needs.reports if name not in usable]
        return f"it needs the reports of {', '.join(absent)}" if absent else ""

    def sources_differ(self) -> list[str]:
        """Return the titles of the auditors whose source here is not that of the record."""
        recorded = self.evidence.record.auditors
        return [title for title, auditor in self.auditors.items()
                if describe(auditor)["source"] != recorded[title].get("source")]

    def _references(self) -> References | None:
        blocks = self.evidence.references
        if not blocks or not any(auditor.needs.references for auditor in self.auditors.values()):
            return None
        arrays = [self.evidence.store.arrays(block.key, "signals") for block in blocks]
        return References(logits=np.concatenate([a["logits"] for a in arrays]),
                          membership=np.concatenate([a["membership"] for a in arrays]),
                          digest=digest_json([block.key for block in blocks]))

    def _oracle_reports(self, oracles: list[CellRecord]) -> list[Reports]:
        """Return the reports on each oracle, held against the others; auditor by auditor, as some read earlier ones."""
        found: list[Reports] = [{} for _ in oracles]
        for title in self.auditors:
            for k, oracle in enumerate(oracles):
                beside = [j for j in range(len(oracles)) if j != k]
                self._add(found[k], title, oracle, None, [oracles[j] for j in beside], [found[j] for j in beside], {})
        return found

    def _is_read(self, title: str) -> bool:
        return any(title in auditor.needs.reports for auditor in self.auditors.values())

    def _method_reports(self, cell: CellRecord, oracles: list[CellRecord], reports: list[Reports],
                        originals: dict[str, Reports]) -> Reports:
        original = self.evidence.linked(cell, "original")
        before: Reports = {}
        if original is not None and any(auditor.needs.original_reports for auditor in self.auditors.values()):
            before = originals.setdefault(original.key, {})
            if not before:
                for title in self.auditors:
                    if self._is_read(title):
                        self._add(before, title, cell, None, oracles, reports, {}, audited=original)
        found: Reports = {}
        for title in self.auditors:
            self._add(found, title, cell, original, oracles, reports, before)
        return found

    def _add(self, found: Reports, title: str, cell: CellRecord, original: Manifest | None, beside: list[CellRecord],
             oracle_reports: list[Reports], before: Reports, *, audited: Manifest | None = None) -> None:
        """Make one report; where the audit fails, none is added, and the record has to say so too."""
        auditor, needs = self.auditors[title], self.auditors[title].needs
        read = {name: found[name] for name in needs.reports if name in found}
        compared = [{name: one[name] for name in needs.reports if name in one} for one in oracle_reports]
        try:
            found[title] = auditor.audit(AuditCase(
                data=self.data, request=self._request(cell), unlearned=self._signals(audited or self._model(cell)),
                original=self._signals(original) if original else None,
                oracles=tuple(self._signals(self._model(one)) for one in beside) if needs.oracles else (),
                references=self.references if needs.references else None, reports=read,
                oracle_reports=compared if needs.reports else [],
                original_reports=before if needs.original_reports else {},
                seed=derive_seed(self.evidence.suite.seed, "audit", title)))
        # The border to somebody else's numbers: whatever an audit makes of them is compared with the record.
        except Exception as error:
            self.failures[title] = f"{type(error).__name__}: {error}"

    def _model(self, cell: CellRecord) -> Manifest:
        manifest = self.evidence.model(cell)
        if manifest is None:
            raise ValueError(f"the model of {cell.method} is not enclosed")
        return manifest

    def _signals(self, manifest: Manifest) -> Signals:
        found: Signals = self._memory.get(manifest.key, lambda: self._read_signals(manifest))
        return found

    def _read_signals(self, manifest: Manifest) -> Signals:
        arrays = self.evidence.store.arrays(manifest.key, "signals")
        train, test = arrays["train"], arrays["test"]
        for array, count in ((train, len(self.data.train)), (test, len(self.data.test))):
            wrong = array.shape != (count, self.data.num_classes) or array.dtype != np.float32
            if wrong or not np.isfinite(array).all():
                raise ValueError(f"logits of {manifest.label[:80]} are {array.dtype} of shape {array.shape}; "
                                 f"expected finite float32 of shape {(count, self.data.num_classes)}")
        return Signals(train=train, test=test, digest=manifest.key)

    def _request(self, cell: CellRecord) -> ForgetRequest:
        manifest = self.evidence.linked(cell, "request")
        if manifest is None:
            raise ValueError(f"forget set {cell.request} is not enclosed")
        report = manifest.report
        return ForgetRequest(name=report["name"], scope=report["scope"], classes=tuple(report["classes"]),
                             generator=report["generator"], seed=report["seed"],
                             forget=self.evidence.store.arrays(manifest.key, "forget")["forget"])

    def _compare(self, cell: CellRecord, found: Reports) -> Iterator[str]:
        what = f"{cell.method} {cell.access or ''} original {cell.original} request {cell.request} run {cell.run}"
        for title in self.auditors:
            given = [as_json(score) for score in cell.scores.get(title, ())]
            if title not in found:
                if title not in cell.audit_errors:
                    yield f"{what}: {title} cannot be recomputed: {self.failures.get(title, 'no report')}"
                continue
            right = [as_json(score) for score in found[title].scores]
            self.compared += len(right)
            named = {score["name"]: score for score in right}
            yield from (f"{what}: {line}" for line in
                        differences({score["name"]: score for score in given}, named, TOLERANCE))
