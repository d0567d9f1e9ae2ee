"""Arrays from files that users bring: npz and safetensors; nothing is unpickled."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data import Integers
from harness.errors import DataError

Arrays = Mapping[str, NDArray[Any]]


def read_arrays(path: Path) -> Arrays:
    """Return the arrays by name in an npz or safetensors file.

    Raises:
        DataError: if the file cannot be read, is broken, or holds objects.
    """
    if path.suffix not in (".npz", ".safetensors"):
        raise DataError(f"{path}: expected a file that ends in .npz or .safetensors")
    try:
        return _safetensors(path) if path.suffix == ".safetensors" else _npz(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _npz(path: Path) -> Arrays:
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            raise DataError(f"{path}: holds one array without a name; write it with np.savez(path, name=array)")
        with content:
            return {name: content[name] for name in content.files}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: is no npz file of plain arrays, or a part of one: {error}") from error


def _safetensors(path: Path) -> Arrays:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(path.read_bytes()))
    except (SafetensorError, ValueError, KeyError) as error:
        raise DataError(f"{path}: is no safetensors file, or a part of one: {error}") from error


def named(arrays: Arrays, names: tuple[str, ...], path: Path) -> tuple[NDArray[Any], ...]:
    """Return the arrays called ``names``, which must hold numbers.

    Raises:
        DataError: if one is missing or holds something else.
    """
    missing = [name for name in names if name not in arrays]
    if missing:
        raise DataError(f"{path}: has no array '{missing[0]}'; expected {', '.join(names)}, "
                        f"found {', '.join(sorted(arrays)) or 'none'}")
    for name in names:
        if arrays[name].dtype.kind not in "fiub":
            raise DataError(f"{path}: array '{name}' holds {arrays[name].dtype}, expected numbers")
    return tuple(arrays[name] for name in names)


def read_indices(path: Path, name: str, size: int) -> Integers:
    """Return the sorted indices in a file: a text with one number a line, a JSON list, or an npz array.

    Args:
        path: ends in .txt, .json or .npz.
        name: of the array in an npz file that holds several, e.g. ``forget``.
        size: number of examples that the indices point into.

    Raises:
        DataError: if the file cannot be read, is empty, names an example twice or one that is not there.
    """
    try:
        values = np.asarray(_indices(path, name))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path}: expected whole numbers, one a line, a JSON list or an npz array: {error}") from error
    if values.ndim != 1 or values.size == 0 or values.dtype.kind not in "iu":
        raise DataError(f"{path}: expected a list of indices from 0, got {values.dtype} of shape {values.shape}")
    unique, counts = np.unique(values.astype(np.int64), return_counts=True)
    if unique[0] < 0 or unique[-1] >= size:
        wrong = unique[0] if unique[0] < 0 else unique[-1]
        raise DataError(f"{path}: index {wrong} is outside the {size} examples (0 to {size - 1})")
    if (counts > 1).any():
        raise DataError(f"{path}: index {unique[counts > 1][0]} is there more than once")
    return unique


def _indices(path: Path, name: str) -> Any:
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    if path.suffix == ".npz":
        arrays = read_arrays(path)
        if len(arrays) == 1:
            return next(iter(arrays.values()))
        return named(arrays, (name,), path)[0]
    if path.suffix == ".txt":
        return [int(line) for line in path.read_text(encoding="utf-8").split()]
    raise DataError(f"{path}: expected a file of indices that ends in .txt, .json or .npz")
