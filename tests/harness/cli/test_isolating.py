"""`unlearn run --isolate`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from harness.cli import run_main

SUITE = """
name = "isolated-v1"
description = "two methods in children of their own"
originals = 1
oracles = 2
runs = 1
access = ["retain+forget"]
data = { name = "digits", train = 120, test = 120 }
model = { name = "linear" }
recipe = { epochs = 2, batch_size = 30, lr = 0.1 }
requests = { generator = "random", size = 0.1, count = 1 }
references = { count = 0 }
unlearn_seconds = 30.0
[[unlearners]]
name = "original"
[[unlearners]]
name = "ft"
[[auditors]]
name = "accuracy"
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="--isolate needs Linux")


def rows(suite: Path, store: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[list[dict], str]:
    assert run_main(["run", str(suite), "--store", str(store), "--jobs", "0", "--json", *options]) == 0
    printed = capsys.readouterr()
    return json.loads(printed.out), printed.err


def test_the_rows_are_the_same_and_say_how_methods_were_held(tmp_path: Path,
                                                             capsys: pytest.CaptureFixture[str]) -> None:
    suite = tmp_path / "isolated-v1.toml"
    suite.write_text(SUITE, encoding="utf-8")

    plain, _ = rows(suite, tmp_path / "plain", capsys)
    isolated, said = rows(suite, tmp_path / "isolated", capsys, "--isolate")

    assert [row["id"] for row in isolated] == [row["id"] for row in plain]
    assert {row["measured"].get("isolation") for row in plain} == {None, "in-process"}
    [level] = {row["measured"]["isolation"] for row in isolated if row["method"]["name"] != "oracle"}
    assert f"isolation: {level}: holds " in said


def test_a_hanging_method_is_a_timeout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.harness.isolation import hostile

    suite = tmp_path / "isolated-v1.toml"
    suite.write_text(SUITE.replace("30.0", "2.0"), encoding="utf-8")

    found, _ = rows(suite, tmp_path / "store", capsys, "--isolate", "--plugin", hostile.__file__, "--method", "hangs")

    status = {row["method"]["name"]: (row["status"], row["reason"]) for row in found}
    assert status["hangs"] == ("timeout", "1 of 1: stopped: it ran longer than 2 s")


def test_too_little_memory_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["run", "digits-v1", "--isolate", "--memory-limit", "10"]) == 2

    assert "--memory-limit" in capsys.readouterr().err
