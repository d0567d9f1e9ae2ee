"""The audit ``kkt-verdict``: executed, not executed or inconclusive, calibrated by oracles and by the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from harness import AuditCase, AuditReport, Needs, Scope, Score
from reference_methods.auditors.kkt.evidence import (
    PUBLISHED_THRESHOLDS,
    Evidence,
    evidence,
    recovery_distances,
    verified,
)
from reference_methods.auditors.kkt.matching import standardised

Array = NDArray[np.float64]
Verdict = Literal["executed", "not executed", "inconclusive"]

_VALUES: dict[Verdict, float] = {"executed": 0.0, "inconclusive": 0.5, "not executed": 1.0}
_SHOWN = 12


@frozen(kw_only=True)
class KktVerdict:
    """Whether a forget set was forgotten, from reconstructions of the model, the original and oracles.

    Every image's nearness to the bank is taken less its mean nearness to the oracles' banks, which takes out what an
    image has in common with any bank of this size. If forget images are still nearer than never-seen ones, unlearning
    was *not executed*. If not, it was *executed* - but only if the same test finds the forget set in the original
    (precondition of algorithm 1), and the model is trained far enough; otherwise the verdict is *inconclusive*.

    An oracle has no original, so for it the precondition is taken for granted: its verdicts give the false-alarm rate.
    The power is that of a method that does nothing.

    Attributes:
        report: title of the ``kkt`` audit in the suite.
        statistic: nearness by correlation of ``whitened`` pixels or of plain ones (``correlation``), or by ``span``.
        level: false-alarm rate of both tests.
        oracles: least number of oracles to compare with, beside the audited one.
    """

    report: str = "kkt"
    statistic: Literal["correlation", "whitened", "span"] = field(
        default="whitened", validator=validators.in_(("correlation", "whitened", "span")))
    level: float = field(default=0.05, validator=[validators.gt(0), validators.lt(1)])
    oracles: int = field(default=2, validator=validators.ge(1))

    name: ClassVar[str] = "kkt-verdict"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"parameters"})
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")
    expected_failures: ClassVar[Mapping[str, str]] = {
        "check_original_stands_out": "the small models are not trained as reconstruction needs it: their first layer "
                                     "starts at full size, so nothing can be recovered from any of them"}

    @property
    def needs(self) -> Needs:
        """The reports of ``kkt`` on this model, the oracles and the original."""
        return Needs(oracles=self.oracles, reports=(self.report,), original_reports=True)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return the verdict as a number (1 not executed, 0 executed, 0.5 inconclusive) and what it rests on."""
        own = case.reports[self.report]
        original = case.original_reports.get(self.report)
        oracles = [reports[self.report] for reports in case.oracle_reports]
        empty = [name for name, report in (("audited", own), ("original", original), *(
            (f"oracle {number}", report) for number, report in enumerate(oracles)))
            if report is not None and "inconclusive" in report.notes]
        if empty:
            reason = f"nothing was recovered from: {', '.join(empty)}"
            return AuditReport(scores=(_verdict_score("inconclusive", case),),
                               notes={"verdict": "inconclusive", "reason": reason})
        after = self._evidence(case, own, oracles)
        before = None if original is None else self._evidence(case, original, oracles)
        verdict, reason = self._verdict(after, before, own.notes)
        scores = [_verdict_score(verdict, case), *_evidence_scores("KKT calibrated", after)]
        if original is not None and before is not None:
            scores += [*_evidence_scores("KKT original", before), *_distance_scores(case, original, own)]
        thresholds = _thresholds(case, oracles)
        scores.append(Score(name="KKT V calibrated", value=100 * verified(_ssim(case, own), thresholds),
                            n=len(thresholds), unit="%"))
        notes = {"verdict": verdict, "reason": reason, "published": _published(case, original, own, thresholds)}
        figures = {"before-after.png": _sheet(case, original, own, oracles[0])}
        return AuditReport(scores=tuple(scores), notes=notes, figures=figures,
                           per_sample={"forget_p": after.per_sample, "forget_q": after.q_values})

    def _evidence(self, case: AuditCase, report: AuditReport, oracles: Sequence[AuditReport]) -> Evidence:
        train, unseen = (
            report.per_sample[f"{part}_{self.statistic}"]
            - np.mean([oracle.per_sample[f"{part}_{self.statistic}"] for oracle in oracles], axis=0)
            for part in ("train", "unseen"))
        labels = case.data.test.labels[report.per_sample["unseen_indices"]]
        compared = np.isin(labels, case.request.classes) if case.request.scope == "class" else np.ones_like(labels) > 0
        forget = case.request.forget
        return evidence(train[forget], unseen[compared], case.data.train.labels[forget], labels[compared])

    def _verdict(self, after: Evidence, before: Evidence | None, facts: Mapping[str, Any]) -> tuple[Verdict, str]:
        if after.p_value <= self.level:
            return "not executed", f"forget images are nearer than never-seen ones, p = {after.p_value:.2g}"
        if before is not None and before.p_value > self.level:
            return "inconclusive", f"the original does not give the forget set away either, p = {before.p_value:.2g}"
        kept = float(facts["kept_p"][self.statistic])
        if kept > self.level:
            return "inconclusive", f"the model does not give its retain set away either, p = {kept:.2g}"
        if "weak" in facts:
            return "inconclusive", str(facts["weak"])
        return "executed", f"forget images are no nearer than never-seen ones, p = {after.p_value:.2g}"


