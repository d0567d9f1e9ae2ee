"""The reconstruction audits as they come through the registry: by name, by check, inside a wrapper, in a suite."""

import pytest
from attrs import evolve

from harness.context import Place, load_dataset
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.run import run
from harness.suite import AuditorSpec, ModelSpec
from harness.summary import make_rows
from reference_methods.auditors.robustness import AfterPrune

REGISTRY = load_registry(installed=False)


@pytest.mark.parametrize("name", ["kkt", "kkt-verdict", "ina", "model-inversion"])
def test_the_audits_are_registered(name):
    assert REGISTRY.auditors[name]().name == name


@pytest.mark.parametrize("name", ["random-prune", "ft-all", "retrain+ft"])
def test_what_a_provider_may_do_besides_is_registered(name):
    assert REGISTRY.unlearners[name]().name == name


def test_the_audit_can_be_made_of_a_pruned_copy(original, make_case):
    wrapper = AfterPrune(inner="kkt", settings={"restarts": 1, "steps": 100}, which="random")

    report = wrapper.audit(make_case(original))

    assert report.value("KKT bank after pruning") == 2 * 16
    assert report.notes["after"] == "pruning"


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    suite = REGISTRY.suites["digits-kkt-v1-lite"]
    kept = tuple(spec for spec in suite.unlearners if spec.name in ("original", "retrain", "rl"))
    small = evolve(suite, unlearners=kept, requests=evolve(suite.requests, count=1))
    place = Place(store=tmp_path_factory.mktemp("store"))
    record = run(make_plan(small, load_dataset(REGISTRY, small.data, place), REGISTRY), place, REGISTRY, jobs=0)
    return {row.method.name: row for row in make_rows(record)}


def test_the_suite_for_tests_calls_relabelling_not_executed_where_accuracy_calls_it_forgotten(rows):
    assert rows["rl"].score("UA").value == 0.0
    assert rows["rl"].score("KKT verdict").value == 1.0


def test_the_suite_for_tests_tells_retraining_from_doing_nothing(rows):
    assert rows["original"].score("KKT verdict").value == 1.0
    assert rows["retrain"].score("KKT verdict").value == 0.0


def skipped(suite, model):
    data = load_dataset(REGISTRY, suite.data, Place(store="unused"))
    plan = make_plan(evolve(suite, model=ModelSpec(name=model, settings={})), data, REGISTRY)
    return {skip.title: skip.reason for skip in plan.skipped if skip.kind == "auditor"}


@pytest.mark.parametrize(("model", "reason"), [("mlp", "bias in every layer"), ("small-cnn", "has convolutions")])
def test_a_network_that_is_not_homogeneous_is_skipped_with_its_reason(model, reason):
    found = skipped(REGISTRY.suites["digits-kkt-v1-lite"], model)

    assert reason in found["kkt"]
    assert "reports of kkt" in found["kkt-verdict"]


def test_a_wrapper_is_skipped_for_the_same_reason():
    suite = REGISTRY.suites["digits-kkt-v1-lite"]
    worn = evolve(suite, auditors=(AuditorSpec(name="after-prune", settings={"inner": "kkt"}),))

    assert "'kkt' inside it needs a homogeneous network" in skipped(worn, "mlp")["after-prune"]
