import attrs
import pytest

from harness.context import Place, load_dataset
from harness.cost import Bill, Rate, Rates, calibrate, estimate, rates
from harness.cost.estimate import START, START_SECONDS, lacking
from harness.cost.rates import WRITE, Load, Loads, Measured, fitted
from harness.engine import Outcome
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.store import Store
from harness.suite import AuditorSpec, MethodSpec, RequestSpec, ShadowSpec

REGISTRY = load_registry(installed=False)


@pytest.fixture
def place(tmp_path):
    return Place(store=tmp_path / "store")


@pytest.fixture
def plan_of(place):
    def plan_of(suite):
        return make_plan(suite, load_dataset(REGISTRY, suite.data, place), REGISTRY)
    return plan_of


def priced(plan, root, seconds=1.0):
    """Return rates that charge every kind of work of ``plan`` the same."""
    rates = Rates(root)
    for load in lacking(plan.stages, Loads(plan), rates).values():
        rates.set(load.name, Rate(what=load.what, fixed=seconds, memory_mb=100.0))
    return rates


def measured(units, seconds):
    return Measured(load=Load(name="n", what="w", units=units, held_mb=0.0), seconds=seconds, peak_mb=0.0)


def test_stages_that_do_the_same_to_other_amounts_share_a_rate(plan_of, tiny):
    small, large = plan_of(tiny), plan_of(attrs.evolve(tiny, data=attrs.evolve(tiny.data, train=200)))

    loads = [[Loads(plan).of(stage) for stage in plan.stages] for plan in (small, large)]
    assert {load.name for load in loads[0]} == {load.name for load in loads[1]}
    one, other = (next(load for load in some if "one alone" in load.what) for some in loads)
    assert one.units == 3 * 120 + 0.3 * 240
    assert other.units == 3 * 200 + 0.3 * 320


def test_a_method_that_may_follow_the_recipe_is_charged_by_its_epochs(plan_of, tiny):
    plan = plan_of(attrs.evolve(tiny, unlearners=(MethodSpec(name="retrain"), MethodSpec(name="ft")), runs=1))
    units = {stage.spec["method"]["name"]: Loads(plan).of(stage).units for stage in plan.stages
             if stage.kind == "unlearn"}
    assert units == {"retrain": 3 * 240, "ft": 240}


def test_shadows_unlearned_at_once_have_a_rate_of_their_own_and_hold_data_of_each_within_the_share(
        plan_of, tiny, monkeypatch):
    plan = plan_of(attrs.evolve(tiny, shadows=ShadowSpec(count=8, block=8), access=("retain+forget",),
                                auditors=(AuditorSpec(name="klom"),), unlearners=(MethodSpec(name="ft"),)))
    alone, shadows = (next(stage for stage in plan.stages if stage.kind == kind)
                      for kind in ("unlearn", "shadow-unlearn"))

    def held(free):
        monkeypatch.setattr(rates, "available_memory", lambda: free)
        return Loads(plan).of(shadows).held_mb

    data_mb = 4e-6 * 240 * 64
    logits_mb = 3 * 4e-6 * 240 * 10
    assert Loads(plan).of(alone).name != Loads(plan).of(shadows).name
    assert held(None) == pytest.approx(3 * data_mb + 8 * logits_mb + 3 * 8 * data_mb)
    assert held(10**6) == pytest.approx(3 * data_mb + 8 * logits_mb + 0.25)


def test_an_audit_that_reads_references_is_charged_for_each(plan_of, tiny):
    plan = plan_of(tiny)
    units = {stage.spec["auditor"]["name"]: Loads(plan).of(stage).units for stage in plan.stages
             if stage.kind == "audit"}
    assert units == {"accuracy": 240, "rmia": 4 * 240, "average-gap": 240}


@pytest.mark.parametrize(("points", "fixed", "per_unit"), [
    ([(100, 2.0)], 0.0, 0.02),
    ([(100, 2.0), (300, 4.0)], 1.0, 0.01),
    ([(100, 2.0), (300, 1.0)], 1.0, 0.0),
    ([(100, 0.1), (300, 3.0)], 0.0, 0.01),
])
def test_a_rate_goes_through_two_measurements_and_has_no_negative_part(points, fixed, per_unit):
    rate = fitted([measured(units, seconds) for units, seconds in points])
    assert rate.fixed == pytest.approx(fixed, abs=1e-12)
    assert rate.per_unit == pytest.approx(per_unit)


def test_what_a_few_examples_cost_beyond_any_training_step_is_fixed():
    rate = fitted([measured(100, 2.0)], most=0.001)
    assert (rate.per_unit, rate.fixed) == (0.001, pytest.approx(1.9))


def test_a_method_that_was_tried_once_is_not_dearer_per_example_than_several_trainings(plan_of, tiny, place):
    plan = plan_of(attrs.evolve(tiny, unlearners=(MethodSpec(name="ft", settings={"epochs": 2}),), runs=1))
    loads, rates = Loads(plan), Rates(place.store)

    calibrate(plan, plan.stages, load_dataset(REGISTRY, plan.suite.data, place), place, REGISTRY, rates, seconds=0.0)

    rate_of = {stage.kind: rates.get(loads.of(stage).name) for stage in plan.stages}
    assert rate_of["unlearn"].per_unit <= 6 * 2 * rate_of["train"].per_unit


