import json

import pytest

from harness.cli import run_main
from harness.record import read_record
from harness.rows import read_rows
from harness.settings import as_json

METHOD = """
from typing import ClassVar
from attrs import frozen
from harness import hookimpl

@frozen(kw_only=True)
class Shrink:
    '''Scale every parameter down a little.'''

    factor: float = 0.99
    name: ClassVar[str] = "shrink"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset] = frozenset({"parameters"})
    access: ClassVar[tuple] = ("retain+forget", "forget-only")
    scopes: ClassVar[tuple] = ("sample", "class")

    def unlearn(self, task):
        return task.original.with_parameters({k: self.factor * v for k, v in task.original.parameters().items()})

@hookimpl
def harness_unlearners():
    return [Shrink]
"""


@pytest.fixture
def unlearn(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run_main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out, captured.err
    return call


def same(left, right):
    return [{k: v for k, v in as_json(row).items() if k != "measured"} for row in left] == [
        {k: v for k, v in as_json(row).items() if k != "measured"} for row in right]


def test_a_run_ends_with_a_table_and_rows_that_validate(unlearn, tmp_path, tiny_file):
    out, err = unlearn("run", tiny_file, "--jobs", 0, "--rows", "rows.jsonl")

    assert {line.split("  ")[0] for line in out.splitlines()} >= {"oracle", "(noise floor)", "original", "ft", "ga"}
    assert "ft (forget-only): skipped, needs the retain set" in out
    assert "rows: rows.jsonl" in err
    rows = read_rows(tmp_path / "rows.jsonl")
    assert [(row.method.title, row.method.access) for row in rows] == [
        ("oracle", "retain+forget"), ("oracle", "forget-only"), ("original", "retain+forget"),
        ("original", "forget-only"), ("ft", "retain+forget"), ("ga", "retain+forget"), ("ga", "forget-only"),
        ("ft", "forget-only")]
    assert (rows[-1].status, rows[-1].reason) == ("skipped", "needs the retain set")
    assert "rows.jsonl: 8 rows are valid" in unlearn("verify", "rows.jsonl")[0]


def test_the_same_command_again_computes_nothing_and_gives_the_same_rows(unlearn, tmp_path, tiny_file):
    unlearn("run", tiny_file, "--jobs", 0, "--rows", "first.jsonl")
    _, err = unlearn("run", tiny_file, "--jobs", 0, "--rows", "second.jsonl")
    assert "0 stages computed" in err
    assert (tmp_path / "first.jsonl").read_bytes() == (tmp_path / "second.jsonl").read_bytes()


def test_two_stores_give_the_same_rows_but_for_what_was_measured(unlearn, tmp_path, tiny_file):
    unlearn("run", tiny_file, "--jobs", 0, "--store", "a", "--rows", "a.jsonl")
    unlearn("run", tiny_file, "--jobs", 2, "--store", "b", "--rows", "b.jsonl")
    assert same(read_rows(tmp_path / "a.jsonl"), read_rows(tmp_path / "b.jsonl"))


def test_a_third_partys_method_in_a_file_runs_beside_the_others_and_its_row_names_file_and_digest(
        unlearn, tmp_path, tiny_file):
    (tmp_path / "mine.py").write_text(METHOD)

    out, _ = unlearn("run", tiny_file, "--jobs", 0, "--plugin", "mine.py", "--rows", "rows.jsonl")

    row = next(row for row in read_rows(tmp_path / "rows.jsonl") if row.method.title == "shrink")
    assert row.method.owner["file"] == "mine.py"
    assert len(row.method.owner["digest"]) == 64
    assert row.method.settings == {"factor": 0.99}
    assert "shrink" in out


def test_an_overridden_hyper_parameter_is_in_the_row(unlearn, tmp_path, tiny_file):
    unlearn("run", tiny_file, "--jobs", 0, "--method", "ft", "--set", "ft.lr=0.5", "--rows", "rows.jsonl")
    row = next(row for row in read_rows(tmp_path / "rows.jsonl") if row.method.title == "ft")
    assert row.method.settings["lr"] == 0.5


def test_rows_can_be_printed_as_json(unlearn, tiny_file):
    out, _ = unlearn("run", tiny_file, "--jobs", 0, "--json")
    assert json.loads(out)[0]["method"]["title"] == "oracle"


def test_the_record_of_a_run_is_kept_in_the_store(unlearn, tmp_path, tiny_file):
    unlearn("run", tiny_file, "--jobs", 0)
    path = next((tmp_path / "unlearn-store" / "runs").glob("tiny-v1-*/record.json"))
    record = read_record(path)
    assert record.stages["failed"] == 0
    assert len([cell for cell in record.cells if cell.method == "oracle"]) == 4


def test_a_method_that_raises_is_a_failed_row_and_the_others_stay(unlearn, tmp_path, tiny_file):
    raising = METHOD.replace("        return task", "        raise OSError('no luck')\n        return task")
    (tmp_path / "mine.py").write_text(raising)
    out, err = unlearn("run", tiny_file, "--jobs", 0, "--plugin", "mine.py", "--rows", "rows.jsonl")
    rows = {row.method.title: row for row in read_rows(tmp_path / "rows.jsonl") if row.status != "skipped"}
    assert (rows["shrink"].status, rows["shrink"].reason) == ("failed", "4 of 4: OSError: no luck")
    assert rows["ft"].status == "ok"
    assert "shrink (retain+forget): failed, 4 of 4: OSError: no luck" in out
    assert "failed" in err


def test_plan_says_what_is_stored_and_what_is_not(unlearn, tiny_file):
    before = json.loads(unlearn("plan", tiny_file, "--json")[0])
    unlearn("run", tiny_file, "--jobs", 0)
    after = json.loads(unlearn("plan", tiny_file, "--json")[0])
    assert {line["kind"]: line["to_compute"] for line in before["stages"]}["train"] == 2
    assert all(line["to_compute"] == 0 and line["stored"] == line["planned"] for line in after["stages"])


def test_list_show_and_doctor_say_what_is_there(unlearn):
    assert "amun" in unlearn("list", "unlearners")[0]
    assert "eps = 0.04" in unlearn("show", "amun")[0]
    assert '"digest"' in unlearn("show", "digits-v1", "--json")[0]


@pytest.mark.parametrize("command", ["run", "plan", "tune", "list", "show", "doctor"])
def test_the_help_of_every_command_shows_an_example(unlearn, command):
    assert f"unlearn {command}" in unlearn(command, "--help")[0].split("Usage:")[1].split("\n", 1)[1]
