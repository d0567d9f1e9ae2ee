"""Which auditors run, in what order, on what."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from attrs import evolve, field, frozen

from harness.auditing.evidence import Answers, Evidence, ask, select
from harness.auditing.examination import examine, in_order, why_not
from harness.audits import AuditCase, AuditReport, Needs, References, Score, Signals
from harness.data import Dataset, Examples
from harness.models import Model
from harness.tasks import Scope

RANDOM = np.random.default_rng(0)


class Constant:
    """A model that always answers the same."""

    def __init__(self, value: float) -> None:
        self.value = value

    def logits(self, inputs: Any) -> Any:
        """Return (N, 3) equal logits."""
        return np.full((len(inputs), 3), self.value, dtype=np.float32)


@frozen(kw_only=True)
class Mean:
    """The mean logit, less those of the oracles if it wants any."""

    wants: Needs = field(factory=Needs)
    requires_: frozenset[str] = frozenset()
    scopes_: tuple[Scope, ...] = ("sample", "class")
    seen: list[AuditCase] = field(factory=list)

    name: ClassVar[str] = "mean"
    version: ClassVar[str] = "1"

    @property
    def requires(self) -> frozenset[str]:
        return self.requires_

    @property
    def scopes(self) -> tuple[Scope, ...]:
        return self.scopes_

    @property
    def needs(self) -> Needs:
        return self.wants

    def audit(self, case: AuditCase) -> AuditReport:
        self.seen.append(case)
        return AuditReport(scores=(Score(name="mean", value=float(case.unlearned.train.mean()), n=1, unit="nats"),))


@frozen(kw_only=True)
class Broken(Mean):
    """An auditor that raises."""

    def audit(self, case: AuditCase) -> AuditReport:
        raise KeyError("no such\nthing")


@pytest.fixture
def data() -> Dataset:
    def examples(size: int) -> Examples:
        return Examples(inputs=RANDOM.random((size, 2)), labels=np.arange(size) % 3)
    return Dataset(name="d", version="1", num_classes=3, train=examples(9), test=examples(6), source="test")


@pytest.fixture
def evidence(data: Dataset) -> Evidence:
    """Return a model that answers 1, an original that answers 2, oracles that answer 10, 11 and 12."""
    selection = select(data, np.array([0, 4]))
    def answers(value: float) -> Answers:
        model: Model = Constant(value)
        return ask(f"constant:{value}", model, data)
    return Evidence(data=selection.data, request=selection.request, audited=answers(1), original=answers(2),
                    oracles=tuple(answers(value) for value in (10, 11, 12)))


def test_an_auditor_sees_what_it_declares_and_no_more(evidence: Evidence) -> None:
    plain, wanting = Mean(), Mean(wants=Needs(oracles=1, models=True))

    examine(evidence, {"plain": plain, "wanting": wanting}, 0)

    on_audited = plain.seen[-2]
    assert (on_audited.oracles, on_audited.models, on_audited.references) == ((), {}, None)
    assert on_audited.original is not None
    on_audited = wanting.seen[-2]
    assert [signals.train[0, 0] for signals in on_audited.oracles] == [10, 11, 12]
    assert set(on_audited.models) == {"unlearned", "original", "oracle-0", "oracle-1", "oracle-2"}


def test_oracles_stand_in_the_models_place_against_the_others(evidence: Evidence) -> None:
    auditor = Mean(wants=Needs(oracles=1))

    found = examine(evidence, {"mean": auditor}, 0).findings[0]

    assert [case.unlearned.train[0, 0] for case in auditor.seen[:3]] == [10, 11, 12]
    assert [[signals.train[0, 0] for signals in case.oracles] for case in auditor.seen[:3]] == [
        [11, 12], [10, 12], [10, 11]]
    assert all(case.original is None for case in auditor.seen[:3])
    assert [report.value("mean") for report in found.oracles] == [10, 11, 12]
    assert found.audited.value("mean") == 1
    assert found.original is not None
    assert found.original.value("mean") == 2


def test_with_too_few_oracles_left_they_are_not_audited_themselves(evidence: Evidence) -> None:
    single = evolve(evidence, oracles=evidence.oracles[:1])

    needing = examine(single, {"mean": Mean(wants=Needs(oracles=1))}, 0).findings[0]
    needless = examine(single, {"mean": Mean()}, 0).findings[0]

    assert needing.oracles == ()
    assert len(needless.oracles) == 1


def test_reports_reach_those_who_read_them_wherever_they_stand(evidence: Evidence) -> None:
    reader = Mean(wants=Needs(oracles=1, reports=("mean",), original_reports=True))

    found = examine(evidence, {"reader": reader, "mean": Mean()}, 0)

    assert [finding.title for finding in found.findings] == ["mean", "reader"]
    on_audited = reader.seen[-1]
    assert on_audited.reports["mean"].value("mean") == 1
    assert [reports["mean"].value("mean") for reports in on_audited.oracle_reports] == [10, 11, 12]
    assert on_audited.original_reports["mean"].value("mean") == 2
    assert [reports["mean"].value("mean") for reports in reader.seen[0].oracle_reports] == [11, 12]
    assert reader.seen[0].reports["mean"].value("mean") == 10


def test_auditors_that_read_each_other_end_somewhere() -> None:
    assert in_order({"a": Mean(wants=Needs(reports=("b",))), "b": Mean(wants=Needs(reports=("a",)))}) == ["b", "a"]


def test_a_broken_auditor_silences_no_other(evidence: Evidence) -> None:
    found = examine(evidence, {"broken": Broken(), "reader": Mean(wants=Needs(reports=("broken",))), "mean": Mean()}, 0)

    assert [finding.title for finding in found.findings] == ["mean"]
    assert found.failed["broken"].error == r"KeyError: 'no such\nthing'"
    assert "in audit" in found.failed["broken"].traceback
    assert found.skipped["reader"].reason == "needs the reports of broken, which are not there"


@pytest.mark.parametrize(("auditor", "reason"), [
    (Mean(scopes_=("class",)), "judges class requests, this is a sample request"),
    (Mean(wants=Needs(shadows=4)), "needs models that were unlearned with the same method"),
    (Mean(wants=Needs(method_level=True)), "needs models that were unlearned with the same method"),
    (Mean(wants=Needs(poison="swap")), "judges the forgetting of examples poisoned with 'swap'"),
    (Mean(wants=Needs(oracles=4)), r"needs 4 oracles, 3 given (--oracle or --suite)"),
    (Mean(wants=Needs(references=-1)), "needs references, none given (--references or --suite)"),
    (Mean(wants=Needs(references=8)), "needs 8 references, none given"),
    (Mean(requires_=frozenset({"fit", "features"})), "needs features, fit; constant:1 does not offer it"),
    (Mean(wants=Needs(reports=("rmia",))), "needs the reports of rmia, which are not there"),
    (Mean(), None),
])
def test_what_cannot_run_says_why(auditor: Mean, reason: str | None, evidence: Evidence) -> None:
    found = why_not(auditor, evidence, {})

    assert found is None if reason is None else found is not None and reason in found


def test_answers_are_no_model(evidence: Evidence) -> None:
    bare = evolve(evidence, audited=evolve(evidence.audited, model=None), original=None)

    assert why_not(Mean(wants=Needs(models=True)), bare, {}) == "needs more than the answers of constant:1"
    assert why_not(Mean(wants=Needs(original_reports=True)), bare, {}) == "needs the original (--original or --suite)"


def test_enough_references_are_enough(evidence: Evidence) -> None:
    references = References(logits=np.zeros((4, 15, 3), np.float32), membership=np.zeros((4, 15), bool), digest="")
    given = evolve(evidence, references=references)

    assert why_not(Mean(wants=Needs(references=-1)), given, {}) is None
    assert "needs 8 references, 4 given" in str(why_not(Mean(wants=Needs(references=8)), given, {}))
    auditor = Mean(wants=Needs(references=4))
    examine(given, {"mean": auditor}, 0)
    assert auditor.seen[0].references is references


def test_the_seed_and_the_title_decide_the_dice(evidence: Evidence) -> None:
    first, second, third = Mean(), Mean(), Mean()

    examine(evidence, {"a": first, "b": second}, 0)
    examine(evidence, {"a": third}, 1)

    assert len({auditor.seen[0].seed for auditor in (first, second, third)}) == 3
    assert len({case.seed for case in first.seen}) == 1
    assert isinstance(first.seen[0].unlearned, Signals)
