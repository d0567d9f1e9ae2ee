import json

import pytest

from harness.cli import run_main
from harness.record import read_record
from harness.rows import read_rows


@pytest.fixture
def unlearn(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        assert run_main([str(argument) for argument in arguments]) == code
        return capsys.readouterr()
    return call


def test_a_plan_says_models_sharing_seconds_and_memory(unlearn, tiny_file, tmp_path):
    out = unlearn("plan", tiny_file).out
    assert "by all methods, forget sets and audits" in out
    assert "MB together" in out
    facts = json.loads(unlearn("plan", tiny_file, "--json", "--jobs", 2).out)
    assert {line["kind"]: line["models"] for line in facts["stages"]} == {
        "forget": 0, "train": 2, "retrain": 4, "reference": 4, "unlearn": 20, "audit": 0}
    assert facts["cost"]["seconds"] > 0
    assert facts["cost"]["memory_mb"] == pytest.approx(2 * facts["cost"]["worker_mb"], abs=1)
    assert facts["cost"]["unknown"] == []


def test_without_calibration_nothing_is_measured_or_written(unlearn, tiny_file, tmp_path):
    assert "this machine has not been measured" in unlearn("plan", tiny_file, "--no-calibration").out
    assert not (tmp_path / "unlearn-store").exists()


def test_a_plan_with_nothing_to_do_says_so_and_measures_nothing(unlearn, tiny_file):
    unlearn("run", tiny_file, "--jobs", 0)
    captured = unlearn("plan", tiny_file)
    assert "everything is stored: run computes nothing" in captured.out
    assert "measuring" not in captured.err


def test_a_run_ends_with_planned_against_actual(unlearn, tiny_file, tmp_path):
    assert "not planned, since this machine had not been measured" in unlearn("run", tiny_file, "--jobs", 0).err
    # What the first run has cost is known from then on.
    assert "planned " in unlearn("run", tiny_file, "--jobs", 0, "--store", tmp_path / "unlearn-store",
                                 "--references", 8).err
    records = [read_record(path).measured for path in (tmp_path / "unlearn-store" / "runs").glob("*/record.json")]
    first, second = sorted(records, key=lambda measured: measured["planned"] is not None)
    assert first["planned"] is None
    assert second["planned"]["worker_mb"] > 0
    assert second["work_seconds"] > 0
    assert "took" in unlearn("run", tiny_file, "--jobs", 0).err


def test_a_budget_is_kept_by_fewer_models_and_rows_say_so(unlearn, tiny_file, tmp_path):
    unlearn("run", tiny_file, "--jobs", 0, "--store", "other")
    (tmp_path / "store").mkdir()
    (tmp_path / "other" / "calibration").rename(tmp_path / "store" / "calibration")
    plan = json.loads(unlearn("plan", tiny_file, "--jobs", 0, "--store", "store", "--json").out)
    budget = 0.9 * plan["cost"]["seconds"]

    out = unlearn("run", tiny_file, "--jobs", 0, "--store", "store", "--rows", "rows.jsonl", "--budget-seconds",
                  budget).out

    assert "references 4 -> 2" in out
    row = read_rows(tmp_path / "rows.jsonl")[0]
    assert row.seeds["references"] == 2
    assert row.measured["effort"]["changed"]["references"] == [4, 2]


def test_references_auto_says_what_it_tried(unlearn, tiny_file, tmp_path):
    out = unlearn("run", tiny_file, "--jobs", 0, "--references", "auto", "--rows", "rows.jsonl").out
    assert "--references auto: tried 2, 4" in out
    row = read_rows(tmp_path / "rows.jsonl")[0]
    assert row.seeds["references"] == row.measured["effort"]["tried"][-1]
    assert len(row.measured["effort"]["moves"]) == len(row.measured["effort"]["tried"]) - 1


@pytest.mark.parametrize(("arguments", "message"), [
    (["run", "--references", "many"], "--references many: expected a number or auto"),
    (["plan", "--references", "auto"], "--references auto is for run"),
    (["run", "--references", "auto", "--budget-seconds", "5"], "contradict each other"),
    (["run", "--budget-seconds", "0"], "0.0 is not in the range x>0"),
])
def test_mistakes_are_told_in_one_line(unlearn, tiny_file, arguments, message):
    captured = unlearn(arguments[0], tiny_file, *arguments[1:], code=2)
    assert message in captured.err
    assert captured.err.count("\n") == 1
