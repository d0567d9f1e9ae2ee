import attrs
import pytest

from harness.choice import choose
from harness.context import Place, load_dataset
from harness.errors import BadSetting, UnknownName
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.suite import AuditorSpec, MethodSpec, RequestSpec

REGISTRY = load_registry(installed=False)


@pytest.fixture
def plan_of(tmp_path):
    def plan(suite):
        return make_plan(suite, load_dataset(REGISTRY, suite.data, Place(store=tmp_path)), REGISTRY)
    return plan


def kinds(plan):
    found: dict[str, int] = {}
    for stage in plan.stages:
        found[stage.kind] = found.get(stage.kind, 0) + 1
    return found


def test_an_original_is_trained_once_and_never_once_per_request(plan_of, tiny):
    found = kinds(plan_of(tiny))
    assert found["train"] == 2
    assert found["retrain"] == 2 * 2
    assert found["reference"] == 2


def test_every_stage_comes_after_its_inputs(plan_of, tiny):
    seen: set[str] = set()
    for stage in plan_of(tiny).stages:
        assert set(stage.inputs) <= seen
        seen.add(stage.key)


def test_planning_twice_gives_the_same_keys(plan_of, tiny):
    assert [s.key for s in plan_of(tiny).stages] == [s.key for s in plan_of(tiny).stages]


def test_adding_a_method_moves_no_other_number(plan_of, tiny):
    more = attrs.evolve(tiny, unlearners=(MethodSpec(name="perturb"), *tiny.unlearners))
    assert {s.key for s in plan_of(tiny).stages} < {s.key for s in plan_of(more).stages}


def test_adding_an_auditor_moves_no_other_number(plan_of, tiny):
    more = attrs.evolve(tiny, auditors=(AuditorSpec(name="mis"), *tiny.auditors))
    assert {s.key for s in plan_of(tiny).stages} < {s.key for s in plan_of(more).stages}


def test_more_references_keep_the_blocks_that_are_there(plan_of, tiny):
    more = choose(tiny, REGISTRY, references=8)
    few, many = plan_of(tiny).references, plan_of(more).references
    assert many[:len(few)] == few
    assert len(many) == 4


def test_a_hyper_parameter_changes_its_method_and_nothing_else(plan_of, tiny):
    changed = choose(tiny, REGISTRY, settings=[("ft", "lr", 0.02)])
    new = [s for s in plan_of(changed).stages if s.key not in {s.key for s in plan_of(tiny).stages}]
    assert {s.kind for s in new} == {"unlearn", "audit"}
    assert all("ft" in s.label for s in new)


def test_oracles_are_audited_without_themselves(plan_of, tiny):
    plan = plan_of(tiny)
    stages = {stage.key: stage for stage in plan.stages}
    for cell in plan.cells:
        if cell.method == "oracle":
            gap = stages[cell.audits["average-gap"]]
            others = {c.audits["rmia"] for c in plan.cells
                      if c.method == "oracle" and c.request == cell.request and c.run != cell.run}
            assert {one["rmia"] for one in gap.spec["oracle_reports"]} == others


def test_what_cannot_run_is_skipped_with_its_reason(plan_of, tiny):
    skipped = {(s.title, s.access): s.reason for s in plan_of(tiny).skipped}
    assert skipped == {("ft", "forget-only"): "needs the retain set"}


def test_a_composite_auditor_without_its_reports_is_skipped(plan_of, tiny):
    plan = plan_of(attrs.evolve(tiny, auditors=(AuditorSpec(name="average-gap"),)))
    assert [s.reason for s in plan.skipped if s.kind == "auditor"] == [
        "needs the reports of accuracy, rmia, which must stand before it in the suite"]


def test_an_auditor_that_wants_more_references_than_there_are_is_skipped(plan_of, tiny):
    spec = AuditorSpec(name="rmia", settings={"references": 6})
    plan = plan_of(attrs.evolve(tiny, auditors=(spec,)))
    assert plan.skipped[0].reason == "needs 6 references; the suite has 4"


