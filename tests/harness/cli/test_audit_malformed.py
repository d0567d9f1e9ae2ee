"""What `unlearn audit` says of models that are broken: one line, exit code 2, nothing on standard output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters import http_transport
from harness.cli import run_main
from tests.adapters.oip_server import Manners, serving
from tests.adapters.onnx_files import affine

WEIGHT = np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32)
Audit = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Audit:
    """Return a function that audits a model of a folder and gives exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(http_transport, "FIRST_WAIT", 0.0)
    np.savetxt("forget.txt", np.arange(9), fmt="%d")

    def run(model: str) -> tuple[int, str, str]:
        code = run_main(["audit", model, "--data", "digits", "--forget", "forget.txt", "--timeout", "0.5"])
        captured = capsys.readouterr()
        return code, captured.out, captured.err
    return run


def answers_without(rows: int) -> str:
    """Return a CSV file of answers to digits that ends too early."""
    lines = [f"{part},{index}" + ",0" * 10 for part, size in (("train", 900), ("test", 897)) for index in range(size)]
    header = ",".join(["set", "index", *(f"class{k}" for k in range(10))])
    return "\n".join([header, *lines[:-rows]]) + "\n"


FILES: dict[str, Callable[[Path], Any]] = {
    "text.onnx": lambda path: path.write_text("no graph"),
    "cut.onnx": lambda path: (affine(path, weight=WEIGHT), path.write_bytes(path.read_bytes()[:300])),
    "large.onnx": lambda path: affine(path, shape=("batch", 3, 32, 32), weight=np.ones((3072, 10), np.float32)),
    "seven.onnx": lambda path: affine(path, weight=WEIGHT[:, :7]),
    "new.onnx": lambda path: affine(path, weight=WEIGHT, opset=99),
    "short.csv": lambda path: path.write_text(answers_without(rows=5)),
    "text.npz": lambda path: path.write_text("no archive"),
}


@pytest.mark.parametrize(("uri", "message"), [
    ("onnx:text.onnx", "it is no ONNX file, or a part of one"),
    ("onnx:cut.onnx", "it is no ONNX file, or a part of one"),
    ("onnx:large.onnx", "takes inputs of shape (3, 32, 32), the data have (1, 8, 8); give it data in the shape"),
    ("onnx:seven.onnx", "expected logits or probabilities of shape (4, 10)"),
    ("onnx:new.onnx", "it needs opset 99"),
    ("signals:short.csv", "short.csv: 5 of 897 test examples have no row, the first is test 892"),
    ("signals:text.npz", "text.npz: "),
])
def test_a_malformed_file_is_one_clear_line(uri: str, message: str, audit: Audit) -> None:
    name = uri.partition(":")[2]
    FILES[name](Path(name))

    code, out, error = audit(uri)

    assert (code, out) == (2, "")
    assert error.startswith("unlearn: ")
    assert message in error
    assert error.count("\n") == 1


def polite(inputs: Any) -> Any:
    """Return logits of an affine model."""
    return inputs.reshape(len(inputs), 64) @ WEIGHT


@pytest.mark.parametrize(("change", "message"), [
    ({"failures": [500] * 9}, "answers 500 Internal Server Error: "),
    ({"failures": [503] * 9}, "answers 503 Service Unavailable: "),
    ({"hangs": 1.0}, "does not answer within 0.5 s (2 attempts)"),
    ({"drips": 0.02}, "does not answer within 0.5 s (2 attempts)"),
    ({"predict": lambda inputs: polite(inputs)[:, :7]}, "'y' float32 (4, 7); expected logits or probabilities of shape"),
    ({"predict": lambda inputs: polite(inputs[:4])}, "answers 256 inputs with shape (4, 10) for 'y', expected (256, 10)"),
    ({"predict": lambda inputs: polite(inputs) * np.nan}, "answers with NaN or infinity in 'y'"),
    ({"shape": [-1, 3, 32, 32]}, "takes inputs of shape (3, 32, 32), the data have (1, 8, 8)"),
    ({"body": b"<html>"}, "answers with something that is no JSON: <html>"),
    ({"token": "secret"}, "give a token in the environment variable UNLEARN_HTTP_TOKEN"),
])
def test_a_server_that_fails_is_one_clear_line(change: dict[str, Any], message: str, audit: Audit) -> None:
    with serving(Manners(**{"predict": polite, **change})) as url:
        code, out, error = audit(url)

    assert (code, out) == (2, "")
    assert message in error
    assert error.count("\n") == 1
