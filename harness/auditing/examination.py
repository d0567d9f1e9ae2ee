"""Running every audit that the evidence allows, on the audited model and on those that it is compared with."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence

from attrs import field, frozen

from harness.auditing.evidence import Answers, Evidence
from harness.audits import AuditCase, Auditor, AuditReport, Failure, Skip
from harness.digests import derive_seed
from harness.models import capabilities

Reports = Mapping[str, AuditReport]


@frozen(kw_only=True, eq=False)
class Finding:
    """What one auditor says.

    Attributes:
        title: of the auditor.
        audited: its report on the model under audit.
        original: on the original as if it were the unlearned model, if there is one.
        oracles: on each oracle against the others; empty where too few are left to compare it with.
    """

    title: str
    audited: AuditReport
    original: AuditReport | None = None
    oracles: tuple[AuditReport, ...] = ()


@frozen(kw_only=True)
class Examination:
    """What all auditors say.

    Attributes:
        findings: of those that ran, in the order in which they ran.
        skipped: by title, why an auditor could not run.
        failed: by title, how an auditor broke.
    """

    findings: tuple[Finding, ...] = ()
    skipped: Mapping[str, Skip] = field(factory=dict)
    failed: Mapping[str, Failure] = field(factory=dict)


def examine(evidence: Evidence, auditors: Mapping[str, Auditor], seed: int) -> Examination:
    """Return what every auditor says whose needs are met, and why the others say nothing.

    Args:
        evidence: what may be read; each auditor is given what it declares and no more.
        auditors: by title; those that read others' reports may stand anywhere.
        seed: for everything random.
    """
    findings: dict[str, Finding] = {}
    skipped: dict[str, Skip] = {}
    failed: dict[str, Failure] = {}
    for title in in_order(auditors):
        reason = why_not(auditors[title], evidence, findings)
        if reason:
            skipped[title] = Skip(reason=reason)
            continue
        try:
            findings[title] = _examined(title, auditors[title], evidence, findings, derive_seed(seed, "audit", title))
        # The border of one auditor: whatever it raises is its own failure and silences no other.
        except Exception as error:
            failed[title] = Failure(error=" ".join(f"{type(error).__name__}: {error}".split()),
                                    traceback=traceback.format_exc(), stage=f"audit {title}")
    return Examination(findings=tuple(findings.values()), skipped=skipped, failed=failed)


def in_order(auditors: Mapping[str, Auditor]) -> list[str]:
    """Return the titles so that each comes after those whose reports it reads."""
    ordered: list[str] = []

    def add(title: str, above: tuple[str, ...]) -> None:
        if title in ordered or title in above:
            return
        for needed in auditors[title].needs.reports:
            if needed in auditors:
                add(needed, (*above, title))
        ordered.append(title)

    for title in auditors:
        add(title, ())
    return ordered


def why_not(auditor: Auditor, evidence: Evidence, done: Mapping[str, Finding]) -> str | None:
    """Return why ``auditor`` cannot run on ``evidence``, or None if it can."""
    return next(_obstacles(auditor, evidence, done), None)


def _obstacles(auditor: Auditor, evidence: Evidence, done: Mapping[str, Finding]) -> Iterator[str]:
    needs = auditor.needs
    if evidence.request.scope not in auditor.scopes:
        yield f"judges {', '.join(auditor.scopes)} requests, this is a {evidence.request.scope} request"
    if needs.shadows or needs.method_level:
        yield "needs models that were unlearned with the same method, and one model is audited here"
    if len(evidence.oracles) < needs.oracles:
        yield f"needs {_count(needs.oracles, 'oracle')}, {len(evidence.oracles) or 'none'} given (--oracle or --suite)"
    if needs.references:
        given = 0 if evidence.references is None else len(evidence.references.logits)
        if given < max(1, needs.references):
            wanted = "references" if needs.references < 0 else _count(needs.references, "reference")
            yield f"needs {wanted}, {given or 'none'} given (--references or --suite)"
    poison = evidence.data.poison.kind if evidence.data.poison else ""
    if needs.poison and (needs.poison, "poisoned") != (poison, evidence.request.generator):
        yield f"judges the forgetting of examples poisoned with '{needs.poison}', which only a suite can bring along"
    if needs.models or auditor.requires:
        everybody = [evidence.audited, *([evidence.original] if evidence.original else []), *evidence.oracles]
        yield from (reason for answers in everybody if (reason := _lacking(auditor, answers)))
    missing = [title for title in needs.reports if title not in done]
    if missing:
        yield f"needs the reports of {', '.join(missing)}, which are not there"
    if needs.original_reports and evidence.original is None:
        yield "needs the original (--original or --suite)"


def _lacking(auditor: Auditor, answers: Answers) -> str | None:
    if answers.model is None:
        return f"needs more than the answers of {answers.name}"
    missing = sorted(auditor.requires - capabilities(answers.model))
    return f"needs {', '.join(missing)}; {answers.name} does not offer it" if missing else None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _examined(title: str, auditor: Auditor, evidence: Evidence, done: Mapping[str, Finding], seed: int) -> Finding:
    names = auditor.needs.reports
    oracle_reports: list[Reports] = [
        {name: done[name].oracles[k] for name in names if k < len(done[name].oracles)}
        for k in range(len(evidence.oracles))]
    original_reports: Reports = {name: report for name in names if (report := done[name].original) is not None}

    def audit(answers: Answers, own: Reports, others: Sequence[int], original: Answers | None) -> AuditReport:
        return auditor.audit(_case(
            auditor, evidence, answers, original, [evidence.oracles[k] for k in others], seed,
            reports=own, oracle_reports=[oracle_reports[k] for k in others] if names else [],
            original_reports=original_reports if auditor.needs.original_reports and original else {}))

    everyone = range(len(evidence.oracles))
    oracles: list[AuditReport] = []
    if len(everyone) > auditor.needs.oracles or (everyone and not auditor.needs.oracles):
        oracles = [audit(evidence.oracles[k], oracle_reports[k], [j for j in everyone if j != k], None)
                   for k in everyone]
    own = {name: done[name].audited for name in names}
    return Finding(
        title=title, oracles=tuple(oracles), audited=audit(evidence.audited, own, everyone, evidence.original),
        original=audit(evidence.original, original_reports, everyone, None)
        if evidence.original and not auditor.needs.original_reports else None)


def _case(auditor: Auditor, evidence: Evidence, audited: Answers, original: Answers | None,
          oracles: Sequence[Answers], seed: int, *, reports: Reports, oracle_reports: Sequence[Reports],
          original_reports: Reports) -> AuditCase:
    needs = auditor.needs
    models = {"unlearned": audited.model, "original": original.model if original else None,
              **{f"oracle-{k}": oracle.model for k, oracle in enumerate(oracles)}}
    return AuditCase(
        data=evidence.data, request=evidence.request, unlearned=audited.signals,
        original=original.signals if original else None,
        oracles=tuple(oracle.signals for oracle in oracles) if needs.oracles else (),
        references=evidence.references if needs.references else None,
        models={name: model for name, model in models.items() if model is not None} if needs.models else {},
        reports=reports, oracle_reports=oracle_reports, original_reports=original_reports, seed=seed)
