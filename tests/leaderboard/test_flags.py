import attrs
import pytest

from harness.rows import with_id
from harness.suite import Tuning
from harness.summary import make_rows
from leaderboard.flags import find_flags
from tests.leaderboard.conftest import make_record, named


def codes(rows, title):
    return [flag.code for flag in find_flags(rows)[named(rows, title).id]]


def replaced(rows, title, **changes):
    old = named(rows, title)
    return [with_id(attrs.evolve(row, **changes)) if row is old else row for row in rows]


def scores_like(rows, title, values):
    """Return scores of a row with the values that ``values`` gives for each score."""
    return tuple(attrs.evolve(score, values=values(score)) for score in named(rows, title).scores)


def test_an_honest_method_has_no_flag(rows):
    assert codes(rows, "near") == []


def test_the_oracles_own_values_are_recognised(rows):
    stolen = replaced(rows, "near", scores=scores_like(
        rows, "near", lambda score: tuple(tuple(o[:2] for o in score.oracle_values) for _ in range(3))))

    assert "equals-oracle" in codes(stolen, "near")


def test_a_row_nearer_to_the_oracles_than_they_are_to_each_other_is_flagged(rows):
    perfect = tuple(attrs.evolve(score, gap=0.0, gap_low=0.0, gap_high=0.1 * score.floor)
                    for score in named(rows, "near").scores)

    assert "better-than-oracle" in codes(replaced(rows, "near", scores=perfect), "near")


def test_retraining_is_not_called_better_than_the_oracle(rows):
    assert codes(rows, "retrain") == []


def test_a_row_identical_to_another_is_flagged_on_both(rows):
    twins = replaced(rows, "far", scores=named(rows, "near").scores)

    assert "identical" in codes(twins, "far")
    assert "identical" in codes(twins, "near")


def test_returning_the_original_is_flagged(rows):
    idle = replaced(rows, "far", scores=named(rows, "original").scores)

    assert "returns-original" in codes(idle, "far")
    assert "no-better" in codes(idle, "far")


def test_a_damaged_model_fails_the_utility_gate():
    rows = make_rows(make_record({"wreck": -1.0}))

    flag = next(flag for flag in find_flags(rows)[named(rows, "wreck").id] if flag.code == "utility")
    assert flag.evidence == "TA 85.0, the oracle has 97.0; the gate is 5 points"


def test_a_method_slower_than_retraining_is_flagged(rows):
    slow = replaced(rows, "near", measured={"seconds": 3.0})

    flag = next(flag for flag in find_flags(slow)[named(slow, "near").id] if flag.code == "cost")
    assert flag.evidence == "3.0 s a model; retraining took 1.0 s"


@pytest.mark.parametrize(("changes", "code"), [
    ({"tuning": Tuning(track="oracle-tuned")}, "oracle-tuned"),
    ({"measured": {"environment": {"dirty": True}}}, "dirty"),
    ({"seeds": {"originals": 1, "forget_sets": 3}}, "few-seeds"),
])
def test_what_weakens_a_row_is_said_in_the_background(rows, changes, code):
    found = find_flags(weak := replaced(rows, "near", **changes))[named(weak, "near").id]

    assert [(flag.code, flag.level) for flag in found] == [(code, "background")]


def test_controls_are_not_accused(rows):
    assert codes(rows, "original") == codes(rows, "perturb") == []
