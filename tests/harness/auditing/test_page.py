"""The report of an audit: it says what was found, what it rests on and what it does not show."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from harness.auditing.evidence import Answers, Evidence, select
from harness.auditing.examination import Examination
from harness.auditing.judgement import compare
from harness.auditing.page import limits, make_page, write_page
from harness.auditing.report import AuditOutcome
from harness.auditing.verdict import Verdict, conclude
from harness.audits import AuditReport, Failure, Signals, Skip
from harness.data import Dataset, Examples
from harness.errors import BadSetting
from tests.harness.auditing.scores import finding, report

DATA = Dataset(name="made-up", version="1", num_classes=2, source="made up", train=Examples(
    inputs=np.arange(8.0)[:, None], labels=np.arange(8) % 2), test=Examples(
    inputs=np.arange(4.0)[:, None], labels=np.arange(4) % 2))


def answers(name: str, seed: int, model: Any = "a model") -> Answers:
    rng = np.random.default_rng(seed)
    train, test = (rng.normal(size=(count, 2)).astype(np.float32) for count in (8, 4))
    return Answers(name=name, model=model, signals=Signals(train=train, test=test, digest=f"{seed:064d}"))


def outcome_of(audited: AuditReport, oracles: int = 3, **changes: Any) -> AuditOutcome:
    """Return what an audit of one score says."""
    selection = select(DATA, np.array([1, 2]))
    evidence = Evidence(data=selection.data, request=selection.request, audited=answers("onnx:<b>m</b>.onnx", 0),
                        original=answers("onnx:before.onnx", 1),
                        oracles=tuple(answers(f"onnx:o{k}.onnx", 2 + k) for k in range(oracles)))
    examined = Examination(findings=(finding(audited, [report(0.5)] * oracles, report(0.9), title="rmia"),),
                           skipped={"lira": Skip(reason="needs references")},
                           failed={"mis": Failure(error="ValueError: <i>", traceback="", stage="audit mis")})
    compared = compare(examined)
    return attrs.evolve(AuditOutcome(
        evidence=evidence, examination=examined, compared=compared, accused=0, verdict=conclude(compared, oracles),
        meanings={"rmia": "RMIA's attack."}), **changes)


def text_of(html: str) -> str:
    """Return what a reader sees, in one line."""
    parts: list[str] = []

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            parts.append(data)

    Reader().feed(re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL))
    return " ".join(" ".join(parts).split())


def test_it_says_the_verdict_the_scores_and_what_was_not_run() -> None:
    seen = text_of(make_page(outcome_of(report(0.8)), seed=7))

    for words in ("A trace of the forget set was found", "Residual membership signal, A of rmia 0.80 [0.78, 0.82]",
                  "differs, p < 0.001", "lira : needs references", "mis : ValueError: <i>", "RMIA's attack.", "Seed 7",
                  "2 training examples to forget", "onnx:o2.onnx", "0 of the 3 oracles would be found to differ"):
        assert words in seen


def test_it_loads_nothing_and_escapes_what_it_is_given() -> None:
    html = make_page(outcome_of(report(0.8)), seed=0)

    assert "default-src 'none'" in html
    assert "<script" not in html
    assert not re.search(r"(src|href)=", html)
    assert "onnx:<b>" not in html
    assert "ValueError: <i>" not in html


def test_every_score_with_oracles_is_drawn_and_none_without() -> None:
    assert make_page(outcome_of(report(0.8)), seed=0).count('class="strip"') == 1

    without = make_page(outcome_of(report(0.8), oracles=0), seed=0)
    assert 'class="strip"' not in without
    assert "nothing says what a retrained model would score" in without


def test_answers_that_are_another_models_are_told() -> None:
    outcome = outcome_of(report(0.8))
    same = attrs.evolve(outcome.evidence, original=attrs.evolve(outcome.evidence.audited, name="onnx:before.onnx"))

    assert outcome.coincidences() == []
    [told] = attrs.evolve(outcome, evidence=same).coincidences()
    assert told == "every answer of onnx:<b>m</b>.onnx is that of the original onnx:before.onnx, to within 0.0001"


@pytest.mark.parametrize(("kind", "words"), [
    ("consistent", "no proof that nothing is left"), ("inconclusive", "neither for the model nor against it"),
    ("differs", "not by itself a broken promise"),
])
def test_each_verdict_says_what_it_does_not_show(kind: Any, words: str) -> None:
    said = " ".join(limits(outcome_of(report(0.5), verdict=Verdict(kind=kind, text="..."))))

    assert words in said
    assert "is taken from whoever made them" in said
    assert "one model and one forget set of 2 examples" in said


def test_a_server_and_a_file_of_answers_are_believed_no_further_than_they_go() -> None:
    outcome = outcome_of(report(0.5))

    def said(audited: Answers) -> str:
        return " ".join(limits(attrs.evolve(outcome, evidence=attrs.evolve(outcome.evidence, audited=audited))))

    assert "A server can answer an audit otherwise" in said(answers("http://127.0.0.1/v2/models/m", 0))
    assert "A file of answers was audited" in said(answers("signals:m.npz", 0, model=None))


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    write_page(outcome_of(report(0.5)), 0, tmp_path / "new" / "report.html")
    assert (tmp_path / "new" / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")

    with pytest.raises(BadSetting, match="cannot be written"):
        write_page(outcome_of(report(0.5)), 0, tmp_path)
