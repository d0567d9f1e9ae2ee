"""`unlearn new-plugin`."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from harness.cli import run_main
from harness.cli.scaffolding import package


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a new plugin."""
    assert run_main(["new-plugin", "my-method", "--into", str(tmp_path)]) == 0
    return tmp_path / "my-method"


def test_a_new_plugin_passes_its_checks_as_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["check", "--plugin", str(folder / "my_method.py")]) == 0

    assert "method my-method: 19 passed" in capsys.readouterr().out


def test_a_new_auditor_passes_its_checks_and_runs_as_written(
        tmp_path: Path, tiny_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["new-plugin", "my-audit", "--kind", "auditor", "--into", str(tmp_path)]) == 0
    module = tmp_path / "my-audit" / "my_audit.py"

    assert run_main(["check", "--plugin", str(module)]) == 0
    assert "auditor my-audit: 16 passed" in capsys.readouterr().out
    assert run_main(["run", str(tiny_file), "--plugin", str(module), "--jobs", "0", "--method", "original",
                     "--store", str(tmp_path / "store"), "--json"]) == 0

    rows = json.loads(capsys.readouterr().out)
    [original] = [row for row in rows if (row["method"]["name"], row["method"]["access"]) == ("original",
                                                                                              "retain+forget")]
    assert {score["auditor"] for score in original["scores"]} == {"accuracy", "rmia", "average-gap", "my-audit"}
    assert len(original["auditors"]["my-audit"]["source"]) == 64
    assert len([line for line in module.read_text(encoding="utf-8").splitlines() if line.strip()]) <= 30


@pytest.mark.parametrize(("kind", "choice"), [("unlearner", "--method original --method mine"),
                                              ("auditor", "--auditor accuracy --auditor mine")])
def test_its_files_are_about_what_it_brings(kind: str, choice: str) -> None:
    files = package("mine", kind)

    assert f"The {kind} mine for unlearning-harness." in files["pyproject.toml"]
    assert f"unlearn run digits-v1 {choice}" in files["README.md"]
    assert f"unlearn list {kind}s" in files["README.md"]
    assert not any("$" in content for content in files.values())


def test_its_own_test_passes(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=folder, check=False,
                          capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stdout
    assert "19 passed" in done.stdout


def test_its_entry_point_leads_to_its_module(folder: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))

    assert project["project"]["entry-points"] == {"unlearning_harness": {"my_method": "my_method"}}
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"] == ["my_method.py"]


def test_a_method_is_thirty_lines(folder: Path) -> None:
    lines = (folder / "my_method.py").read_text(encoding="utf-8").splitlines()

    assert len([line for line in lines if line.strip()]) <= 30


def test_nothing_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "my_method.py").write_text("mine", encoding="utf-8")

    assert run_main(["new-plugin", "my-method", "--into", str(folder.parent)]) == 2
    assert "nothing that exists is overwritten" in capsys.readouterr().err
    assert (folder / "my_method.py").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(("name", "message"), [
    ("My_Method", "cannot be the name of a package"),
    ("../up", "cannot be the name of a package"),
    ("amun", "has an unlearner called 'amun' already"),
])
def test_a_name_that_does_not_do_is_refused(name: str, message: str, tmp_path: Path,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["new-plugin", name, "--into", str(tmp_path)]) == 2

    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
