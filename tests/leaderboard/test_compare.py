import json

import attrs
import pytest

from harness.cli import run_main
from harness.errors import RowError
from harness.record import write_record
from harness.rows import with_id, write_rows
from harness.summary import make_rows
from leaderboard.board import retraction
from leaderboard.compare import compare, comparison_tables, gather
from tests.leaderboard.conftest import make_record, named


@pytest.fixture(scope="module")
def others():
    """Return the rows of another protocol."""
    return make_rows(make_record({"rival": 0.05}, suite="other-v1", seed=1))


def test_rows_of_one_protocol_stand_in_one_table_best_first(rows):
    table = comparison_tables(compare(rows))

    names = [line.split()[1] if line[0].isdigit() else line.split()[0] for line in table.splitlines()[3:]]
    assert names == ["oracle", "retrain", "near", "far", "original", "perturb"] or names[:4] == [
        "oracle", "retrain", "near", "far"]


def test_rows_of_two_protocols_are_refused_with_what_differs(rows, others):
    with pytest.raises(RowError, match=r"toy-v1 .*, other-v1 .*cannot be compared: seeds\.root is 0, expected 1"):
        compare([*rows, *others])


def test_force_shows_them_and_marks_every_line(rows, others):
    comparison = compare([*rows, *others], force=True)
    table = comparison_tables(comparison)

    assert comparison.notes[0].startswith("NOT COMPARABLE")
    assert all("[A]" in line or "[B]" in line for line in table.splitlines()[3:])
    assert not any(line[0].isdigit() for line in table.splitlines()[3:])


def test_superseded_and_retracted_rows_are_left_out_and_named(rows):
    old = named(rows, "far")
    better = with_id(attrs.evolve(old, evaluator="again", supersedes=old.id))
    withdrawn = retraction(named(rows, "perturb"), "wrong data")

    comparison = compare([*rows, better, withdrawn])

    assert better in comparison.rows
    assert old not in comparison.rows
    assert "2 superseded rows are left out" in comparison.notes
    assert "left out: perturb (retain+forget), retracted: wrong data" in comparison.notes


def test_renamed_methods_are_said_to_be_one(rows):
    far = named(rows, "far")
    renamed = with_id(attrs.evolve(far, method=attrs.evolve(far.method, name="trew", title="trew")))

    assert "trew is trw" in compare([*rows, renamed]).notes


def test_nothing_left_is_an_error(rows):
    old = rows[1]
    withdrawn = retraction(old, "wrong")
    with pytest.raises(RowError, match="no row is left"):
        compare([old, withdrawn])


def test_rows_are_gathered_from_files_and_runs_once_each(rows, tmp_path):
    write_rows(rows, tmp_path / "a" / "rows.jsonl")
    write_record(make_record(), tmp_path / "run" / "record.json")

    found = gather([tmp_path / "a", tmp_path / "a" / "rows.jsonl", tmp_path / "run"])

    assert {row.id for row in found} == {row.id for row in rows}
    assert len(found) == len(rows)


def test_the_command_prints_a_table_or_json(rows, others, tmp_path, capsys):
    write_rows(rows, tmp_path / "rows.jsonl")
    write_rows(others, tmp_path / "others.jsonl")

    assert run_main(["compare", str(tmp_path / "rows.jsonl"), "--column", "TA"]) == 0
    assert "TA" in (shown := capsys.readouterr().out)
    assert "FT AUC" not in shown
    assert run_main(["compare", str(tmp_path / "rows.jsonl"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(rows)
    assert run_main(["compare", str(tmp_path / "rows.jsonl"), str(tmp_path / "others.jsonl")]) == 2
    assert "--force" in capsys.readouterr().err
