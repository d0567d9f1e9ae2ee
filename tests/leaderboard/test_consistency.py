import attrs
import pytest

from leaderboard.consistency import number_problems, shape_problems
from tests.leaderboard.conftest import named


def altered(row, name, **changes):
    scores = tuple(attrs.evolve(score, **changes) if score.name == name else score for score in row.scores)
    return attrs.evolve(row, scores=scores)


def test_the_figures_of_honest_rows_follow_from_their_values(rows):
    assert [problem for row in rows for problem in number_problems(row)] == []


@pytest.mark.parametrize("figure", ["value", "oracle", "gap", "gap_of_means", "floor"])
def test_a_changed_figure_is_found(rows, figure):
    row = named(rows, "far")
    score = row.score("FT AUC")
    bad = altered(row, "FT AUC", **{figure: getattr(score, figure) + 1e-6})

    assert any(f"{figure} is" in problem for problem in number_problems(bad))


def test_a_wrong_number_of_models_is_found(rows):
    assert any("n is 17" in problem for problem in number_problems(altered(named(rows, "far"), "UA", n=17)))


def test_an_interval_that_does_not_hold_its_value_is_found(rows):
    bad = altered(named(rows, "far"), "UA", low=0.0, high=1.0)

    assert any("value" in p and "outside its interval [0,1]" in p for p in number_problems(bad))


def test_half_an_interval_is_found(rows):
    bad = altered(named(rows, "far"), "UA", low=None)

    assert any("one is given, the other is not" in problem for problem in number_problems(bad))


def test_ragged_values_are_found(rows):
    bad = altered(named(rows, "far"), "UA", values=(((1.0,), (1.0, 2.0)),))

    assert number_problems(bad) == ["score 'accuracy/UA': values are ragged; expected the same number everywhere"]


def test_values_of_another_number_of_forget_sets_are_found(rows):
    row = named(rows, "far")

    assert any("the row has 2" in p for p in number_problems(attrs.evolve(row, forget_sets=row.forget_sets[:2])))


def test_a_result_without_scores_and_a_score_given_twice_are_found(rows):
    row = named(rows, "far")

    assert number_problems(attrs.evolve(row, scores=())) == ["status is ok, but there is no score"]
    repeated = attrs.evolve(row, scores=(*row.scores, row.scores[0]))
    assert "two scores are called 'accuracy/UA'" in number_problems(repeated)


def test_the_plain_parts_of_honest_rows_are_whole(rows):
    assert [problem for row in rows for problem in shape_problems(row)] == []


@pytest.mark.parametrize(("part", "content", "problem"), [
    ("data", {"name": "digits"}, "data.train is None; expected int"),
    ("seeds", {"root": "0"}, "seeds.root is '0'; expected int"),
    ("auditors", {"rmia": 3}, "auditors.rmia is no description of an auditor"),
    ("measured", {"seconds": "fast"}, "measured.seconds is 'fast'; expected a number"),
    ("measured", {"environment": []}, "measured.environment is no description of an environment"),
    ("forget_sets", (), "there is no forget set"),
])
def test_a_missing_or_wrong_part_is_named(rows, part, content, problem):
    assert problem in shape_problems(attrs.evolve(rows[1], **{part: content}))
