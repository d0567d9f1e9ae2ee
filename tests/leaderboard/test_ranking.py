import attrs
import pytest

from harness.rows import with_id
from harness.summary import make_rows
from leaderboard.ranking import (
    MOST_RANKED,
    Measure,
    Standing,
    main_measure,
    no_better_than_nothing,
    privacy_score,
    standings,
)
from tests.leaderboard.conftest import make_record, named


def test_rows_are_ranked_by_the_average_gap(rows):
    assert main_measure(rows) == Measure("average-gap/Avg Gap", as_gap=False)


def test_without_an_average_gap_the_gap_of_the_first_score_counts(rows):
    bare = [attrs.evolve(row, scores=tuple(s for s in row.scores if s.name != "Avg Gap")) for row in rows]

    measure = main_measure(bare)

    assert measure == Measure("accuracy/UA", as_gap=True)
    assert measure.read(named(bare, "far"))[0] == named(bare, "far").score("UA").gap


def test_clearly_different_methods_have_ranks_of_their_own(rows):
    found = standings(rows, main_measure(rows))

    assert found[named(rows, "near").id] == Standing(best=1, worst=1)
    assert found[named(rows, "far").id] == Standing(best=2, worst=2)


def test_methods_that_cannot_be_told_apart_have_ranks_in_common():
    rows = make_rows(make_record({"a": 0.3, "b": 0.3, "c": 0.9}))

    found = standings(rows, main_measure(rows))

    assert [str(found[named(rows, title).id]) for title in "abc"] == ["1–2", "1–2", "3"]


def test_oracle_and_controls_hold_no_rank(rows):
    ranked = standings(rows, main_measure(rows))

    assert {row.method.title for row in rows if row.id not in ranked} == {"oracle", "original", "retrain", "perturb"}


def test_a_deterministic_method_that_ran_once_is_ranked_beside_others():
    rows = make_rows(make_record({"near": 0.1, "far": 0.9}))
    near = named(rows, "near")
    once = tuple(attrs.evolve(score, values=tuple(tuple(f[:1] for f in o) for o in score.values))
                 for score in near.scores)
    rows[rows.index(near)] = with_id(attrs.evolve(near, scores=once))

    assert str(standings(rows, main_measure(rows))[named(rows, "near").id]) == "1"


def test_rows_of_two_protocols_have_no_ranks(rows):
    mixed = [*rows[:-1], with_id(attrs.evolve(rows[-1], protocol="a" * 64))]

    assert standings(mixed, main_measure(mixed)) == {}


def test_too_many_rows_have_no_ranks(rows):
    crowd = [with_id(attrs.evolve(named(rows, "near"), evaluator=str(i))) for i in range(MOST_RANKED + 1)]

    assert standings(crowd, main_measure(crowd)) == {}


def test_a_method_as_far_from_the_oracle_as_the_original_is_no_better_than_nothing():
    rows = make_rows(make_record({"original": 1.0, "idle": 1.0, "worse": 1.5, "better": 0.5}))

    found = no_better_than_nothing(rows, main_measure(rows))

    assert set(found) == {named(rows, "idle").id, named(rows, "worse").id}


@pytest.mark.parametrize(("dropped", "expected"), [((), "rmia/FT AUC"), (("FT AUC",), None)])
def test_privacy_is_shown_by_a_membership_score(rows, dropped, expected):
    kept = [attrs.evolve(row, scores=tuple(s for s in row.scores if s.name not in dropped)) for row in rows]

    assert privacy_score(kept) == expected
