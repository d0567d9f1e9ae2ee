"""The audit of one model as a whole: run, compare, conclude, and say all of it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from attrs import field, frozen

from harness.auditing.evidence import Answers, Evidence
from harness.auditing.examination import Examination, examine
from harness.auditing.judgement import Compared, accused_oracles, compare, detectable
from harness.auditing.verdict import Verdict, conclude, number, with_interval
from harness.audits import Auditor, Skip
from harness.environment import environment
from harness.plugins import Registry
from harness.settings import as_json, configure
from harness.suite import AuditorSpec

STEADY = 1e-3
LEAST_P = 1e-3
SAME = 1e-4
"""Two runtimes that compute the same weights differ by less."""


@frozen(kw_only=True, eq=False)
class AuditOutcome:
    """Everything that an audit found.

    Attributes:
        evidence: what it rests on.
        examination: what the auditors say.
        compared: the scores with an oracle for a target, beside the oracles'.
        accused: how many oracles the audits accuse in the model's place; None where too few are left to say.
        verdict: the conclusion.
        meanings: by title of an auditor that ran, what it is about, in one line.
    """

    evidence: Evidence
    examination: Examination
    compared: tuple[Compared, ...]
    accused: int | None
    verdict: Verdict
    meanings: Mapping[str, str] = field(factory=dict)

    def lines(self) -> list[dict[str, str]]:
        """Return the table: one line for each score."""
        compared = {(one.auditor, one.score.name): one for one in self.compared}
        return [_line(finding.title, score.name, with_interval(score), compared.get((finding.title, score.name)))
                for finding in self.examination.findings for score in finding.audited.scores]

    def notes(self) -> list[str]:
        """Return what a reader must know beside the table."""
        evidence, request = self.evidence, self.evidence.request
        kept = len(evidence.data.train) - len(request.forget)
        count = 0 if evidence.references is None else len(evidence.references.logits)
        lines = [f"{evidence.audited.name} on {evidence.data.name}: {len(request.forget)} training examples to forget "
                 f"({request.scope} request), {kept} retained, {len(evidence.data.test)} test examples; "
                 f"{len(evidence.oracles)} oracles, {count} references, "
                 f"{'the' if evidence.original else 'no'} original"]
        if self.accused is not None:
            lines.append(f"in the model's place, {self.accused} of {len(evidence.oracles)} oracles would be found to "
                         "differ from the others")
        lines += self.coincidences()
        if self.warning():
            lines.append(f"warning: {self.warning()}")
        lines += [f"{title}: skipped, {skip.reason}" for title, skip in self.examination.skipped.items()]
        return lines + [f"{title}: failed, {failure.error}" for title, failure in self.examination.failed.items()]

    def coincidences(self) -> list[str]:
        """Return with which of the models that it is compared with the audited model agrees in every answer."""
        own, evidence = self.evidence.audited, self.evidence
        others = [*([evidence.original] if evidence.original else []), *evidence.oracles]
        same = [other for other in others if np.abs(own.signals.pool - other.signals.pool).max() <= SAME]
        return [f"every answer of {own.name} is that of {_part(other, evidence)} {other.name}, to within {SAME:g}"
                for other in same]

    def warning(self) -> str:
        """Return what is odd about the model's answers, or nothing."""
        unsteady = self.evidence.audited.unsteadiness
        if unsteady is None or unsteady <= STEADY:
            return ""
        return (f"asked again in another batch, the model answers differently (by {unsteady:.2g}); its scores hold for "
                "these answers only")

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        evidence, request = self.evidence, self.evidence.request
        compared = {(one.auditor, one.score.name): one for one in self.compared}
        return {
            "verdict": as_json(self.verdict),
            "model": _model(evidence.audited), "original": _model(evidence.original),
            "oracles": [_model(oracle) for oracle in evidence.oracles],
            "references": None if evidence.references is None else {
                "count": len(evidence.references.logits), "digest": evidence.references.digest},
            "data": {"name": evidence.data.name, "digest": evidence.data.digest, "source": evidence.data.source,
                     "train": len(evidence.data.train), "test": len(evidence.data.test)},
            "request": {"digest": request.digest, "scope": request.scope, "classes": list(request.classes),
                        "forget": len(request.forget)},
            "oracles_accused": self.accused,
            "scores": [{"auditor": finding.title, **as_json(score),
                        **_beside(compared.get((finding.title, score.name)))}
                       for finding in self.examination.findings for score in finding.audited.scores],
            "notes": {finding.title: dict(finding.audited.notes) for finding in self.examination.findings},
            "skipped": {title: skip.reason for title, skip in self.examination.skipped.items()},
            "failed": {title: failure.error for title, failure in self.examination.failed.items()},
            "environment": environment("cpu"),
        }


def audit(evidence: Evidence, auditors: Mapping[str, AuditorSpec], registry: Registry, seed: int,
          unconfigured: Mapping[str, str] | None = None) -> AuditOutcome:
    """Return what all audits say of a model, and what may be concluded.

    Args:
        evidence: what they may read.
        auditors: by title, with settings.
        registry: of the plugins.
        seed: for everything random in them.
        unconfigured: by title, why an auditor cannot even be made.
    """
    made = {title: configure(registry.auditors[spec.name], spec.settings, f"auditor '{title}'")
            for title, spec in auditors.items()}
    examination = examine(evidence, made, seed)
    skipped = {**examination.skipped, **{title: Skip(reason=reason) for title, reason in (unconfigured or {}).items()}}
    compared = compare(examination)
    return AuditOutcome(
        evidence=evidence, examination=attrs.evolve(examination, skipped=skipped), compared=compared,
        accused=accused_oracles(examination), verdict=conclude(compared, len(evidence.oracles)),
        meanings={finding.title: _first_line(made[finding.title]) for finding in examination.findings})


def _first_line(auditor: Auditor) -> str:
    return (inspect.getdoc(type(auditor)) or "").partition("\n")[0].replace("`", "")


def _line(auditor: str, name: str, audited: str, one: Compared | None) -> dict[str, str]:
    if one is None or not one.oracles:
        return {"auditor": auditor, "score": name, "audited": audited, "oracle": "-", "original": "-", "beside": "-"}
    unit = one.score.unit
    reach = detectable(one)
    if one.p is None or reach is None:
        beside = "error not known"
    elif one.differs:
        beside = f"differs, {_p(one.p)}"
    elif abs(one.score.value - one.oracle) <= reach:
        beside = f"within {number(reach, unit)}"
    else:
        beside = f"unclear, {_p(one.p)}"
    return {"auditor": auditor, "score": name, "audited": audited, "oracle": number(one.oracle, unit),
            "original": "-" if one.original is None else number(one.original, unit), "beside": beside}


def _part(answers: Answers, evidence: Evidence) -> str:
    return "the original" if answers is evidence.original else "the oracle"


def _p(value: float) -> str:
    """Return an adjusted p-value; what lies far out in a tail says more of the normal distribution than of the model."""
    return f"p = {value:.1g}" if value >= LEAST_P else f"p < {LEAST_P:g}"


def _beside(one: Compared | None) -> dict[str, Any]:
    if one is None:
        return {}
    return {"oracle_values": list(one.oracles), "original_value": one.original, "error": one.error,
            "degrees": None if np.isinf(one.degrees) else one.degrees, "p": one.p, "original_p": one.original_p}


def _model(answers: Any) -> dict[str, Any] | None:
    if answers is None:
        return None
    return {"name": answers.name, "digest": answers.signals.digest, "unsteadiness": answers.unsteadiness}