def test_seconds_are_those_of_all_stages_shared_among_workers_and_of_the_start(plan_of, tiny, place):
    plan = plan_of(tiny)
    rates = priced(plan, place.store)
    rates.set(WRITE, Rate(what="writing", fixed=0.5))

    one, four = (estimate(plan.stages, Loads(plan), rates, jobs) for jobs in (0, 4))

    assert one.seconds == pytest.approx(1.5 * len(plan.stages))
    assert four.seconds == pytest.approx(START_SECONDS + 1.5 * len(plan.stages) / 4)
    assert one.unknown == ()
    assert one.work_seconds["reference"] == pytest.approx(2.0)
    assert four.memory_mb == pytest.approx(4 * four.worker_mb)
    assert four.worker_mb > 100


def test_no_run_is_shorter_than_its_longest_stage(plan_of, tiny, place):
    plan = plan_of(tiny)
    rates = priced(plan, place.store)
    block = next(Loads(plan).of(stage) for stage in plan.stages if stage.kind == "reference")
    rates.set(block.name, Rate(what=block.what, fixed=1000.0))
    assert estimate(plan.stages, Loads(plan), rates, 64).seconds == pytest.approx(START_SECONDS + 1000)


def test_what_is_stored_costs_nothing(plan_of, tiny, place):
    plan = plan_of(tiny)
    assert estimate([], Loads(plan), priced(plan, place.store), 2).seconds == 0


def test_a_method_that_was_not_measured_is_named_and_guessed_from_training(plan_of, tiny, place):
    plan = plan_of(tiny)
    rates = Rates(place.store)
    train = next(Loads(plan).of(stage) for stage in plan.stages if stage.kind == "train")
    rates.set(train.name, Rate(what=train.what, per_unit=0.01))

    found = estimate(plan.stages, Loads(plan), rates, 1)

    assert "method ft" in found.unknown
    samples = sum(stage.work for stage in plan.stages if stage.kind == "unlearn")
    assert found.work_seconds["unlearn"] == pytest.approx(0.01 * samples)
    assert str(found).startswith("at least ")


def test_a_calibration_measures_every_kind_of_work_once_and_is_remembered(plan_of, tiny, place):
    plan = plan_of(tiny)
    data = load_dataset(REGISTRY, tiny.data, place)
    rates = Rates(place.store)

    calibrate(plan, plan.stages, data, place, REGISTRY, rates)

    assert lacking(plan.stages, Loads(plan), Rates(place.store)) == {}
    assert Rates(place.store, "another-machine").get(WRITE) is None
    assert list(Store(place.store)) == []
    assert not list((place.store / "tmp").iterdir())
    cost = estimate(plan.stages, Loads(plan), Rates(place.store), 1)
    assert cost.unknown == ()
    assert cost.seconds > 0


def test_nothing_is_measured_when_everything_is_known(plan_of, tiny, place, monkeypatch):
    plan = plan_of(tiny)
    rates = priced(plan, place.store)
    monkeypatch.setattr("harness.cost.calibration.execute_stage", None)
    calibrate(plan, plan.stages, load_dataset(REGISTRY, tiny.data, place), place, REGISTRY, rates)


def test_a_suite_that_cannot_be_cut_down_stays_unknown(plan_of, tiny, place):
    suite = attrs.evolve(tiny, requests=RequestSpec(generator="lowest-loss", size=0.002, count=1))
    plan = plan_of(attrs.evolve(suite, data=attrs.evolve(suite.data, train=900, test=700)))
    rates = Rates(place.store)
    calibrate(plan, plan.stages, load_dataset(REGISTRY, plan.suite.data, place), place, REGISTRY, rates, seconds=0.0)
    assert "forget" in estimate(plan.stages, Loads(plan), rates, 1).unknown


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 1, "rates": {"a": {"what": 3}}}', '{"schema": 0}'])
def test_rates_that_cannot_be_read_count_as_none(tmp_path, content):
    rates = Rates(tmp_path, "m")
    rates.set("a", Rate(what="w", fixed=1.0))
    rates.save()
    path = tmp_path / "calibration" / "m.json"
    assert Rates(tmp_path, "m").get("a") == rates.get("a")
    path.write_text(content)
    assert Rates(tmp_path, "m").get("a") is None


def test_the_name_of_a_machine_cannot_lead_out_of_the_store(tmp_path):
    Rates(tmp_path, "../../evil").save()
    assert [path.name for path in (tmp_path / "calibration").iterdir()] == [".._.._evil.json"]


def test_a_bill_sets_the_plan_beside_what_was_spent_and_the_next_plan_knows_better(plan_of, tiny, place):
    plan, store = plan_of(tiny), Store(place.store)
    rates = priced(plan, place.store)
    rates.save()
    bill = Bill(plan, plan.stages, store, jobs=2)

    for stage in plan.stages:
        bill.add(Outcome(key=stage.key, status="ok", seconds=2.0, peak_mb=300.0))
    facts = bill.settle(here=True)

    assert facts["planned"]["work_seconds"] == len(plan.stages)
    assert facts["work_seconds"] == 2.0 * len(plan.stages)
    assert facts["worker_mb"] == 300
    assert Rates(place.store).get(START) is not None
    # One second is still fixed, as was known before; the other is now charged by the unit.
    again = estimate(plan.stages, Loads(plan), Rates(place.store), 0)
    assert sum(again.work_seconds.values()) == pytest.approx(facts["work_seconds"])


def test_what_other_machines_did_teaches_nothing_about_this_one(plan_of, tiny, place):
    plan = plan_of(tiny)
    bill = Bill(plan, plan.stages, Store(place.store), jobs=2)
    bill.add(Outcome(key=plan.stages[0].key, status="ok", seconds=2.0))
    assert bill.settle(here=False)["planned"] is None
    assert not (place.store / "calibration").exists()
