"""The README's plugin works as written."""

import re
from pathlib import Path

from harness.cli import run_main
from harness.rows import read_rows

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_two_commands_start_from_a_bare_python():
    commands = re.findall(r"^ *(python3 -m venv .*)$", README, flags=re.MULTILINE)
    assert len(commands) == 2
    assert "unlearn run digits-v1" in commands[0]
    assert "pytest" in commands[1]


def test_the_method_of_the_readme_runs_as_written(tmp_path, tiny_file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(re.search(r"```python\n(.*?)```", README, flags=re.DOTALL)[1])

    assert run_main(["run", str(tiny_file), "--plugin", "mine.py", "--jobs", "0", "--rows", "rows.jsonl"]) == 0

    rows = {row.method.title: row for row in read_rows(tmp_path / "rows.jsonl") if row.status == "ok"}
    assert rows["shrink"].method.owner["file"] == "mine.py"
    assert rows["shrink"].method.settings == {"factor": 0.9}
