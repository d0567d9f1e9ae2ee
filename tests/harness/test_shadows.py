import attrs
import numpy as np
import pytest

from harness import stages
from harness.context import Context, Place, load_dataset
from harness.engine import run_inline
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.record import read_record, write_record
from harness.run import run
from harness.suite import AuditorSpec, MethodSpec, ShadowSpec
from harness.summary import make_rows

REGISTRY = load_registry(installed=False)
SETTINGS = {"least_shadows": 4}


@pytest.fixture
def shadowed(tiny):
    """Return the tiny suite with eight shadows a side in two blocks."""
    return attrs.evolve(
        tiny, access=("retain+forget",), shadows=ShadowSpec(count=8, block=4),
        auditors=(AuditorSpec(name="accuracy"), AuditorSpec(name="u-lira", settings=SETTINGS),
                  AuditorSpec(name="klom", settings=SETTINGS)))


@pytest.fixture
def place(tmp_path):
    return Place(store=tmp_path / "store")


def plan_of(suite, place):
    return make_plan(suite, load_dataset(REGISTRY, suite.data, place), REGISTRY)


def of_kind(plan, kind):
    return [stage for stage in plan.stages if stage.kind == kind]


def test_shadow_originals_are_shared_by_all_methods_and_requests_and_retrained_ones_by_all_methods(shadowed, place):
    plan = plan_of(shadowed, place)
    assert len(of_kind(plan, "shadow")) == 2
    # Two requests, two sides (for the methods and, as the null, for the oracles), two blocks.
    assert len(of_kind(plan, "shadow-retrain")) == 2 * 2 * 2
    # Three methods, two requests, two blocks.
    assert len(of_kind(plan, "shadow-unlearn")) == 3 * 2 * 2


def test_without_an_audit_that_needs_them_there_are_no_shadows(shadowed, place):
    plan = plan_of(attrs.evolve(shadowed, auditors=(AuditorSpec(name="accuracy"),)), place)
    assert not [stage for stage in plan.stages if "shadow" in stage.kind]


def test_more_shadows_keep_the_blocks_that_are_there(shadowed, place):
    more = plan_of(attrs.evolve(shadowed, shadows=ShadowSpec(count=12, block=4)), place)
    few = {stage.key for stage in plan_of(shadowed, place).stages if "shadow" in stage.kind}
    assert few < {stage.key for stage in more.stages}


def test_another_method_adds_its_own_shadows_and_moves_no_other_number(shadowed, place):
    more = plan_of(attrs.evolve(shadowed, unlearners=(*shadowed.unlearners, MethodSpec(name="perturb"))), place)
    assert {stage.key for stage in plan_of(shadowed, place).stages} < {stage.key for stage in more.stages}


def test_the_audited_model_is_never_among_its_own_shadows(shadowed, place):
    plan = plan_of(shadowed, place)
    seeds = {}
    for stage in plan.stages:
        if stage.kind in ("train", "retrain", "shadow", "shadow-retrain"):
            assert stage.spec["seed"] not in seeds
            seeds[stage.spec["seed"]] = stage.label


def test_a_method_is_audited_with_its_own_shadows_and_an_oracle_with_retrained_ones_alone(shadowed, place):
    plan = plan_of(shadowed, place)
    planned = {stage.key: stage for stage in plan.stages}
    for cell in plan.cells:
        sides = planned[cell.audits["u-lira"]].spec["shadows"]
        unlearned = {planned[key].label for key in sides["unlearned"]}
        if cell.method == "oracle":
            assert all(f"request {cell.request}, side null" in label for label in unlearned)
            assert sides["deal"] is not None
        else:
            assert all(f"by {cell.method} retain+forget for request {cell.request}" in label for label in unlearned)
            assert sides["deal"] is None


def test_audits_of_the_method_are_made_once_per_forget_set(shadowed, place):
    plan = plan_of(shadowed, place)
    made = [(c.original, c.run) for c in plan.cells if c.method == "ft" and "klom" in c.audits]
    assert made == [(0, 0)] * 2
    assert all("klom" in cell.audits for cell in plan.cells if cell.method == "oracle")


@pytest.mark.parametrize(("count", "reason"), [(0, "needs 4 shadows a side; the suite has 0"), (4, None)])
def test_an_auditor_that_wants_more_shadows_than_there_are_is_skipped(shadowed, place, count, reason):
    plan = plan_of(attrs.evolve(shadowed, shadows=ShadowSpec(count=count, block=4)), place)
    assert {skip.title: skip.reason for skip in plan.skipped} == (
        {"u-lira": reason, "klom": reason} if reason else {})


def test_a_count_that_blocks_do_not_give_is_refused():
    with pytest.raises(ValueError, match="shadows: count 10 must be a multiple of the block, 4"):
        ShadowSpec(count=10, block=4)


def test_the_work_of_shadows_is_counted(shadowed, place):
    stage = of_kind(plan_of(shadowed, place), "shadow")[0]
    assert stage.work == 4 * 120 * 3


def test_a_run_with_shadows_ends_with_rows_and_the_null_beside_them(shadowed, place, tmp_path):
    record = run(plan_of(shadowed, place), place, REGISTRY, jobs=0)

    assert record.stages["failed"] == 0
    write_record(record, tmp_path / "record.json")
    rows = {row.method.title: row for row in make_rows(read_record(tmp_path / "record.json"))}
    klom, accuracy = rows["ft"].score("KLoM forget"), rows["ft"].score("U-LiRA accuracy")
    assert (klom.n, accuracy.n) == (2, 4)
    assert klom.oracle > 0
    assert klom.oracle == rows["oracle"].score("KLoM forget").value
    assert rows["ft"].status == "ok"


def test_dealing_both_sides_anew_keeps_the_models_and_changes_the_sides(shadowed, place):
    plan = plan_of(shadowed, place)
    wanted = [stage for stage in plan.stages if stage.kind in ("train", "forget", "shadow-retrain")]
    assert all(outcome.status == "ok" for outcome in run_inline(wanted, place, REGISTRY))
    oracle = next(cell for cell in plan.cells if cell.method == "oracle")
    spec = next(s for s in plan.stages if s.key == oracle.audits["klom"]).spec["shadows"]
    context = Context(place, REGISTRY)

    dealt, plain = context.shadows(spec), context.shadows({**spec, "deal": None})

    def all_models(shadows):
        return sorted(np.concatenate([shadows.unlearned, shadows.retrained])[:, 0, 0].tolist())

    assert all_models(dealt) == all_models(plain)
    assert not np.array_equal(dealt.unlearned, plain.unlearned)
    assert len(dealt.unlearned) == len(dealt.retrained) == 8


def test_a_method_that_fails_on_its_shadows_loses_those_audits_and_no_others(shadowed, place, monkeypatch):
    def fails(spec, context):
        raise ValueError("diverged")

    monkeypatch.setitem(stages._WORK, "shadow-unlearn", fails)
    record = run(plan_of(attrs.evolve(shadowed, unlearners=(MethodSpec(name="original"),)), place), place, REGISTRY,
                 jobs=0)

    cell = next(cell for cell in record.cells if cell.method == "original")
    assert (cell.status, list(cell.scores)) == ("ok", ["accuracy"])
    assert cell.audit_errors == dict.fromkeys(["u-lira", "klom"], "a stage that it reads from has failed")
    oracle = next(cell for cell in record.cells if cell.method == "oracle")
    assert list(oracle.scores) == ["accuracy", "u-lira", "klom"]
