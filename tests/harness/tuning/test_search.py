"""A search sees other originals and forget sets than the suite, and in the deployable track no oracle and no test."""

import attrs
import pytest

from harness.context import Place, load_dataset
from harness.errors import BadSetting
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.suite import MethodSpec, ReferenceSpec, RequestSpec
from harness.tuning.report import settings_toml
from harness.tuning.search import Search, search, search_suite

REGISTRY = load_registry(installed=False)


def wanted(suite, **changes):
    content = {"suite": suite, "track": "oracle-tuned", "trials": 3, "spaces": {}, **changes}
    return Search(**content)


def dataset(suite, tmp_path):
    return load_dataset(REGISTRY, suite.data, Place(store=tmp_path))


def searched(search_of, tmp_path):
    return search_suite(search_of, [MethodSpec(name="ft")], REGISTRY, dataset(search_of.suite, tmp_path))


@pytest.mark.parametrize("track", ["oracle-tuned", "deployable"])
def test_no_stage_of_a_search_is_one_of_the_suites_own(track, tiny, tmp_path):
    plans = [make_plan(suite, dataset(suite, tmp_path), REGISTRY)
             for suite in (tiny, searched(wanted(tiny, track=track), tmp_path))]
    own, other = ({stage.key for stage in plan.stages} for plan in plans)
    assert own.isdisjoint(other)


def test_a_deployable_search_plans_no_oracle_no_reference_and_no_audit_and_holds_no_test_example(tiny, tmp_path):
    suite = searched(wanted(tiny, track="deployable"), tmp_path)
    seen = dataset(suite, tmp_path)
    whole = dataset(tiny, tmp_path)

    assert {stage.kind for stage in make_plan(suite, seen, REGISTRY).stages} == {"train", "forget", "unlearn"}
    trained = {one.tobytes() for one in whole.train.inputs}
    assert len(seen.train) + len(seen.test) == len(whole.train)
    assert all(one.tobytes() in trained for one in (*seen.train.inputs, *seen.test.inputs))


def test_classes_that_the_suite_forgets_are_not_searched_on(tiny, tmp_path):
    classes = attrs.evolve(tiny, requests=RequestSpec(generator="class", count=2, classes=(0, 3)))
    assert searched(wanted(classes), tmp_path).requests.classes == (1, 2)


def test_a_suite_that_forgets_every_class_cannot_be_tuned(tiny, tmp_path):
    classes = attrs.evolve(tiny, requests=RequestSpec(generator="class", count=10))
    with pytest.raises(BadSetting, match="the suite forgets every class"):
        searched(wanted(classes), tmp_path)


def test_the_oracle_tuned_track_needs_the_average_gap(tiny, tmp_path):
    with pytest.raises(BadSetting, match="has no auditor 'average-gap'"):
        searched(wanted(attrs.evolve(tiny, auditors=tiny.auditors[:2])), tmp_path)


def test_methods_without_hyper_parameters_are_left_out_and_nothing_else_to_tune_is_told(tiny, tmp_path):
    suite = attrs.evolve(tiny, unlearners=(MethodSpec(name="original"), MethodSpec(name="perturb")))
    with pytest.raises(BadSetting, match="nothing to tune in original, perturb"):
        search(wanted(suite), Place(store=tmp_path), REGISTRY, jobs=0)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    from harness.settings import structure
    from harness.suite import Suite
    from tests.conftest import TINY

    suite = attrs.evolve(structure(TINY, Suite, "tiny"), references=ReferenceSpec(count=4, block=2), unlearners=(
        MethodSpec(name="original"),
        MethodSpec(name="ga", settings={"epochs": 1, "lr": 9.0}, forget_only={"lr": 8.0, "epochs": 2})))
    place = Place(store=tmp_path_factory.mktemp("store"))
    return search(wanted(suite, spaces={"lr": "1e-4,0.1,1e30"}), place, REGISTRY, jobs=0)


def test_every_trial_of_every_mode_is_reported_and_a_failed_one_with_its_reason(found):
    assert [(tried.spec.title, tried.access) for tried in found] == [("ga", "retain+forget"), ("ga", "forget-only")]
    for tried in found:
        assert [trial.point["lr"] for trial in tried.trials] == [0.0001, 0.1, 1e30]
        assert "NaN or infinite" in tried.trials[2].error
        assert tried.trials[2].value == float("inf")
        assert tried.best.value == min(trial.value for trial in tried.trials)


def test_the_tuning_says_what_was_searched_and_seen(found):
    tuning = found[0].tuning
    assert (tuning.track, tuning.trials, tuning.space) == ("oracle-tuned", 3, {"lr": "1e-4,0.1,1e30"})
    assert tuning.saw == "oracles, test set and references, on 2 originals x 2 forget sets of another seed"
    assert tuning.seed not in (None, 0)


def test_the_best_settings_are_an_entry_of_a_suite_with_what_was_not_searched(found):
    import tomllib

    from harness.settings import structure

    entry = tomllib.loads(settings_toml(found))["unlearners"][0]
    spec = structure(entry, MethodSpec, "entry")
    assert spec.settings_for("retain+forget") == {"epochs": 1, "lr": found[0].best.point["lr"]}
    assert spec.settings_for("forget-only") == {"epochs": 2, "lr": found[1].best.point["lr"]}
    assert spec.tuning == found[0].tuning
