"""MNIST and Fashion-MNIST, from IDX files in torchvision's layout."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from attrs import frozen

from harness.data import Dataset
from harness.errors import DataError
from suites.datasets.downloads import Published, download_file, missing, require_root
from suites.datasets.pixels import Pixels, image_dataset


@frozen
class IdxImages:
    """A data set of four IDX files, plain or gzipped.

    Attributes:
        folder: of the four files, below the data root.
        mirror: address of the folder that has the gzipped files.
        md5: of each gzipped file, by its name without ``.gz``.
        source: who made it.
        sizes: number of training and of test examples.
    """

    name: str
    description: str
    folder: str
    mirror: str
    md5: Mapping[str, str]
    source: str
    sizes: tuple[int, int] = (60_000, 10_000)

    def load(self, data_root: Path | None, download: bool) -> Dataset:
        """Return the data set as (N, 1, 28, 28) images."""
        root = require_root(self.name, data_root, f"{self.folder}/*-ubyte")
        train, test = (
            (self._read(root, f"{part}-images-idx3-ubyte", download)[:, None],
             self._read(root, f"{part}-labels-idx1-ubyte", download)) for part in ("train", "t10k"))
        return image_dataset(name=self.name, version="1", num_classes=10, train=train, test=test, source=self.source)

    def _read(self, root: Path, file: str, download: bool) -> Pixels:
        plain = root / self.folder / file
        zipped = plain.with_name(f"{file}.gz")
        if download and not plain.exists() and not zipped.exists():
            download_file(Published(f"{self.mirror}/{file}.gz", self.md5[file]), zipped)
        for path in (plain, zipped):
            if path.exists():
                return read_idx(path)
        raise missing(self.name, plain, f"{file} or {file}.gz")


def read_idx(path: Path) -> Pixels:
    """Return the array of bytes in an IDX file, which is gzipped if its name ends in ``.gz``.

    The format: two zero bytes, the type (8 for bytes), the number of dimensions, each dimension as a big-endian 32-bit
    integer, then the values in C order.

    Raises:
        DataError: if the file cannot be read, is not of this format or has another length than its header says.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    start = 4 + 4 * raw[3] if len(raw) > 3 else 4
    if raw[:3] != b"\x00\x00\x08" or len(raw) < start:
        raise DataError(f"{path}: not an IDX file of bytes; it begins with '{raw[:4].hex(' ')}', expected '00 00 08', "
                        "the number of dimensions and each of them")
    shape = tuple(np.frombuffer(raw[4:start], dtype=">u4").tolist())
    if len(raw) != start + math.prod(shape):
        raise DataError(f"{path}: {len(raw)} bytes, expected {start + math.prod(shape)} for the shape {shape} in its "
                        "header; fetch the file again")
    return np.frombuffer(raw, dtype=np.uint8, offset=start).reshape(shape)


MNIST = IdxImages(
    name="mnist",
    description="70,000 handwritten digits of 28x28 pixels, 10 classes",
    folder="MNIST/raw",
    mirror="https://ossci-datasets.s3.amazonaws.com/mnist",
    md5={
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    source="MNIST (LeCun, Cortes, Burges), the published IDX files",
)

FASHION_MNIST = IdxImages(
    name="fashion-mnist",
    description="70,000 pictures of clothing of 28x28 pixels, 10 classes",
    folder="FashionMNIST/raw",
    mirror="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    md5={
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    source="Fashion-MNIST (Xiao, Rasul, Vollgraf 2017), the published IDX files",
)
