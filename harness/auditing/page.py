"""The report of one audit: everything about it in one HTML file that loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from attrs import frozen
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.auditing.evidence import Answers, Evidence
from harness.auditing.judgement import Compared
from harness.auditing.report import AuditOutcome
from harness.auditing.strips import strip
from harness.auditing.verdict import Verdict
from harness.environment import environment
from harness.errors import BadSetting

HEADLINES = {
    "residual": "A trace of the forget set was found", "reversed": "The forget set stands out",
    "differs": "Not like a retrained model", "consistent": "Consistent with retraining", "inconclusive": "Inconclusive",
}


@frozen(kw_only=True)
class Line:
    """One score as the page shows it."""

    cells: dict[str, str]
    differs: bool
    picture: Markup


def write_page(outcome: AuditOutcome, seed: int, out: Path) -> None:
    """Write the report of an audit.

    Args:
        outcome: what the audit found.
        seed: that it was made with.
        out: the HTML file; its folder is made.

    Raises:
        BadSetting: if it cannot be written.
    """
    html = make_page(outcome, seed)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(html, encoding="utf-8")
    except OSError as error:
        raise BadSetting(f"{out}: cannot be written: {error.strerror}") from error


def make_page(outcome: AuditOutcome, seed: int) -> str:
    """Return the report as HTML; whatever comes from models, files and plugins is escaped."""
    style = (files("harness.auditing") / "templates" / "audit.css").read_text(encoding="utf-8")
    templates = Environment(loader=PackageLoader("harness.auditing"), autoescape=True, undefined=StrictUndefined,
                            trim_blocks=True, lstrip_blocks=True)
    evidence, found = outcome.evidence, environment("cpu")
    # The style is a file of this package.
    return templates.get_template("audit.html").render(
        outcome=outcome, evidence=evidence, headline=HEADLINES[outcome.verdict.kind],
        conclusion=_conclusion(outcome.verdict),
        lines=list(_lines(outcome)), limits=list(limits(outcome)), seed=seed, environment=found,
        models=named_models(evidence),
        style=Markup(style), style_digest=_content_digest(style))


def _conclusion(verdict: Verdict) -> str:
    """Return the verdict's text without what its headline says already."""
    text = verdict.text.removeprefix(f"{HEADLINES[verdict.kind].lower()}: ")
    return text[:1].upper() + text[1:]


def limits(outcome: AuditOutcome) -> Iterator[str]:
    """Yield what a reader could take this audit to show although it does not."""
    evidence = outcome.evidence
    if outcome.verdict.kind == "consistent":
        yield ("That these audits find nothing is no proof that nothing is left: an attack that was not run, or more "
               "forgotten examples, may find more.")
    if outcome.verdict.kind == "inconclusive":
        yield "An inconclusive audit speaks neither for the model nor against it."
    if outcome.verdict.found_difference:
        yield ("A difference from retrained models is not by itself a broken promise: another recipe or other data than "
               "the oracles’ make one too.")
    if evidence.oracles:
        yield ("That the oracles were trained without the forget set, as the model under audit should have been, is "
               "taken from whoever made them.")
    if evidence.audited.name.startswith(("http:", "https:")):
        yield ("A server can answer an audit otherwise than it answers others, and can change its model afterwards; "
               "these are its answers of one time.")
    if evidence.audited.model is None:
        yield "A file of answers was audited; that they are those of the model in use is taken from whoever wrote it."
    yield (f"It is about one model and one forget set of {len(evidence.request.forget)} examples, not about a method "
           "or about further requests.")


def _lines(outcome: AuditOutcome) -> Iterator[Line]:
    compared = {(one.auditor, one.score.name): one for one in outcome.compared}
    for cells in outcome.lines():
        one = compared.get((cells["auditor"], cells["score"]))
        yield Line(cells=cells, differs=one is not None and one.differs, picture=_picture(one))


def _picture(one: Compared | None) -> Markup:
    return strip(one) if one is not None and one.oracles else Markup()


def named_models(evidence: Evidence) -> list[tuple[str, Answers]]:
    """Return every model that was asked, with the part that it plays."""
    return [("under audit", evidence.audited), *([("original", evidence.original)] if evidence.original else []),
            *((f"oracle {number}", oracle) for number, oracle in enumerate(evidence.oracles, start=1))]


def _content_digest(text: str) -> str:
    """Return a content-security source that allows exactly ``text``."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
