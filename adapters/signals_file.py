"""What a model once said of a data set, from a file: npz, safetensors, CSV or Parquet.

npz and safetensors hold the arrays ``train`` (N, C) and ``test`` (T, C), as the store's own ``signals.safetensors`` do.
CSV and Parquet have a column ``set`` (``train`` or ``test``), a column ``index`` (from 0 in its set) and one for each
class; rows may stand in any order. Numbers are logits, or probabilities if every row sums to one.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.outputs import as_logits, kind_of
from harness.array_files import named, read_arrays
from harness.audits import Signals
from harness.digests import digest_arrays
from harness.errors import DataError
from harness.sources import Source

Table = Iterable[Sequence[Any]]
SETS = ("train", "test")


def read_signals_file(source: Source, train: int, test: int) -> Signals:
    """Return the logits in the file ``source.location``.

    Raises:
        DataError: if it cannot be read, or lacks a row, or has one too many, or a number that is not finite.
    """
    path = Path(source.location)
    sizes = {"train": train, "test": test}
    if path.suffix in (".csv", ".parquet"):
        read = _csv_rows if path.suffix == ".csv" else _parquet_rows
        arrays = _from_table(read(path), path, sizes, source.num_classes)
    else:
        arrays = dict(zip(SETS, named(read_arrays(path), SETS, path), strict=True))
    for part, values in arrays.items():
        expected = (sizes[part], source.num_classes)
        if values.shape != expected:
            raise DataError(f"{path}: '{part}' has shape {values.shape}, the data need {expected}")
        broken = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if broken.size:
            raise DataError(f"{path}: {broken.size} rows of '{part}' hold NaN or infinity, the first is {broken[0]}")
    kind = kind_of(np.concatenate([arrays["train"], arrays["test"]]))
    logits = {part: as_logits(values, kind) for part, values in arrays.items()}
    return Signals(train=logits["train"], test=logits["test"], digest=digest_arrays(logits["train"], logits["test"]))


def _from_table(rows: Iterator[Sequence[Any]], path: Path, sizes: Mapping[str, int],
                num_classes: int) -> dict[str, NDArray[Any]]:
    header = [str(name).strip() for name in next(rows, [])]
    if header[:2] != ["set", "index"] or len(header) != 2 + num_classes:
        raise DataError(f"{path}: its columns are {', '.join(header) or 'none'}; expected set, index and then "
                        f"{num_classes} columns, one for each class")
    arrays = {part: np.zeros((size, num_classes)) for part, size in sizes.items()}
    seen = {part: np.zeros(size, dtype=bool) for part, size in sizes.items()}
    for number, row in enumerate(rows, start=2):
        part, index, values = _parsed(row, number, path, num_classes)
        if part not in sizes or not 0 <= index < sizes[part]:
            raise DataError(f"{path}: row {number} is for {part} {index}; there are "
                            + " and ".join(f"{size} {name}" for name, size in sizes.items()) + " examples")
        if seen[part][index]:
            raise DataError(f"{path}: row {number} is for {part} {index}, which has a row already")
        arrays[part][index], seen[part][index] = values, True
    for part, found in seen.items():
        missing = np.flatnonzero(~found)
        if missing.size:
            raise DataError(f"{path}: {missing.size} of {len(found)} {part} examples have no row, "
                            f"the first is {part} {missing[0]}")
    return arrays


def _parsed(row: Sequence[Any], number: int, path: Path, num_classes: int) -> tuple[str, int, list[float]]:
    if len(row) != 2 + num_classes:
        raise DataError(f"{path}: row {number} has {len(row)} columns, expected {2 + num_classes}")
    try:
        return str(row[0]).strip(), int(row[1]), [float(value) for value in row[2:]]
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: row {number} holds something that is no number: {error}") from error


def _csv_rows(path: Path) -> Iterator[Sequence[Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from (row for row in csv.reader(file) if row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _parquet_rows(path: Path) -> Iterator[Sequence[Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise DataError(f"{path}: Parquet needs pyarrow; `pip install 'unlearning-harness[parquet]'`") from error
    try:
        table = parquet.read_table(path)
    except (OSError, ArrowException) as error:
        raise DataError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    yield table.column_names
    yield from zip(*(column.to_pylist() for column in table.columns), strict=True)
