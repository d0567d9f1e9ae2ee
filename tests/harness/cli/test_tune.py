"""`unlearn tune`, as its users meet it."""

import json
import tomllib

import pytest

from harness.cli import run_main
from harness.rows import read_rows


@pytest.fixture
def unlearn(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run_main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err
    return call


def test_a_search_ends_with_its_trials_and_the_best_as_toml_that_a_suite_takes(unlearn, tmp_path, tiny_file):
    code, out, err = unlearn("tune", tiny_file, "--method", "ft", "--trials", 2, "--jobs", 0, "--out", "ft.toml")
    assert code == 0, err
    assert "ft (retain+forget), 2 trials" in out
    best = tomllib.loads((tmp_path / "ft.toml").read_text())["unlearners"]
    assert out.endswith((tmp_path / "ft.toml").read_text())
    assert [entry["tuning"]["track"] for entry in best] == ["deployable"]

    text = tiny_file.read_text()
    ft = text[text.index('[[unlearners]]\nname = "ft"'):text.index('[[unlearners]]\nname = "ga"')]
    tiny_file.write_text(text.replace(ft, (tmp_path / "ft.toml").read_text()))
    unlearn("run", tiny_file, "--jobs", 0, "--method", "ft", "--rows", "rows.jsonl")
    row = next(row for row in read_rows(tmp_path / "rows.jsonl") if row.method.title == "ft")
    assert (row.tuning.track, row.tuning.trials, row.tuning.space) == ("deployable", 2, {"lr": "0.0001:1:log"})
    assert "no oracle, no test set" in row.tuning.saw
    assert row.method.settings["lr"] == best[0]["settings"]["lr"]


def test_the_same_search_again_computes_nothing_and_finds_the_same(unlearn, tiny_file):
    command = ("tune", tiny_file, "--method", "ga", "--trials", 2, "--jobs", 0, "--track", "oracle-tuned", "--json")
    first, second = unlearn(*command), unlearn(*command)
    assert "0 to compute" in second[2]
    assert json.loads(first[1]) == json.loads(second[1])
    assert {line["access"] for line in json.loads(first[1])} == {"retain+forget", "forget-only"}


def test_settings_from_the_command_line_are_not_passed_off_as_the_suites(unlearn, tmp_path, tiny_file):
    unlearn("run", tiny_file, "--jobs", 0, "--method", "ft", "--set", "ft.lr=0.5", "--rows", "rows.jsonl")
    row = next(row for row in read_rows(tmp_path / "rows.jsonl") if row.method.title == "ft")
    assert row.tuning.track == "manual"


@pytest.mark.parametrize(("arguments", "message"), [
    (["--method", "original"], "nothing to tune in original"),
    (["--method", "ft", "--space", "rate=0:1"], "space of 'ft': no parameter is called 'rate'"),
    (["--method", "ft", "--space", "lr"], "--space 'lr': expected PARAM=LOW:HIGH"),
    (["--method", "ft", "--space", "epochs=a,b"], "epochs: expected int, got 'a'"),
    (["--method", "ft", "--track", "oracle"], "'oracle' is not one of 'oracle-tuned', 'deployable'"),
])
def test_a_mistake_is_told_in_one_line(unlearn, tiny_file, arguments, message):
    code, out, err = unlearn("tune", tiny_file, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