def test_choosing_an_auditor_brings_the_reports_that_it_needs(tiny):
    chosen = choose(tiny, REGISTRY, auditors=["average-gap"])
    assert {spec.name for spec in chosen.auditors} == {"accuracy", "rmia", "average-gap"}
    assert chosen.auditors[-1].name == "average-gap"


def test_an_auditor_can_be_chosen_by_its_other_name(tiny):
    chosen = choose(tiny, REGISTRY, auditors=["cmia"])
    assert [(spec.name, spec.title) for spec in chosen.auditors] == [("mia-nn", "cmia")]


def test_a_chosen_method_outside_the_suite_runs_with_its_defaults(tiny):
    chosen = choose(tiny, REGISTRY, methods=["ga", "perturb"])
    assert [(spec.title, dict(spec.settings)) for spec in chosen.unlearners] == [
        ("ga", {"epochs": 1, "lr": 0.001}), ("perturb", {})]


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"methods": ["gaa"]}, UnknownName, r"'gaa' is not an unlearner; did you mean 'ga'\?"),
    ({"auditors": ["rmai"]}, UnknownName, r"'rmai' is not an auditor; did you mean 'rmia'\?"),
    ({"settings": [("gaa", "lr", 1.0)]}, UnknownName, "'gaa' is not a method of this run"),
    ({"references": 3}, BadSetting, "--references 3: references: count 3 must be a multiple of an even block, got 2"),
])
def test_a_wrong_choice_is_told(tiny, arguments, error, message):
    with pytest.raises(error, match=message):
        choose(tiny, REGISTRY, **arguments)


def test_a_wrong_parameter_is_told_before_anything_runs(plan_of, tiny):
    with pytest.raises(BadSetting, match=r"method 'ft': no parameter is called 'epoch'; did you mean 'epochs'\?"):
        plan_of(choose(tiny, REGISTRY, settings=[("ft", "epoch", 1)]))


def test_class_requests_skip_methods_for_samples_only(plan_of, tiny):
    suite = attrs.evolve(tiny, requests=RequestSpec(generator="class", count=2))
    assert {s.scope for s in [suite.requests]} == {"class"}
    assert plan_of(suite).cells


@pytest.fixture
def sequence(tiny):
    """Return a suite of one sequence of three requests."""
    return attrs.evolve(tiny, requests=RequestSpec(count=3, sequence=3))


def test_each_step_of_a_sequence_starts_from_what_the_same_method_made_at_the_step_before(plan_of, sequence):
    plan = plan_of(sequence)
    specs = {stage.key: stage.spec for stage in plan.stages}
    models = {(c.method, c.access, c.original, c.request, c.run): c.model for c in plan.cells if c.method != "oracle"}
    assert len(set(models.values())) == len(models) == 3 * 2 * (2 + 3)
    for (method, access, original, step, run), model in models.items():
        assert specs[model]["original"] == plan.originals[original]
        before = models[method, access, original, step - 1, run] if step else None
        assert specs[model].get("start") == before


def test_every_audit_of_a_sequence_compares_with_the_original_that_was_trained(plan_of, sequence):
    plan = plan_of(sequence)
    specs = {stage.key: stage.spec for stage in plan.stages}
    assert {specs[key]["original"] for cell in plan.cells if cell.method == "ft" for key in cell.audits.values()} == {
        *plan.originals}


def test_requests_that_are_no_sequence_are_planned_as_before_there_were_any(plan_of, tiny):
    specs = [stage.spec for stage in plan_of(tiny).stages]
    assert not any({"start", "previous"} & set(spec) for spec in specs)
    assert all("sequence" not in spec["generator"] for spec in specs if spec["kind"] == "forget")


def test_audits_with_shadows_do_not_judge_sequences(plan_of, sequence):
    suite = attrs.evolve(sequence, shadows=attrs.evolve(sequence.shadows, count=16),
                         auditors=(AuditorSpec(name="u-lira"),))
    assert plan_of(suite).skipped[0].reason == "needs shadows, which unlearn one request and no sequence of them"


def test_a_sequence_that_does_not_fit_the_number_of_requests_is_told():
    with pytest.raises(ValueError, match="count 3 must be a multiple of the sequence, 2"):
        RequestSpec(count=3, sequence=2)
