"""The README's plugins work as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.cli import run_main
from harness.rows import Row, read_rows
from tests.conftest import TINY

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SECTIONS = {text.partition("\n")[0]: text for text in README.split("\n## ")[1:]}
PLUGINS = {heading: found[1] for heading, text in SECTIONS.items()
           if (found := re.search(r"```python\n(.*?)```", text, flags=re.DOTALL))}


def test_the_two_commands_start_from_a_bare_python() -> None:
    commands = re.findall(r"^ *(python3 -m venv .*)$", README, flags=re.MULTILINE)
    assert len(commands) == 2
    assert "unlearn run digits-v1" in commands[0]
    assert "pytest" in commands[1]


def run_beside(plugin: str, tiny_file: Path) -> dict[str, Row]:
    """Return the rows of a small suite, by method, that has been run with a plugin in the current folder."""
    Path("mine.py").write_text(plugin, encoding="utf-8")
    assert run_main(["run", str(tiny_file), "--plugin", "mine.py", "--jobs", "0", "--rows", "rows.jsonl"]) == 0
    return {row.method.title: row for row in read_rows(Path("rows.jsonl")) if row.status == "ok"}


def test_the_method_of_the_readme_runs_as_written(tmp_path: Path, tiny_file: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    rows = run_beside(PLUGINS["Write a method"], tiny_file)

    assert rows["shrink"].method.owner["file"] == "mine.py"
    assert rows["shrink"].method.settings == {"factor": 0.9}


@pytest.mark.parametrize("heading", PLUGINS)
def test_every_plugin_of_the_readme_passes_its_checks_and_runs_in_a_suite(
        heading: str, tmp_path: Path, tiny_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    rows = run_beside(PLUGINS[heading], tiny_file)

    methods = {row.method.name for row in rows.values() if row.method.owner.get("file") == "mine.py"}
    auditors = set(rows["oracle"].auditors) - {spec["name"] for spec in TINY["auditors"]}
    assert methods | auditors
    assert run_main(["check", "--plugin", "mine.py"]) == 0
