"""From names on the command line to evidence, and one clear line for each that does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.auditing.evidence import select
from harness.auditing.opening import Opener, load_data, read_references, read_selection
from harness.context import Place
from harness.data import Dataset
from harness.errors import BadSetting, DataError, UnknownName
from harness.plugins import load_registry

REGISTRY = load_registry(installed=False)
RANDOM = np.random.default_rng(0)
ARRAYS: dict[str, Any] = {
    "train_inputs": RANDOM.random((9, 2)), "train_labels": np.arange(9) % 3,
    "test_inputs": RANDOM.random((6, 2)), "test_labels": np.arange(6) % 3}


def data_at(path: Path, **changes: Any) -> Dataset:
    """Return the data set in an npz file with some arrays changed or left out."""
    arrays = {name: values for name, values in {**ARRAYS, **changes}.items() if values is not None}
    np.savez(path / "d.npz", **arrays)
    return load_data(str(path / "d.npz"), REGISTRY, Place(store=path))


def test_data_come_from_a_file_or_by_name(tmp_path: Path) -> None:
    given = data_at(tmp_path)

    assert (given.name, given.num_classes, given.input_shape) == ("d", 3, (2,))
    np.testing.assert_array_equal(given.test.labels, ARRAYS["test_labels"])
    assert load_data("digits", REGISTRY, Place(store=tmp_path)).num_classes == 10
    with pytest.raises(UnknownName, match="'digit' is not a data set; did you mean 'digits'"):
        load_data("digit", REGISTRY, Place(store=tmp_path))


@pytest.mark.parametrize(("changes", "message"), [
    ({"test_labels": None}, "has no array 'test_labels'; expected train_inputs, train_labels, test_inputs, test_labels"),
    ({"train_labels": np.zeros(9)}, r"train_labels must be \(N,\) whole numbers, got float64 \(9,\)"),
    ({"train_labels": np.zeros(8, int)}, "Examples: 9 inputs but 8 labels"),
    ({"train_labels": np.full(9, -1)}, r"train labels are in \[-1, -1\], expected"),
    ({"train_inputs": np.full((9, 2), np.nan)}, "train inputs contain NaN or infinity"),
    ({"test_inputs": np.zeros((6, 3))}, r"training inputs are \(2,\), test inputs \(3,\)"),
    ({"test_inputs": np.zeros((0, 2)), "test_labels": np.zeros(0, int)}, "test is empty"),
])
def test_data_that_do_not_fit_are_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        data_at(tmp_path, **changes)


def test_sets_come_from_files_of_indices(tmp_path: Path) -> None:
    (tmp_path / "forget.txt").write_text("4\n1\n")
    (tmp_path / "test.json").write_text("[0, 5]")
    np.savez(tmp_path / "sets.npz", retain=[0, 2, 3], forget=[8])

    selection = read_selection(data_at(tmp_path), tmp_path / "forget.txt", tmp_path / "sets.npz",
                               tmp_path / "test.json")

    np.testing.assert_array_equal(selection.train, [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(selection.request.forget, [1, 4])
    np.testing.assert_array_equal(selection.test, [0, 5])


def test_a_model_is_opened_by_its_adapter(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    weight, bias = RANDOM.normal(size=(3, 2)).astype(np.float32), np.ones(3, np.float32)
    save_file({"output.weight": weight, "output.bias": bias}, tmp_path / "m.safetensors")
    np.savez(tmp_path / "s.npz", train=ARRAYS["train_inputs"] @ weight.T + 1, test=ARRAYS["test_inputs"] @ weight.T + 1)
    selection = select(data_at(tmp_path), np.array([1, 4]), retain=np.array([0, 2]))
    opener = Opener(registry=REGISTRY)

    model = opener.answers(f"linear:{tmp_path}/m.safetensors", selection)
    signals = opener.answers(f"signals:{tmp_path}/s.npz", selection)

    assert model.model is not None
    assert signals.model is None
    assert model.signals.train.shape == (4, 3)
    np.testing.assert_allclose(model.signals.train, signals.signals.train, atol=1e-6)  # float32
    np.testing.assert_allclose(model.signals.test, signals.signals.test, atol=1e-6)


@pytest.mark.parametrize(("uri", "error", "message"), [
    ("model.onnx", BadSetting, "'model.onnx' names no model; write ADAPTER:LOCATION, e.g. onnx:FILE.onnx, "),
    ("onnx:", BadSetting, "'onnx:' names no model"),
    ("onxx:m.onnx", UnknownName, "'onxx' is not an adapter; did you mean 'onnx'"),
    ("sklearn:m.pkl", BadSetting, "adapter 'sklearn' opens no models; callable, http, linear, onnx, signals, torch do"),
])
def test_models_that_cannot_be_opened_are_named(uri: str, error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        Opener(registry=REGISTRY).answers(uri, select(data_at(tmp_path), np.array([1])))


def references_at(path: Path, **changes: Any) -> None:
    """Write four references of the pool, in which each example is half of the time."""
    membership = np.arange(15) % 2 == np.arange(4)[:, None] % 2
    np.savez(path / "r.npz", **{"logits": RANDOM.random((4, 15, 3)), "membership": membership, **changes})


def test_references_come_from_a_file(tmp_path: Path) -> None:
    references_at(tmp_path)

    found = read_references(tmp_path / "r.npz", select(data_at(tmp_path), np.array([1]), retain=np.array([2, 3])))

    assert found.logits.shape == (4, 9, 3)
    assert found.logits.dtype == np.float32
    np.testing.assert_array_equal(found.membership[0], np.array([1, 2, 3, 9, 10, 11, 12, 13, 14]) % 2 == 0)


@pytest.mark.parametrize(("changes", "message"), [
    ({"logits": np.zeros((4, 14, 3))}, r"logits have shape \(4, 14, 3\) and membership \(4, 15\); expected \(R, 15, 3\)"),
    ({"membership": np.zeros((3, 15))}, r"membership \(3, 15\); expected"),
    ({"membership": np.full((4, 15), 2)}, "membership must be true or false, and logits finite"),
    ({"logits": np.full((4, 15, 3), np.inf)}, "membership must be true or false, and logits finite"),
    ({"membership": np.ones((4, 15))}, "example 0 of the pool is in all references or in none; each must be in some"),
])
def test_references_that_do_not_fit_are_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    references_at(tmp_path, **changes)

    with pytest.raises(DataError, match=message):
        read_references(tmp_path / "r.npz", select(data_at(tmp_path), np.array([1])))
