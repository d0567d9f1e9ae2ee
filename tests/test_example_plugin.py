"""A third party's distribution, installed beside the harness: listed, checked, run, and named in its rows."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from harness.cli import run_main

DISTRIBUTION = "unlearning-harness-example"
SUITE = """
name = "third-party-v1"
description = "a third party's method, audit and model"
originals = 2
oracles = 2
runs = 1
data = { name = "digits", train = 120, test = 120 }
model = { name = "fourier", settings = { features = 64 } }
recipe = { epochs = 5, batch_size = 30, lr = 0.1 }
requests = { generator = "random", size = 0.1, count = 1 }
references = { count = 0 }
[[unlearners]]
name = "original"
[[unlearners]]
name = "ascend-repair"
settings = { repair_epochs = 2 }
[[auditors]]
name = "accuracy"
[[auditors]]
name = "margin-auc"
"""


def installed_version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return ""


pytestmark = pytest.mark.skipif(not installed_version(), reason="the example is not installed; .ci/run does "
                                                                "pip install --no-deps tests/example_plugin")


def own_row(printed: str) -> dict[str, Any]:
    """Return the row of the third party's method in the access mode that it declares."""
    [row] = [row for row in json.loads(printed) if row["method"]["name"] == "ascend-repair"
             and row["method"]["access"] == "retain+forget"]
    return row


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "third-party-v1.toml"
    path.write_text(SUITE, encoding="utf-8")
    return path


@pytest.mark.parametrize(("kind", "name"), [("unlearner", "ascend-repair"), ("auditor", "margin-auc"),
                                            ("adapter", "fourier"), ("model", "fourier")])
def test_it_is_listed_with_its_distribution_and_version(kind: str, name: str,
                                                        capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["list", "--json"]) == 0

    lines = json.loads(capsys.readouterr().out)
    [line] = [line for line in lines if (line["kind"], line["name"]) == (kind, name)]
    assert line["from"] == f"{DISTRIBUTION} {installed_version()} (example)"


def test_it_passes_its_checks(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["check", "--method", "ascend-repair", "--auditor", "margin-auc", "--adapter", "fourier"]) == 0

    assert "failed" not in capsys.readouterr().out


def test_it_runs_in_a_suite_and_its_row_names_it(suite: Path, tmp_path: Path,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["run", str(suite), "--store", str(tmp_path / "store"), "--jobs", "0", "--json"]) == 0

    row = own_row(capsys.readouterr().out)
    owner = row["method"]["owner"]
    assert row["status"] == "ok"
    assert (owner["distribution"], owner["version"]) == (DISTRIBUTION, installed_version())
    assert owner["entry_point"] == "example = unlearning_example.plugin"
    assert {score["auditor"] for score in row["scores"]} == {"accuracy", "margin-auc"}


def test_it_goes_from_a_run_to_a_page(suite: Path, tmp_path: Path) -> None:
    store, bundle, board, site = (tmp_path / name for name in ("store", "mine.zip", "board", "site"))
    board.mkdir()
    assert run_main(["run", str(suite), "--store", str(store), "--jobs", "0"]) == 0
    [folder] = (store / "runs").iterdir()
    assert run_main(["submit", str(folder), "--out", str(bundle)]) == 0
    assert run_main(["verify", str(bundle)]) == 0
    assert run_main(["leaderboard", "add", str(bundle), "--rows", str(board)]) == 0
    assert run_main(["leaderboard", "build", "--rows", str(board), "--out", str(site)]) == 0

    page = (site / "suites" / "third-party-v1.retain-forget.html").read_text(encoding="utf-8")
    assert "ascend-repair" in page


def test_its_source_is_part_of_the_row(suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_main(["run", str(suite), "--store", str(tmp_path / "store"), "--jobs", "0", "--json"])

    row = own_row(capsys.readouterr().out)
    assert len(row["method"]["source"]) == 64
    assert len(row["auditors"]["margin-auc"]["source"]) == 64
