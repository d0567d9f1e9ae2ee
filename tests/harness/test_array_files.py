"""Arrays and indices from users' files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.array_files import named, read_arrays, read_indices
from harness.errors import DataError


def test_npz_and_safetensors_give_the_same_arrays(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([True, False])}
    np.savez(tmp_path / "x.npz", **arrays)  # type: ignore[arg-type]
    save_file(arrays, tmp_path / "x.safetensors")

    for path in (tmp_path / "x.npz", tmp_path / "x.safetensors"):
        found = read_arrays(path)
        assert found.keys() == arrays.keys()
        for name, values in arrays.items():
            np.testing.assert_array_equal(found[name], values)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.array([{}], dtype=object))

    with pytest.raises(DataError, match=r"x.npz: is no npz file of plain arrays, or a part of one: Object arrays"):
        read_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize(("name", "content", "message"), [
    ("x.npz", None, "x.npz: cannot be read: No such file"), ("x.npz", b"", "or a part of one"),
    ("x.npz", b"PK\x03\x04 cut", "or a part of one"), ("x.safetensors", b"\x00" * 4, "or a part of one"),
    ("x.pkl", b"", "expected a file that ends in .npz or .safetensors"),
])
def test_broken_files_are_refused(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(DataError, match=message):
        read_arrays(tmp_path / name)


def test_an_array_without_a_name_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "x.npz").open("wb") as file:
        np.save(file, np.zeros(3))

    with pytest.raises(DataError, match="holds one array without a name"):
        read_arrays(tmp_path / "x.npz")


def test_missing_arrays_and_words_are_named() -> None:
    with pytest.raises(DataError, match=r"x.npz: has no array 'b'; expected a, b, found a, c"):
        named({"a": np.zeros(1), "c": np.zeros(1)}, ("a", "b"), Path("x.npz"))
    with pytest.raises(DataError, match="array 'a' holds <U3, expected numbers"):
        named({"a": np.array(["one"])}, ("a",), Path("x.npz"))


@pytest.mark.parametrize("name", ["i.txt", "i.json", "i.npz", "several.npz"])
def test_indices_are_read_from_every_kind_of_file_and_sorted(name: str, tmp_path: Path) -> None:
    (tmp_path / "i.txt").write_text("7\n 2\n\n5\n")
    (tmp_path / "i.json").write_text("[7, 2, 5]")
    np.savez(tmp_path / "i.npz", whatever=[7, 2, 5])
    np.savez(tmp_path / "several.npz", forget=[7, 2, 5], retain=[1])

    np.testing.assert_array_equal(read_indices(tmp_path / name, "forget", 8), [2, 5, 7])


@pytest.mark.parametrize(("name", "content", "message"), [
    ("i.txt", "1\ntwo\n", "expected whole numbers, .*'two'"), ("i.txt", "", r"got float64 of shape \(0,\)"),
    ("i.json", "[1.5]", "expected a list of indices from 0, got float64"), ("i.json", "[[1], [2]]", r"shape \(2, 1\)"),
    ("i.json", "{", "expected whole numbers, one a line, a JSON list or an npz array"),
    ("i.json", "[true, false]", "got bool"), ("i.json", "[[1], 2]", "expected whole numbers"),
    ("i.txt", "8", r"index 8 is outside the 8 examples \(0 to 7\)"), ("i.txt", "3 -1", "index -1 is outside"),
    ("i.txt", "3 3", "index 3 is there more than once"), ("i.csv", "1", "ends in .txt, .json or .npz"),
    ("i.txt", None, "cannot be read: No such file"),
])
def test_indices_that_do_not_fit_are_refused(name: str, content: Any, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)

    with pytest.raises(DataError, match=message):
        read_indices(tmp_path / name, "forget", 8)


def test_an_npz_of_several_arrays_needs_the_right_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "i.npz", retain=[1], test=[2])

    with pytest.raises(DataError, match="has no array 'forget'; expected forget, found retain, test"):
        read_indices(tmp_path / "i.npz", "forget", 8)
