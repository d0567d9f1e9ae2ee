"""`unlearn export`: from a store to a file, and back to the same logits."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from adapters.onnx_export import export_onnx
from adapters.onnx_model import open_onnx
from adapters.torch_adapter import TorchAdapter
from adapters.weights import open_weights
from harness.cli import run_main
from harness.errors import BadSetting
from harness.sources import Source
from harness.store import Store
from suites.datasets import Digits
from tests.adapters.conftest import NETWORKS, factory_of, random_set

SUITE = """
name = "export-v1"
description = "one original and one fine-tuned model"
originals = 1
oracles = 2
runs = 1
access = ["retain+forget"]
data = { name = "digits", train = 100, test = 100 }
model = { name = "mlp", settings = { hidden = [8] } }
recipe = { epochs = 1, batch_size = 50, lr = 0.1 }
requests = { generator = "random", size = 0.1, count = 1 }
references = { count = 0, block = 2 }
unlearners = [{ name = "original" }, { name = "ft", settings = { epochs = 1, lr = 0.01 } }]
auditors = [{ name = "accuracy" }]
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store in which a run lies."""
    folder = tmp_path_factory.mktemp("export")
    (folder / "export-v1.toml").write_text(SUITE, encoding="utf-8")
    assert run_main(["run", str(folder / "export-v1.toml"), "--store", str(folder / "store"), "--jobs", "0"]) == 0
    return folder / "store"


def key_of(store: Path, stage: str) -> str:
    """Return the key of the first stage of a kind."""
    found = Store(store, create=False)
    return next(key for key in found if found.manifest(key).stage == stage)


def test_a_cell_of_a_run_becomes_an_onnx_file(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "ft.onnx"

    assert run_main(["export", "export-v1", "--store", str(store), "--method", "ft", "--out", str(out)]) == 0

    assert "unlearn ft retain+forget original 0 request 0 run 0; logits differ from the model's by" in (
        capsys.readouterr().out)
    assert [path.name for path in tmp_path.iterdir()] == ["ft.onnx"]
    assert b".py" not in out.read_bytes()
    key = next(key for key in Store(store, create=False)
               if Store(store, create=False).manifest(key).label.startswith("unlearn ft"))
    model = open_onnx(Source(uri=f"onnx:{out}", input_shape=(1, 8, 8), num_classes=10))
    stored = Store(store, create=False).arrays(key, "signals")["test"]
    everything = Digits().load(None, False).test.inputs
    # The suite's hundred test examples are among all of them.
    found = model.logits(everything)
    assert all(np.abs(found - row).max(axis=1).min() < 1e-4 for row in stored)


def test_a_key_becomes_weights_that_open_again(store: Path, tmp_path: Path) -> None:
    key, out = key_of(store, "train"), tmp_path / "original.safetensors"

    assert run_main(["export", key[:10], "--store", str(store), "--out", str(out)]) == 0

    model = open_weights(TorchAdapter(), Source(uri=f"torch:{out}", input_shape=(1, 8, 8), num_classes=10,
                                                architecture=NETWORKS["mlp"], settings={"hidden": [8]}))
    stored = Store(store, create=False).arrays(key, "weights")
    for name, value in model.parameters().items():  # type: ignore[attr-defined]
        np.testing.assert_array_equal(value, stored[name])


@pytest.mark.parametrize(("arguments", "message"), [
    (["export-v1", "--out", "m.onnx"], "4 models of run 'export-v1-.*' fit; say which with --method --access --orig"),
    (["export-v1", "--method", "amun", "--out", "m.onnx"], "has no such model; its methods are oracle, original, ft"),
    (["export-v2", "--out", "m.onnx"], "'export-v2' is not a run or key in this store; known: export-v1-"),
    (["export-v1", "--method", "ft", "--out", "m.pt"], "--out m.pt: expected a name that ends in .onnx or .safeten"),
    (["export-v1", "--method", "ft", "--out", "no/m.onnx"], "--out no/m.onnx: there is no folder no to write it to"),
])
def test_mistakes_are_told_in_one_line(arguments: list[str], message: str, store: Path, tmp_path: Path,
                                       capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert run_main(["export", *arguments, "--store", str(store)]) == 2

    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error)
    assert list(tmp_path.iterdir()) == []


def test_stages_that_make_no_model_are_refused(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["export", key_of(store, "forget"), "--store", str(store), "--out", "m.onnx"]) == 2
    assert "is 'forget set 0'; only train, retrain, unlearn stages make models" in capsys.readouterr().err


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["export", "x", "--store", str(tmp_path / "none"), "--out", "m.onnx"]) == 2
    assert "there is no store at" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_networks_of_convolutions_export_to_equal_logits_and_equal_bytes(tmp_path: Path) -> None:
    model = factory_of("small-cnn", channels=[4], hidden=8).build(0)
    inputs = random_set(size=7).inputs

    first, second = (export_onnx(model.native, (1, 8, 8)) for _ in range(2))

    assert first == second
    (tmp_path / "m.onnx").write_bytes(first)
    read = open_onnx(Source(uri=f"onnx:{tmp_path}/m.onnx", input_shape=(1, 8, 8), num_classes=4))
    np.testing.assert_allclose(read.logits(inputs), model.logits(inputs), atol=1e-5)  # float32 sums


@pytest.mark.parametrize(("content", "suffix", "settings", "message"), [
    (b"", ".pt", {}, r"files made by torch.save or pickle can run code when they are opened"),
    (b"junk", ".safetensors", {}, "is no safetensors file, or a part of one"),
    (None, ".safetensors", {}, "cannot be read: No such file"),
    (b"{}", ".safetensors", {"architecture": None}, "say of which network with --architecture NAME"),
])
def test_weight_files_that_cannot_be_opened_are_refused(content: bytes | None, suffix: str, settings: dict[str, None],
                                                        message: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadSetting, match=message):
        open_weights(TorchAdapter(), Source(**{
            "uri": f"torch:{path}", "input_shape": (1, 8, 8), "num_classes": 4, "architecture": NETWORKS["mlp"],
            **settings}))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file(dict(factory_of("mlp", hidden=[5]).build(0).parameters()), tmp_path / "m.safetensors")

    with pytest.raises(BadSetting, match=r"not fit model 'mlp' for 4 classes: .*'hidden1.weight' has shape"):
        open_weights(TorchAdapter(), Source(uri=f"torch:{tmp_path}/m.safetensors", input_shape=(1, 8, 8),
                                            num_classes=4, architecture=NETWORKS["mlp"], settings={"hidden": [6]}))
