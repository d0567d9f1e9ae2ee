import attrs
import pytest

from harness.errors import RowError
from harness.rows import read_rows, with_id, write_rows
from leaderboard.board import Board, board_problems, read_board, retraction
from tests.leaderboard.conftest import named


def test_a_board_of_one_run_is_whole(rows, tmp_path):
    write_rows(rows, tmp_path / "toy.jsonl")

    board = read_board(tmp_path)

    assert board.current == tuple(rows)


def test_a_correction_takes_the_place_of_the_row_it_supersedes(rows):
    old = named(rows, "near")
    new = with_id(attrs.evolve(old, evaluator="somebody else", supersedes=old.id))

    board = Board(rows=(*rows, new))

    assert not board_problems(board)
    assert new in board.current
    assert old not in board.current
    assert board.history(new) == board.history(old) == [old, new]


def test_a_retracted_row_stays_on_the_board_but_does_not_count(rows):
    old = named(rows, "near")
    withdrawn = retraction(old, "trained on the test set")

    board = Board(rows=(*rows, withdrawn))

    assert not board_problems(board)
    assert withdrawn in board.latest
    assert withdrawn not in board.current
    assert old not in board.current


def test_a_retraction_needs_a_reason(rows):
    with pytest.raises(RowError, match="give a reason"):
        retraction(rows[0], "  ")


@pytest.mark.parametrize(("change", "problem"), [
    ({"retracted": "typo"}, "is retracted but supersedes no row"),
    ({"supersedes": "f" * 64}, "which is not on the board"),
])
def test_a_broken_history_is_named(rows, change, problem):
    bad = with_id(attrs.evolve(named(rows, "near"), **change))

    assert any(problem in found for found in board_problems(Board(rows=(*rows, bad))))


def test_a_row_cannot_supersede_another_method(rows):
    bad = with_id(attrs.evolve(named(rows, "near"), supersedes=named(rows, "far").id))

    assert any("of another suite, access mode or method" in p for p in board_problems(Board(rows=(*rows, bad))))


def test_two_rows_cannot_supersede_the_same_one(rows):
    old = named(rows, "near")
    heirs = [with_id(attrs.evolve(old, evaluator=name, supersedes=old.id)) for name in ("a", "b")]

    assert any("superseded by 2 rows" in problem for problem in board_problems(Board(rows=(*rows, *heirs))))


def test_a_suite_with_two_protocols_is_refused(rows):
    other = with_id(attrs.evolve(named(rows, "near"), protocol="a" * 64))

    assert any("appears with 2 protocols" in problem for problem in board_problems(Board(rows=(*rows, other))))


def test_one_title_cannot_stand_for_two_methods(rows):
    near = named(rows, "near")
    other = with_id(attrs.evolve(near, method=attrs.evolve(near.method, name="something else")))

    assert any("give one another label" in problem for problem in board_problems(Board(rows=(*rows, other))))


def test_all_problems_of_all_files_are_told_at_once(rows, tmp_path):
    write_rows(rows, tmp_path / "a.jsonl")
    write_rows(rows[:1], tmp_path / "b.jsonl")
    (tmp_path / "c.jsonl").write_text("{}\n", encoding="utf-8")

    with pytest.raises(RowError, match=r"c\.jsonl:1: schema None is not known.*is there 2 times"):
        read_board(tmp_path)


def test_a_row_is_found_by_the_beginning_of_its_id(rows):
    board = Board(rows=tuple(rows))

    assert board.find(rows[2].id[:10]) == rows[2]
    with pytest.raises(RowError, match=f"{len(rows)} rows have an id that begins with ''"):
        board.find("")


def test_an_empty_folder_is_no_board(tmp_path):
    with pytest.raises(RowError, match="holds no"):
        read_board(tmp_path)


def test_rows_survive_writing_and_reading(rows, tmp_path):
    write_rows(rows, tmp_path / "rows.jsonl")

    assert read_rows(tmp_path / "rows.jsonl") == rows
