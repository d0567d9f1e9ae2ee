"""`unlearn check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import run_main

METHOD = '''
from typing import ClassVar
from attrs import frozen
from harness import Unlearned, hookimpl

@frozen(kw_only=True)
class Mine:
    """One epoch on the retain set."""
    name: ClassVar[str] = "mine"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset] = frozenset({"fit"})
    access: ClassVar[tuple] = ("retain+forget",)
    scopes: ClassVar[tuple] = ("sample",)

    scale: float = 1.0

    def unlearn(self, task):
        from harness import FitOptions, TrainingSet
        data = TrainingSet(inputs=task.retain.inputs, targets=task.retain.labels)
        model = task.original.fit(data, FitOptions(epochs=1, lr=0.01), task.seed)
        return Unlearned(model=model, facts={"scale": 1 / self.scale})

@hookimpl
def harness_unlearners():
    return [Mine]
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(METHOD, encoding="utf-8")
    return path


def test_everything_in_a_file_is_checked(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["check", "--plugin", str(plugin)]) == 0

    printed = capsys.readouterr().out
    assert "method mine: 18 passed" in printed
    assert "the forget set's inputs are not read" in printed


def test_a_failed_check_is_exit_code_1(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["check", "mine", "--plugin", str(plugin), "--set", "mine.scale=1e-320"]) == 1

    assert "method mine: 17 passed, 1 failed" in capsys.readouterr().out


def test_an_expected_failure_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["check", "original", "--json"]) == 0

    lines = json.loads(capsys.readouterr().out)
    assert {"kind": "method", "name": "original", "check": "check_model_changes", "status": "xfail",
            "message": "doing nothing is what this control is for"} in lines


def test_auditors_adapters_and_suites_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["check", "--auditor", "accuracy", "--adapter", "linear", "--suite", "digits-v1"]) == 0

    printed = capsys.readouterr().out
    for heading in ("auditor accuracy: 16 passed", "adapter linear: ", "suite digits-v1: 7 passed"):
        assert heading in printed


@pytest.mark.parametrize(("arguments", "message"), [
    (["amum"], "did you mean 'amun'?"),
    (["--auditor", "rmja"], "'rmja' is not an auditor; did you mean 'rmia'?"),
    ([], "nothing to check; name a plugin"),
    (["ft", "--set", "ft.lrr=1"], "did you mean 'lr'?"),
    (["ft", "--model", "no-such"], "'no-such' is not a model"),
])
def test_a_mistake_is_told_in_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["check", *arguments]) == 2

    assert message in capsys.readouterr().err


def test_a_file_that_registers_nothing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n", encoding="utf-8")

    assert run_main(["check", "--plugin", str(empty)]) == 2
    assert "registers no unlearner, auditor, adapter or suite" in capsys.readouterr().err
