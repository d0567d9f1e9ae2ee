import attrs
import pytest

from harness.context import Place, load_dataset
from harness.cost import Rate, Rates
from harness.cost.estimate import lacking
from harness.cost.rates import Loads
from harness.effort import cheaper_forms, largest_move, settle_references, within_budget
from harness.errors import BadSetting
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.run import run
from harness.suite import AuditorSpec
from harness.summary import make_rows

REGISTRY = load_registry(installed=False)


@pytest.fixture
def place(tmp_path):
    return Place(store=tmp_path / "store")


@pytest.fixture
def plan_of(place):
    def plan_of(suite):
        return make_plan(suite, load_dataset(REGISTRY, suite.data, place), REGISTRY)
    return plan_of


@pytest.fixture
def wide(tiny):
    """Return a suite with something to give up in every direction."""
    return attrs.evolve(tiny, runs=2, oracles=4, references=attrs.evolve(tiny.references, count=12, block=2))


def test_references_are_given_up_first_and_oracles_last(plan_of, wide):
    forms = [(s.references.count, s.runs, s.originals, s.requests.count, s.oracles)
             for s in cheaper_forms(plan_of(wide))]
    assert forms == [(12, 2, 2, 2, 4), (6, 2, 2, 2, 4), (2, 2, 2, 2, 4), (2, 1, 2, 2, 4), (2, 1, 1, 2, 4),
                     (2, 1, 1, 1, 4), (2, 1, 1, 1, 3), (2, 1, 1, 1, 2)]


def test_an_auditor_keeps_the_references_that_it_asks_for(plan_of, wide):
    suite = attrs.evolve(wide, auditors=(AuditorSpec(name="rmia", settings={"references": 6}),))
    assert min(form.references.count for form in cheaper_forms(plan_of(suite))) == 6


def test_every_cheaper_form_plans_less_and_skips_nothing_more(plan_of, wide):
    plans = [plan_of(form) for form in cheaper_forms(plan_of(wide))]
    work = [sum(stage.work for stage in plan.stages) for plan in plans]
    assert work == sorted(work, reverse=True)
    assert {len(plan.skipped) for plan in plans} == {len(plans[0].skipped)}


def test_the_most_precise_form_within_the_budget_is_taken(plan_of, wide, place):
    plan = plan_of(wide)
    data = load_dataset(REGISTRY, wide.data, place)
    rates = Rates(place.store)
    for load in lacking(plan.stages, Loads(plan), rates).values():
        rates.set(load.name, Rate(what=load.what, fixed=1.0))
    rates.save()
    everything = len(plan.stages)

    whole = within_budget(plan, everything, data, place, REGISTRY, 0)
    less = within_budget(plan, everything - 1, data, place, REGISTRY, 0)

    assert (whole.changed, whole.seconds) == ({}, everything)
    assert less.changed == {"references": (12, 6)}
    assert less.seconds == everything - 3
    with pytest.raises(BadSetting, match=r"--budget-seconds 1: even the least form of 'tiny-v1' takes about \d+ s"):
        within_budget(plan, 1, data, place, REGISTRY, 0)


def test_a_fleet_grows_until_the_scores_stay_and_trains_each_model_once(plan_of, tiny, place):
    trained = []

    def go(suite):
        record = run(plan_of(suite), place, REGISTRY, jobs=0)
        trained.append(len(record.references))
        return record

    found = settle_references(tiny, go)

    assert list(found.tried) == [2 * 2**k for k in range(len(found.tried))]
    assert trained == [count // 2 for count in found.tried]
    assert len(found.moves) == len(found.tried) - 1
    assert all(move > 1 for move in found.moves[:-1])
    assert found.settled == (found.moves[-1] <= 1)
    assert len(found.record.references) == found.tried[-1] // 2


def test_without_audits_that_use_references_one_run_is_enough(plan_of, tiny, place):
    suite = attrs.evolve(tiny, auditors=(AuditorSpec(name="accuracy"),))
    found = settle_references(suite, lambda form: run(plan_of(form), place, REGISTRY, jobs=0))
    assert (found.tried, found.moves) == ((2,), ())


def test_a_move_is_counted_in_half_widths_of_the_interval(plan_of, tiny, place):
    rows = make_rows(run(plan_of(tiny), place, REGISTRY, jobs=0))
    score = attrs.evolve(rows[0].scores[0], value=10.0, low=8.0, high=12.0)
    before = [attrs.evolve(rows[0], scores=(score,))]

    def moved(**change):
        return largest_move(before, [attrs.evolve(rows[0], scores=(attrs.evolve(score, **change),))])

    assert moved() == 0.0
    assert moved(value=11.0) == 0.5
    assert moved(value=13.0) == 1.5
    assert moved(value=13.0, low=None, high=None) == float("inf")
    assert moved(low=None, high=None) == 0.0
