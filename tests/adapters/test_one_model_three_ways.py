"""The same weights through PyTorch, ONNX Runtime, a server and a file give equal logits and equal audits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.onnx_adapter import OnnxAdapter
from adapters.onnx_export import export_onnx
from harness.auditing.evidence import select
from harness.auditing.opening import Opener
from harness.cli import run_main
from harness.data import Dataset
from harness.models import FitOptions, TrainingSet
from harness.plugins import load_registry
from harness.sources import Source
from suites.datasets import Digits
from tests.adapters.conftest import factory_of
from tests.adapters.mlserver_environment import mlserver, why_not
from tests.adapters.oip_server import Manners, Predict, serving

FORGET = np.arange(0, 900, 10)
RECIPE = FitOptions(epochs=40, batch_size=32, lr=0.1)
ORACLES = 3
FOUND = ("residual", "differs")
REAL_SERVER = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return Digits().load(None, False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> Path:
    """Return a folder with an original, a retrained model and oracles, each as safetensors and as ONNX."""
    from safetensors.numpy import save_file

    place = tmp_path_factory.mktemp("ways")
    factory = factory_of("mlp", classes=10, hidden=[32])
    retain = np.setdiff1d(np.arange(900), FORGET)
    oracles = ((f"oracle{k}", retain, 2 + k) for k in range(ORACLES))
    for name, rows, seed in (("original", np.arange(900), 0), ("retrained", retain, 1), *oracles):
        data = TrainingSet(inputs=digits.train.inputs[rows], targets=digits.train.labels[rows])
        model = factory.build(seed).fit(data, RECIPE, seed)
        save_file(dict(model.parameters()), place / f"{name}.safetensors")
        (place / f"{name}.onnx").write_bytes(export_onnx(model.native, (1, 8, 8)))
        if name == "original":
            np.savez(place / "original.npz", train=model.logits(digits.train.inputs),
                     test=model.logits(digits.test.inputs))
    np.savetxt(place / "forget.txt", FORGET, fmt="%d")
    return place


@pytest.fixture(scope="module", params=["JSON", "binary", pytest.param("MLServer", marks=REAL_SERVER)])
def served(request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL at which the ONNX file is served."""
    if request.param == "MLServer":
        with mlserver(folder / "original.onnx", tmp_path_factory.mktemp("mlserver")) as url:
            yield url
        return
    model = OnnxAdapter().open(Source(uri=f"onnx:{folder}/original.onnx", input_shape=(1, 8, 8), num_classes=10))
    predict: Predict = lambda inputs: model.logits(inputs.astype(np.float32))  # noqa: E731
    with serving(Manners(predict=predict, binary=request.param == "binary")) as url:
        yield url


def ways(folder: Path, served: str) -> list[str]:
    """Return the model's URIs."""
    return [f"torch:{folder}/original.safetensors", f"onnx:{folder}/original.onnx", served,
            f"signals:{folder}/original.npz"]


def test_logits_are_equal(folder: Path, served: str, digits: Dataset) -> None:
    registry = load_registry(installed=False)
    opener = Opener(registry=registry, architecture=registry.models["mlp"], settings={"hidden": [32]})
    selection = select(digits, FORGET)

    torch, *others = [opener.answers(uri, selection).signals for uri in ways(folder, served)]

    for other in others:
        np.testing.assert_allclose(other.pool, torch.pool, atol=1e-4)


@pytest.fixture
def audited(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], dict[str, Any]]:
    """Return a function that audits a model against an original and oracles in ONNX files."""
    def audit(uri: str) -> dict[str, Any]:
        run_main(["audit", uri, "--data", "digits", "--forget", str(folder / "forget.txt"), "--architecture", "mlp",
                  "--setting", "hidden=[32]", "--original", f"onnx:{folder}/original.onnx", "--json",
                  *(word for k in range(ORACLES) for word in ("--oracle", f"onnx:{folder}/oracle{k}.onnx"))])
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found
    return audit


def test_audits_are_equal(folder: Path, served: str, audited: Callable[[str], dict[str, Any]]) -> None:
    first, *others = [audited(uri) for uri in ways(folder, served)]

    assert len(first["scores"]) > 10
    assert first["verdict"]["kind"] in FOUND
    for other in others:
        assert _values(other) == pytest.approx(_values(first), abs=1e-4)
        assert other["verdict"]["kind"] == first["verdict"]["kind"]


def test_a_retrained_onnx_file_is_told_from_the_original(folder: Path,
                                                         audited: Callable[[str], dict[str, Any]]) -> None:
    original, retrained = (audited(f"onnx:{folder}/{name}.onnx")["verdict"] for name in ("original", "retrained"))

    assert original["kind"] in FOUND
    assert retrained["kind"] == "consistent"


def _values(outcome: dict[str, Any]) -> dict[str, float]:
    return {f"{score['auditor']} {score['name']}": score["value"] for score in outcome["scores"]}
