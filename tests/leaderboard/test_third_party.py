"""The whole way of a stranger's method, by the commands that a newcomer reads: check, run, submit, verify, add, build."""

import json

import pytest

from harness.cli import run_main
from tests.conftest import SUITE_TOML

PLUGIN = '''
"""Somebody's method in one file."""
from attrs import frozen
from harness import FitOptions, TrainingSet, hookimpl


@frozen(kw_only=True)
class Soften:
    """Fine-tune on the retain set."""

    name, version, requires = "soften", "3", frozenset({"fit"})
    access, scopes = ("retain+forget",), ("sample", "class")
    lr: float = 0.01

    def unlearn(self, task):
        data = TrainingSet(inputs=task.retain.inputs, targets=task.retain.labels)
        return task.original.fit(data, FitOptions(epochs=1, lr=self.lr), task.seed)


@hookimpl
def harness_unlearners():
    return [Soften]
'''


@pytest.fixture(scope="module")
def journey(tmp_path_factory):
    """Return the folder in which a bundle was made, after which the plugin was deleted."""
    folder = tmp_path_factory.mktemp("journey")
    (folder / "soften.py").write_text(PLUGIN, encoding="utf-8")
    (folder / "stranger-v1.toml").write_text(
        SUITE_TOML.replace("tiny-v1", "stranger-v1").replace('name = "ga"\nsettings = { epochs = 1, lr = 0.001 }',
                                                             'name = "soften"\nsettings = { lr = 0.02 }'),
        encoding="utf-8")
    plugin, store = ["--plugin", str(folder / "soften.py")], folder / "store"
    assert run_main(["run", str(folder / "stranger-v1.toml"), *plugin, "--store", str(store), "--jobs", "0"]) == 0
    [run] = (store / "runs").iterdir()
    assert run_main(["submit", str(run), "--out", str(folder / "mine.zip")]) == 0
    (folder / "soften.py").unlink()
    (folder / "board").mkdir()
    return folder


def add(journey):
    return run_main(["leaderboard", "add", str(journey / "mine.zip"), "--rows", str(journey / "board"), "--evaluator",
                     "a third party"])


def test_it_is_verified_where_its_code_is_not(journey, capsys):
    assert run_main(["verify", str(journey / "mine.zip")]) == 0

    # Two of the eight were skipped in forget-only mode and have no scores to confirm.
    assert "8 rows are valid, 6 of them confirmed by logits" in capsys.readouterr().out


def test_its_row_on_the_board_names_it_with_everything(journey, capsys):
    assert add(journey) == 0

    lines = (journey / "board" / "stranger-v1.jsonl").read_text(encoding="utf-8").splitlines()
    [row] = [row for row in map(json.loads, lines) if row["method"]["title"] == "soften" and row["scores"]]
    assert (row["tier"], row["evaluator"], row["status"]) == ("checked", "a third party", "ok")
    assert row["method"]["settings"] == {"lr": 0.02}
    assert (row["method"]["version"], row["method"]["owner"]["plugin"]) == ("3", "soften")
    assert len(row["method"]["source"]) == 64


def test_its_page_says_how_to_run_it_again(journey, capsys):
    assert add(journey) == 0
    assert run_main(["leaderboard", "build", "--rows", str(journey / "board"), "--out", str(journey / "site")]) == 0

    table = (journey / "site/suites/stranger-v1.retain-forget.html").read_text(encoding="utf-8")
    assert "soften" in table
    pages = [page.read_text(encoding="utf-8") for page in (journey / "site" / "rows").glob("*.html")]
    assert any("--plugin" in page and "--method soften" in page for page in pages)


def test_it_is_compared_with_the_others(journey, capsys):
    assert add(journey) == 0
    capsys.readouterr()
    assert run_main(["compare", str(journey / "board")]) == 0

    printed = capsys.readouterr().out
    assert "soften" in printed
    assert "oracle" in printed
