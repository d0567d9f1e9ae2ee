import gzip
import os
import struct
from contextlib import suppress
from hashlib import md5
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import DataError
from suites.datasets import MNIST
from suites.datasets.mnist import read_idx

DATA_ROOT = os.environ.get("UNLEARN_DATA_ROOT")


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def tiny_mnist(tmp_path) -> Path:
    """Three training and two test images, the k-th with all pixels k."""
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, size in (("train", 3), ("t10k", 2)):
        images = np.repeat(np.arange(size, dtype=np.uint8), 28 * 28).reshape(size, 28, 28)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(size, dtype=np.uint8)))
    return tmp_path


def test_an_idx_file_is_its_array(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "plain").write_bytes(idx(array))
    (tmp_path / "zipped.gz").write_bytes(gzip.compress(idx(array)))

    assert np.array_equal(read_idx(tmp_path / "plain"), array)
    assert np.array_equal(read_idx(tmp_path / "zipped.gz"), array)


@pytest.mark.parametrize(("content", "message"), [
    (b"", "not an IDX file"),
    (b"\x00\x00\x08\x03\x00\x00", "not an IDX file"),
    (b"\x00\x00\x0d\x01" + bytes(8), "begins with '00 00 0d 01'"),
    (idx(np.zeros(5, dtype=np.uint8))[:-1], r"12 bytes, expected 13 for the shape \(5,\)"),
    (idx(np.zeros(5, dtype=np.uint8)) + b"\x00", "14 bytes, expected 13"),
])
def test_a_damaged_idx_file_is_refused_with_its_name(content, message, tmp_path):
    (tmp_path / "bad").write_bytes(content)

    with pytest.raises(DataError, match=f"bad: .*{message}"):
        read_idx(tmp_path / "bad")


CUT_SHORT = gzip.compress(b"whatever, as long as it is cut short", mtime=0)[:-10]


@pytest.mark.parametrize("content", [b"not gzip", CUT_SHORT])
def test_a_damaged_gzip_file_is_refused_with_its_name(content, tmp_path):
    (tmp_path / "bad.gz").write_bytes(content)

    with pytest.raises(DataError, match=r"bad\.gz: cannot be read"):
        read_idx(tmp_path / "bad.gz")


@given(start=st.sampled_from([b"", b"\x00\x00\x08\x01"]), rest=st.binary(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_their_array_or_a_data_error(start, rest, tmp_path):
    (tmp_path / "any").write_bytes(start + rest)

    with suppress(DataError):
        assert idx(read_idx(tmp_path / "any")) == start + rest


def test_images_get_a_channel_and_are_scaled_to_one(tiny_mnist):
    loaded = MNIST.load(tiny_mnist, download=False)

    assert loaded.train.inputs.shape == (3, 1, 28, 28)
    assert loaded.train.inputs[2].tolist() == np.full((1, 28, 28), np.float32(2 / 255)).tolist()
    assert loaded.test.labels.tolist() == [0, 1]


def test_gzipped_files_will_do(tiny_mnist):
    plain = MNIST.load(tiny_mnist, download=False)
    for path in (tiny_mnist / "MNIST" / "raw").iterdir():
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()

    assert MNIST.load(tiny_mnist, download=False).digest == plain.digest


def test_parts_that_do_not_fit_together_are_refused(tiny_mnist):
    labels = tiny_mnist / "MNIST" / "raw" / "train-labels-idx1-ubyte"

    labels.write_bytes(idx(np.arange(2, dtype=np.uint8)))
    with pytest.raises(DataError, match=r"mnist: .*3 inputs but 2 labels"):
        MNIST.load(tiny_mnist, download=False)

    labels.write_bytes(idx(np.array([0, 1, 10], dtype=np.uint8)))
    with pytest.raises(DataError, match=r"mnist: .*labels are in \[0, 10\]"):
        MNIST.load(tiny_mnist, download=False)


def test_only_what_is_missing_is_downloaded(tiny_mnist, tmp_path_factory):
    mirror = tmp_path_factory.mktemp("mirror")
    name = "t10k-labels-idx1-ubyte"
    expected = MNIST.load(tiny_mnist, download=False).digest
    here = tiny_mnist / "MNIST" / "raw" / name
    zipped = gzip.compress(here.read_bytes())
    (mirror / f"{name}.gz").write_bytes(zipped)
    here.unlink()
    source = evolve(MNIST, mirror=mirror.as_uri(), md5={name: md5(zipped).hexdigest()})

    assert source.load(tiny_mnist, download=True).digest == expected
    assert source.load(tiny_mnist, download=False).digest == expected


@pytest.mark.skipif(DATA_ROOT is None, reason="UNLEARN_DATA_ROOT does not say where MNIST is")
def test_the_real_files_have_70000_digits():
    loaded = MNIST.load(Path(str(DATA_ROOT)), download=False)

    assert np.bincount(loaded.train.labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(loaded.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # The mean that everybody normalises MNIST with, printed to four digits.
    assert float(loaded.train.inputs.mean(dtype=np.float64)) == pytest.approx(0.1307, abs=5e-5)
