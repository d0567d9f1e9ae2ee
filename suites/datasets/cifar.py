"""CIFAR-10 and CIFAR-100, from the binary version or, without unpickling, from the pickled one."""

from __future__ import annotations

import pickletools
from pathlib import Path

import numpy as np
from attrs import frozen

from harness.data import Dataset
from harness.errors import DataError
from suites.datasets.downloads import Published, download_archive, missing, require_root
from suites.datasets.pixels import Labels, Pixels, image_dataset

_PIXELS = 3 * 32 * 32
Part = tuple[Pixels, Labels]


@frozen
class Cifar:
    """One of the two CIFAR data sets; both published versions have the same images in the same order.

    Attributes:
        num_classes: C.
        binary, pickled: folder of each version, below the data root.
        train, test: file names; the binary version adds ``.bin``.
        label_bytes: labels before each image in the binary version; the last of them counts.
        label_key: of the labels in the pickled version.
        archive: of the binary version.
        sizes: number of training and of test examples.
    """

    name: str
    description: str
    num_classes: int
    binary: str
    pickled: str
    train: tuple[str, ...]
    test: str
    label_bytes: int
    label_key: str
    archive: Published
    sizes: tuple[int, int] = (50_000, 10_000)

    def load(self, data_root: Path | None, download: bool) -> Dataset:
        """Return the data set as (N, 3, 32, 32) images."""
        root = require_root(self.name, data_root, f"{self.binary}/ or {self.pickled}/")
        if download and not (root / self.binary).exists() and not (root / self.pickled).exists():
            download_archive(self.archive, root, self.binary)
        parts = [self._read(root, file) for file in self.train]
        train = np.concatenate([pixels for pixels, _ in parts]), np.concatenate([labels for _, labels in parts])
        return image_dataset(name=self.name, version="1", num_classes=self.num_classes, train=train,
                             test=self._read(root, self.test), source="CIFAR (Krizhevsky 2009), the published files")

    def _read(self, root: Path, file: str) -> Part:
        binary, pickled = root / self.binary / f"{file}.bin", root / self.pickled / file
        if binary.exists():
            return read_binary(binary, self.label_bytes)
        if pickled.exists():
            return read_pickled(pickled, self.label_key)
        raise missing(self.name, binary, f"the binary version of the data set (or the pickled one in {self.pickled}/)")


def read_binary(path: Path, label_bytes: int) -> Part:
    """Return (N, 3, 32, 32) pixels and (N,) labels: records of ``label_bytes`` labels, the last is used, and the image.

    Raises:
        DataError: if the file cannot be read or does not consist of such records.
    """
    raw = _bytes_of(path)
    width = label_bytes + _PIXELS
    if not raw or len(raw) % width:
        raise DataError(f"{path}: {len(raw)} bytes, expected a multiple of {width}; fetch the file again")
    records = np.frombuffer(raw, dtype=np.uint8).reshape(-1, width)
    return records[:, label_bytes:].reshape(-1, 3, 32, 32), records[:, label_bytes - 1]


def read_pickled(path: Path, label_key: str) -> Part:
    """Return (N, 3, 32, 32) pixels and (N,) labels of a pickled batch, without unpickling it.

    The published batches are dictionaries written by Python 2. Their instructions are read, none is carried out: the
    pixels are the one long string, the labels are the small integers between the string ``label_key`` and the next.

    Raises:
        DataError: if the file cannot be read or is no such batch.
    """
    raw = _bytes_of(path)
    key, labels, pixels = "", [], b""
    try:
        for instruction, argument, _ in pickletools.genops(raw):
            if instruction.name == "SHORT_BINSTRING":
                key = str(argument)
            elif instruction.name == "BININT1" and key == label_key:
                labels.append(argument)
            elif instruction.name == "BINSTRING":
                pixels = str(argument).encode("latin-1")
    except ValueError as error:
        raise DataError(f"{path}: not a pickled CIFAR batch: {error}; fetch the file again") from error
    if not labels or len(pixels) != len(labels) * _PIXELS:
        raise DataError(f"{path}: not a pickled CIFAR batch: {len(pixels)} bytes of pixels, expected {_PIXELS} "
                        f"for each of {len(labels)} '{label_key}'; fetch the file again")
    return np.frombuffer(pixels, dtype=np.uint8).reshape(-1, 3, 32, 32), np.array(labels, dtype=np.uint8)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


CIFAR10 = Cifar(
    name="cifar10",
    description="60,000 photographs of 32x32 pixels, 10 classes",
    num_classes=10,
    binary="cifar-10-batches-bin",
    pickled="cifar-10-batches-py",
    train=("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"),
    test="test_batch",
    label_bytes=1,
    label_key="labels",
    archive=Published("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
)

CIFAR100 = Cifar(
    name="cifar100",
    description="60,000 photographs of 32x32 pixels, 100 classes (the fine labels)",
    num_classes=100,
    binary="cifar-100-binary",
    pickled="cifar-100-python",
    train=("train",),
    test="test",
    label_bytes=2,
    label_key="fine_labels",
    archive=Published("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
)