def _verdict_score(verdict: Verdict, case: AuditCase) -> Score:
    return Score(name="KKT verdict", value=_VALUES[verdict], n=len(case.request.forget), unit="verdict")


def _evidence_scores(prefix: str, found: Evidence) -> list[Score]:
    return [Score(name=f"{prefix} AUC", value=found.auc, low=found.low, high=found.high, unit="auc", chance=0.5,
                  standard_error=found.standard_error, n=len(found.per_sample)),
            Score(name=f"{prefix} p", value=found.p_value, n=len(found.per_sample), unit="p")]


def _distance_scores(case: AuditCase, original: AuditReport, own: AuditReport) -> list[Score]:
    """Return the means of D_i over forget and retain set; equation 20 expects the first to be larger."""
    before, after = (standardised(report.per_sample["recovered"].reshape(len(case.data.train), -1).astype(np.float64))
                     for report in (original, own))
    distances = recovery_distances(before, after)
    return [Score(name=f"KKT D {name}", value=float(distances[rows].mean()), n=len(rows), unit="distance")
            for name, rows in (("forget", case.request.forget), ("kept", case.retain))]


def _ssim(case: AuditCase, report: AuditReport) -> Array:
    forgotten: Array = report.per_sample["train_ssim"][case.request.forget]
    return forgotten


def _thresholds(case: AuditCase, oracles: Sequence[AuditReport]) -> Array:
    """Return (K,) tau of each forget image: the best similarity in the bank of an oracle, which has not seen it."""
    highest: Array = np.max([_ssim(case, oracle) for oracle in oracles], axis=0)
    return highest


def _published(case: AuditCase, original: AuditReport | None, own: AuditReport, calibrated: Array) -> dict[str, Any]:
    """Return algorithm 1's outcomes, as numbers of forget images, at fixed and calibrated thresholds.

    An image that the original does not verify is undefined in the paper; here it is inconclusive.
    """
    if original is None:
        return {}
    before, after = _ssim(case, original), _ssim(case, own)
    counts = {}
    for name, tau in ((*((f"{tau:g}", np.full(len(before), tau)) for tau in PUBLISHED_THRESHOLDS),
                       ("calibrated", calibrated))):
        found = before > tau
        counts[name] = {"executed": int(np.sum(found & (after <= tau))),
                        "not executed": int(np.sum(found & (after > tau))), "inconclusive": int(np.sum(~found))}
    return counts


def _sheet(case: AuditCase, original: AuditReport | None, own: AuditReport, oracle: AuditReport) -> bytes:
    from reference_methods.auditors.kkt.sheet import Strip, picture_sheet

    shown = case.request.forget[:_SHOWN]
    low = case.data.test.inputs.min(axis=0)
    strips = [Strip(title="forget", images=(case.data.train.inputs[shown] - low).astype(np.float64),
                    captions=[""] * len(shown))]
    for title, report in (("before", original), ("after", own), ("an oracle", oracle)):
        if report is not None:
            strips.append(Strip(title=title, images=(report.per_sample["recovered"][shown] - low).astype(np.float64),
                                captions=[f"SSIM {value:.2f}" for value in report.per_sample["train_ssim"][shown]]))
    return picture_sheet(strips)
