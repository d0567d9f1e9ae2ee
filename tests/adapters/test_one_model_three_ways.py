"""The same weights through PyTorch, ONNX Runtime, a server and a file give equal logits and equal audits."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
from tests.adapters.oip_server import Manners, serving

FORGET = np.arange(0, 900, 10)
RECIPE = FitOptions(epochs=15, batch_size=32, lr=0.1)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return Digits().load(None, False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> Path:
    """Return a folder with an original and two oracles as safetensors, and the original as ONNX and as answers."""
    from safetensors.numpy import save_file

    place = tmp_path_factory.mktemp("ways")
    factory = factory_of("mlp", classes=10, hidden=[32])
    retain = np.setdiff1d(np.arange(900), FORGET)
    for name, rows, seed in (("original", np.arange(900), 0), ("oracle0", retain, 1), ("oracle1", retain, 2)):
        data = TrainingSet(inputs=digits.train.inputs[rows], targets=digits.train.labels[rows])
        model = factory.build(seed).fit(data, RECIPE, seed)
        save_file(dict(model.parameters()), place / f"{name}.safetensors")
        if name == "original":
            (place / "original.onnx").write_bytes(export_onnx(model.native, (1, 8, 8)))
            np.savez(place / "original.npz", train=model.logits(digits.train.inputs),
                     test=model.logits(digits.test.inputs))
    np.savetxt(place / "forget.txt", FORGET, fmt="%d")
    return place


@pytest.fixture(scope="module", params=[False, True], ids=["JSON", "binary"])
def served(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """Return the URL at which the ONNX file is served."""
    model = OnnxAdapter().open(Source(uri=f"onnx:{folder}/original.onnx", input_shape=(1, 8, 8), num_classes=10))
    with serving(Manners(predict=lambda inputs: model.logits(inputs.astype(np.float32)), binary=request.param)) as url:
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


def test_audit_scores_are_equal(folder: Path, served: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for uri in ways(folder, served):
        run_main(["audit", uri, "--data", "digits", "--forget", str(folder / "forget.txt"), "--architecture", "mlp",
                  "--setting", "hidden=[32]", "--original", f"onnx:{folder}/original.onnx", "--json",
                  *(word for k in range(2) for word in ("--oracle", f"torch:{folder}/oracle{k}.safetensors")),
                  *(word for name in ("accuracy", "mis", "loss-threshold") for word in ("--auditor", name))])
        found.append(json.loads(capsys.readouterr().out))

    assert len(found[0]["scores"]) >= 4
    for other in found[1:]:
        assert _values(other) == pytest.approx(_values(found[0]), abs=1e-4)
        assert other["verdict"]["kind"] == found[0]["verdict"]["kind"]


def _values(outcome: dict[str, Any]) -> dict[str, float]:
    return {f"{score['auditor']} {score['name']}": score["value"] for score in outcome["scores"]}
