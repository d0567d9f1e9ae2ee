"""Models in ONNX files: what they compute, and one clear line for each that does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from adapters.onnx_adapter import OnnxAdapter
from adapters.onnx_model import explain, open_onnx
from harness.errors import BadSetting
from harness.models import Adapter, capabilities
from harness.sources import Opens, Source
from tests.adapters.conftest import NETWORKS, random_set
from tests.adapters.onnx_files import WEIGHT, affine

INPUTS = random_set(size=10).inputs
EXPECTED = INPUTS.reshape(10, 64) @ WEIGHT


def source(uri: str, **changes: Any) -> Source:
    """Return a source for 8x8 images of four classes."""
    return Source(**{"uri": uri, "input_shape": (1, 8, 8), "num_classes": 4, **changes})


def test_the_adapter_fulfils_its_contract(tmp_path: Path) -> None:
    model = OnnxAdapter().open(source(affine(tmp_path / "m.onnx")))

    assert isinstance(OnnxAdapter(), Adapter)
    assert isinstance(OnnxAdapter(), Opens)
    assert capabilities(model) == OnnxAdapter.capabilities
    with pytest.raises(BadSetting, match="adapter 'onnx' opens trained models and cannot train any"):
        OnnxAdapter().factory(NETWORKS["mlp"], (1, 8, 8), 4, {}, "cpu")


@pytest.mark.parametrize("changes", [
    {}, {"shape": ("batch", 64)}, {"shape": (3, 1, 8, 8)}, {"shape": (None, 1, None, None)},
    {"dtype": TensorProto.DOUBLE},
], ids=["images", "flat vectors", "batches of three", "free sizes", "float64"])
def test_logits_are_those_of_the_graph(changes: dict[str, Any], tmp_path: Path) -> None:
    model = open_onnx(source(affine(tmp_path / "m.onnx", **changes)))

    logits = model.logits(INPUTS)

    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, EXPECTED, atol=1e-5)  # float32 sums
    assert model.logits(INPUTS[:0]).shape == (0, 4)


def test_float16_models_are_given_float16(tmp_path: Path) -> None:
    model = open_onnx(source(affine(tmp_path / "m.onnx", dtype=TensorProto.FLOAT16)))

    np.testing.assert_allclose(model.logits(INPUTS), EXPECTED, atol=0.05)  # ten bits


def test_more_inputs_than_one_batch_come_back_in_order(tmp_path: Path) -> None:
    model = open_onnx(source(affine(tmp_path / "m.onnx")))
    many = random_set(size=600).inputs

    np.testing.assert_allclose(model.logits(many), many.reshape(600, 64) @ WEIGHT, atol=1e-5)  # float32 sums


def test_probabilities_become_logits_of_the_same_softmax(tmp_path: Path) -> None:
    model = open_onnx(source(affine(tmp_path / "m.onnx", end="Softmax")))

    assert model.output.kind == "probabilities"
    centred = EXPECTED - EXPECTED.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(model.logits(INPUTS), centred, atol=1e-3)  # logarithms of float32 probabilities


def test_logits_are_preferred_to_probabilities(tmp_path: Path) -> None:
    model = open_onnx(source(affine(tmp_path / "m.onnx", end="Softmax", outputs=2)))

    assert (model.output.name, model.output.kind) == ("z", "logits")


@pytest.mark.parametrize(("changes", "message"), [
    ({"opset": 99}, "it needs opset 99, ONNX Runtime .* knows up to [0-9]+; export it with a lower opset"),
    ({"ir": 99}, "it has IR version 99, ONNX Runtime .* reads up to"),
    ({"operator": "Grid"}, "ONNX Runtime .* has no operator Grid"),
    ({"shape": ("batch", 3, 32, 32), "weight": np.ones((3072, 4), np.float32)},
     r"takes inputs of shape \(3, 32, 32\), the data have \(1, 8, 8\)"),
    ({"shape": ("batch", 8, 8, 1)}, r"takes inputs of shape \(8, 8, 1\), the data have \(1, 8, 8\)"),
    ({"weight": np.ones((64, 7), np.float32)}, r"answers 4 inputs with 'y' float32 \(4, 7\); .* shape \(4, 4\)"),
    ({"weight": np.full((64, 4), np.nan, np.float32)}, "answers with NaN or infinity in 'y'"),
    ({"weight": np.ones((65, 4), np.float32)}, "cannot be loaded: .*Incompatible dimensions"),
])
def test_graphs_that_do_not_fit_are_refused_in_one_line(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=message) as caught:
        open_onnx(source(affine(tmp_path / "m.onnx", **changes)))

    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"onnx:{tmp_path}/m.onnx")


@pytest.mark.parametrize(("keep", "message"), [
    (0, "it is no ONNX file, or a part of one"), (200, "it is no ONNX file, or a part of one"),
])
def test_broken_files_are_refused(keep: int, message: str, tmp_path: Path) -> None:
    uri = affine(tmp_path / "m.onnx")
    (tmp_path / "m.onnx").write_bytes((tmp_path / "m.onnx").read_bytes()[:keep])

    with pytest.raises(BadSetting, match=message):
        open_onnx(source(uri))


def test_missing_files_and_devices_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"gone.onnx: cannot be read: No such file"):
        open_onnx(source(f"onnx:{tmp_path}/gone.onnx"))
    with pytest.raises(BadSetting, match="cannot compute on 'tpu'"):
        open_onnx(source(affine(tmp_path / "m.onnx"), device="tpu"))


def test_weights_in_another_file_are_refused_plainly() -> None:
    message = explain("[ONNXRuntimeError] : 1 : FAIL : External data path validation failed for initializer: w.")

    assert message == "its weights lie in a file of their own; export it with the weights inside"
