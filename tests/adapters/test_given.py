"""Functions and files of answers as models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.callable_model import CallableModel
from adapters.given import CallableAdapter, SignalsAdapter
from harness.errors import BadSetting, DataError
from harness.models import Adapter, capabilities
from harness.sources import Opens, ReadsSignals, Source
from tests.adapters.conftest import NETWORKS, random_set

INPUTS = random_set(size=10).inputs
TRAIN = np.random.default_rng(0).normal(size=(5, 4))
TEST = np.random.default_rng(1).normal(size=(3, 4))


def source(uri: str) -> Source:
    """Return a source for 8x8 images of four classes."""
    return Source(uri=uri, input_shape=(1, 8, 8), num_classes=4)


def first_pixels(inputs: Any) -> Any:
    """Return the first four pixels."""
    return inputs.reshape(len(inputs), -1)[:, :4]


def test_the_adapters_fulfil_their_contracts() -> None:
    assert isinstance(CallableAdapter(), Adapter)
    assert isinstance(CallableAdapter(), Opens)
    assert isinstance(SignalsAdapter(), Adapter)
    assert isinstance(SignalsAdapter(), ReadsSignals)
    assert capabilities(CallableModel(first_pixels, (1, 8, 8), 4)) == CallableAdapter.capabilities
    for adapter in (CallableAdapter(), SignalsAdapter()):
        with pytest.raises(BadSetting, match=f"adapter '{adapter.name}' .* cannot train any"):
            adapter.factory(NETWORKS["mlp"], (1, 8, 8), 4, {}, "cpu")


def test_a_function_is_called_in_batches() -> None:
    sizes: list[int] = []

    def predict(inputs: Any) -> Any:
        sizes.append(len(inputs))
        return first_pixels(inputs).tolist()

    model = CallableModel(predict, (1, 8, 8), 4, batch_size=4)

    np.testing.assert_array_equal(model.logits(INPUTS), first_pixels(INPUTS))
    assert sizes[1:] == [4, 4, 2]
    assert model.logits(INPUTS[:0]).shape == (0, 4)


def test_a_function_cannot_change_the_inputs() -> None:
    def spoil(inputs: Any) -> Any:
        inputs[:] = 0
        return np.eye(4)[np.zeros(len(inputs), int)] * 3

    before = INPUTS.copy()
    CallableModel(spoil, (1, 8, 8), 4).logits(INPUTS)

    np.testing.assert_array_equal(INPUTS, before)


def test_probabilities_of_a_function_become_logits() -> None:
    model = CallableModel(lambda inputs: np.full((len(inputs), 4), 0.25), (1, 8, 8), 4)

    np.testing.assert_array_equal(model.logits(INPUTS), np.zeros((10, 4)))


def test_a_function_is_found_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def predict(x):\n    return x.reshape(len(x), -1)[:, :4]\n")

    model = CallableAdapter().open(source(f"callable:{tmp_path}/mine.py:predict"))

    np.testing.assert_array_equal(model.logits(INPUTS), first_pixels(INPUTS))


@pytest.mark.parametrize(("place", "message"), [
    ("mine.py", r"expected callable:FILE.py:FUNCTION"), ("gone.py:predict", "there is no file"),
    ("mine.py:three", "has no function 'three'"), ("broken.py:predict", "cannot be loaded: ZeroDivisionError"),
    ("mine.py:wrong", r"answers 4 inputs with 'its result' float64 \(2,\); expected logits"),
])
def test_functions_that_do_not_fit_are_refused(place: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import numpy as np\nthree = 3\ndef wrong(x):\n    return np.zeros(2)\n")
    (tmp_path / "broken.py").write_text("1 / 0\n")

    with pytest.raises(BadSetting, match=message):
        CallableAdapter().open(source(f"callable:{tmp_path}/{place}"))


def write_table(path: Path, rows: list[list[Any]]) -> None:
    """Write a CSV file."""
    path.write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")


def table() -> list[list[Any]]:
    """Return the rows of a complete table, in an order of their own."""
    rows = [[part, i, *map(float, values[i])] for part, values in (("train", TRAIN), ("test", TEST))
            for i in range(len(values))]
    return [["set", "index", "cat", "dog", "cow", "hen"], *(rows[i] for i in np.random.default_rng(2).permutation(8))]


def test_every_kind_of_file_gives_the_same_signals(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    np.savez(tmp_path / "s.npz", train=TRAIN, test=TEST)
    save_file({"train": TRAIN, "test": TEST}, tmp_path / "s.safetensors")
    write_table(tmp_path / "s.csv", table())

    found = [SignalsAdapter().read_signals(source(f"signals:{tmp_path}/s.{kind}"), 5, 3)
             for kind in ("npz", "safetensors", "csv")]

    for signals in found:
        np.testing.assert_array_equal(signals.train, TRAIN.astype(np.float32))
        np.testing.assert_array_equal(signals.test, TEST.astype(np.float32))
    assert len({signals.digest for signals in found}) == 1


def test_parquet_files_are_read_where_pyarrow_is_installed(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is an extra")
    parquet = pytest.importorskip("pyarrow.parquet")
    header, *rows = table()
    parquet.write_table(pyarrow.table(dict(zip(header, zip(*rows, strict=True), strict=True))), tmp_path / "s.parquet")

    signals = SignalsAdapter().read_signals(source(f"signals:{tmp_path}/s.parquet"), 5, 3)

    np.testing.assert_array_equal(signals.train, TRAIN.astype(np.float32))


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(DataError, match=r"Parquet needs pyarrow; `pip install 'unlearning-harness\[parquet\]'`"):
        SignalsAdapter().read_signals(source(f"signals:{tmp_path}/s.parquet"), 5, 3)


def test_probabilities_in_a_file_become_logits(tmp_path: Path) -> None:
    train = np.array([[0.5, 0.25, 0.125, 0.125]] * 5)
    np.savez(tmp_path / "s.npz", train=train, test=train[:3])

    signals = SignalsAdapter().read_signals(source(f"signals:{tmp_path}/s.npz"), 5, 3)

    assert signals.train[0, 0] - signals.train[0, 1] == pytest.approx(np.log(2), rel=1e-6)  # float32


@pytest.mark.parametrize(("change", "message"), [
    (lambda rows: rows[:-2], r"[12] of [53] (train|test) examples have no row, the first is (train|test) \d"),
    (lambda rows: [*rows, rows[1]], "row 10 is for .* which has a row already"),
    (lambda rows: [*rows, ["train", 5, 0, 0, 0, 0]], "row 10 is for train 5; there are 5 train and 3 test examples"),
    (lambda rows: [*rows, ["valid", 0, 0, 0, 0, 0]], "row 10 is for valid 0; there are"),
    (lambda rows: [*rows, ["train", 0, 0, 0]], "row 10 has 4 columns, expected 6"),
    (lambda rows: [*rows, ["train", 0, 0, 0, 0, "x"]], "row 10 holds something that is no number: .*'x'"),
    (lambda rows: [rows[0], *([*row[:5], "nan"] for row in rows[1:])],
     r"5 rows of 'train' hold NaN or infinity, the first is 0"),
    (lambda rows: rows[1:], "its columns are .*; expected set, index and then 4 columns"),
    (lambda rows: [row[:-1] for row in rows], "its columns are set, index, cat, dog, cow; expected set, index"),
    (lambda rows: [], "its columns are none; expected set, index"),
])
def test_tables_that_do_not_fit_are_refused(change: Callable[[list[list[Any]]], list[list[Any]]], message: str,
                                            tmp_path: Path) -> None:
    write_table(tmp_path / "s.csv", change(table()))

    with pytest.raises(DataError, match=message) as caught:
        SignalsAdapter().read_signals(source(f"signals:{tmp_path}/s.csv"), 5, 3)
    assert "\n" not in str(caught.value)


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", train=TRAIN[:4], test=TEST)

    with pytest.raises(DataError, match=r"s.npz: 'train' has shape \(4, 4\), the data need \(5, 4\)"):
        SignalsAdapter().read_signals(source(f"signals:{tmp_path}/s.npz"), 5, 3)
    with pytest.raises(DataError, match=r"gone.csv: cannot be read: No such file"):
        SignalsAdapter().read_signals(source(f"signals:{tmp_path}/gone.csv"), 5, 3)
