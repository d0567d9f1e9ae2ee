import attrs
import numpy as np
import pytest

from harness.context import Context, Place, load_dataset
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.run import run
from harness.sequences import over_steps
from harness.store import Store
from harness.suite import AuditorSpec, MethodSpec, RequestSpec
from harness.summary import make_rows
from harness.table import notes, results_table
from leaderboard.consistency import row_problems

REGISTRY = load_registry(installed=False)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Return plan, record and context of a sequence of two requests on one original."""
    from harness.settings import structure
    from harness.suite import Suite
    from tests.conftest import TINY

    suite = attrs.evolve(
        structure(TINY, Suite, "tiny"), originals=1, access=("retain+forget",),
        requests=RequestSpec(count=2, sequence=2, size=0.1), auditors=(AuditorSpec(name="accuracy"),),
        unlearners=(MethodSpec(name="original"), MethodSpec(name="ft", settings={"epochs": 1, "lr": 0.05})))
    place = Place(store=tmp_path_factory.mktemp("store"))
    plan = make_plan(suite, load_dataset(REGISTRY, suite.data, place), REGISTRY)
    return plan, run(plan, place, REGISTRY, jobs=0), Context(place, REGISTRY)


def models(done, method):
    return [done[2].signals(cell.model) for cell in done[0].cells if cell.method == method]


def test_an_oracle_is_retrained_without_all_that_was_forgotten_up_to_its_step(done):
    plan, _, context = done
    members = {cell.request: context.store.manifest(cell.model).report["members"]
               for cell in plan.cells if cell.method == "oracle"}
    assert members == {0: 108, 1: 96}


def test_doing_nothing_leaves_the_same_model_at_every_step(done):
    first, second = models(done, "original")
    np.testing.assert_array_equal(first.train, second.train)


def test_a_later_step_goes_on_from_the_model_of_the_step_before(done):
    plan, _, context = done
    keys = [cell.model for cell in plan.cells if cell.method == "ft"]
    assert context.store.manifest(keys[1]).spec["start"] == keys[0]
    first, second = models(done, "ft")
    assert not np.array_equal(first.train, second.train)


def test_a_step_is_audited_on_everything_that_was_to_be_forgotten(done):
    _, record, _ = done
    sizes = {cell.request: cell.scores["accuracy"][0].n for cell in record.cells}
    assert sizes == {0: 12, 1: 24}
    assert [one.forget for one in record.requests] == [12, 12]


def test_a_row_has_every_score_step_by_step_and_over_all_steps(done):
    row = next(row for row in make_rows(done[1]) if row.method.title == "ft")
    steps = [row.score(f"TA step {step}").value for step in (1, 2)]
    assert row.score("TA").value == pytest.approx(np.mean(steps))
    assert [row.score(name).step for name in ("TA", "TA step 1", "TA step 2")] == [0, 1, 2]
    assert np.shape(row.score("TA").values) == (1, 2, 1)
    assert np.shape(row.score("TA step 2").values) == (1, 1, 1)
    assert row.seeds["sequence"] == 2


def test_the_rows_of_a_sequence_follow_from_their_values(done):
    assert [row_problems(row) for row in make_rows(done[1])] == [[]] * 3


def test_the_table_shows_a_step_and_its_notes_say_what_one_is(done):
    rows = make_rows(done[1])
    assert "TA step 2" in results_table(rows, ["TA step 2"])
    assert any("every 2 forget sets in a row are one sequence" in line for line in notes(done[1], rows))


def test_the_spread_between_steps_is_no_part_of_the_interval_of_their_mean():
    values = np.array([[[1.0], [5.0], [3.0], [7.0]]])
    assert over_steps(values, 2).tolist() == [[[3.0], [5.0]]]
    assert over_steps(values, 1).tolist() == values.tolist()


def test_a_store_with_a_sequence_holds_what_each_step_forgot_before(done, tmp_path):
    plan, _, context = done
    first, second = (context.request(key) for key in plan.requests)
    assert len(first.earlier) == 0
    np.testing.assert_array_equal(second.earlier, first.forget)
    assert Store(context.store.root).manifest(plan.requests[1]).report["earlier"] == 12
