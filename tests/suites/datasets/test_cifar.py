import pickle
import struct
import tarfile
from hashlib import md5
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import DataError
from suites.datasets import CIFAR10, CIFAR100
from suites.datasets.cifar import Cifar, read_binary, read_pickled
from suites.datasets.downloads import Published

FILES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")


def an_image(number: int) -> bytes:
    """Return 3072 bytes: red all ``number``, green all 100, blue all 200."""
    return bytes([number]) * 1024 + bytes([100]) * 1024 + bytes([200]) * 1024


def short(text: str) -> bytes:
    return b"U" + bytes([len(text)]) + text.encode()


def numbers(values: list[int]) -> bytes:
    return b"](" + b"".join(b"K" + bytes([value]) for value in values) + b"e"


def pickled_batch(labels: list[int], label_key: str = "labels") -> bytes:
    """Return a batch as Python 2 wrote the published ones (checked against the head of a real test_batch)."""
    pixels = b"".join(an_image(label) for label in labels)
    array = (b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
             b"(K\x01M" + struct.pack("<H", len(labels)) + b"M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
             b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<I", len(pixels)) + pixels
             + b"tb")
    names = b"](" + b"".join(short(f"frog_s_{label:06}.png") for label in labels) + b"e"
    return (b"\x80\x02}(" + short("batch_label") + short("testing batch 1 of 1") + short("coarse_labels") + numbers([9])
            + short(label_key) + numbers(labels) + short("data") + array + short("filenames") + names + b"u.")


def write_binary(folder: Path) -> None:
    folder.mkdir()
    for number, file in enumerate(FILES):
        (folder / f"{file}.bin").write_bytes(bytes([number]) + an_image(number) + bytes([9]) + an_image(9))


def write_pickled(folder: Path) -> None:
    folder.mkdir()
    for number, file in enumerate(FILES):
        (folder / file).write_bytes(pickled_batch([number, 9]))


def test_the_binary_version_is_read_channel_by_channel(tmp_path):
    write_binary(tmp_path / "cifar-10-batches-bin")

    loaded = CIFAR10.load(tmp_path, download=False)

    assert loaded.train.inputs.shape == (10, 3, 32, 32)
    assert loaded.train.labels.tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
    assert loaded.test.labels.tolist() == [5, 9]
    assert [set(channel.ravel()) for channel in loaded.test.inputs[0] * np.float32(255)] == [{5}, {100}, {200}]


def test_both_versions_give_the_same_data_set(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    write_binary(tmp_path / "one" / "cifar-10-batches-bin")
    write_pickled(tmp_path / "other" / "cifar-10-batches-py")

    assert (CIFAR10.load(tmp_path / "one", download=False).digest
            == CIFAR10.load(tmp_path / "other", download=False).digest)


def test_cifar100_uses_the_fine_labels_of_either_version(tmp_path):
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    for file in ("train.bin", "test.bin"):
        (folder / file).write_bytes(bytes([3, 42]) + an_image(0))
    (tmp_path / "pickled").write_bytes(pickled_batch([42, 99], "fine_labels"))

    assert CIFAR100.load(tmp_path, download=False).train.labels.tolist() == [42]
    assert read_pickled(tmp_path / "pickled", "fine_labels")[1].tolist() == [42, 99]


class Intruder:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_with_code_in_it_is_refused_and_not_run(tmp_path):
    (tmp_path / "batch").write_bytes(pickle.dumps(Intruder(tmp_path / "was here")))

    with pytest.raises(DataError, match="not a pickled CIFAR batch"):
        read_pickled(tmp_path / "batch", "labels")
    assert not (tmp_path / "was here").exists()


@given(cut=st.integers(0, 6000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_a_batch_cut_short_is_refused(cut, tmp_path):
    whole = pickled_batch([1, 2])
    (tmp_path / "batch").write_bytes(whole[:cut])

    with pytest.raises(DataError, match="batch: not a pickled CIFAR batch"):
        read_pickled(tmp_path / "batch", "labels")


@given(content=st.binary(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_that_are_no_batch_are_refused(content, tmp_path):
    (tmp_path / "batch").write_bytes(content)

    with pytest.raises(DataError, match="fetch the file again"):
        read_pickled(tmp_path / "batch", "labels")


@pytest.mark.parametrize("content", [b"", bytes(3072), bytes(3074)])
def test_a_binary_file_of_another_length_is_refused(content, tmp_path):
    (tmp_path / "batch.bin").write_bytes(content)

    with pytest.raises(DataError, match=r"batch\.bin: .* expected a multiple of 3073"):
        read_binary(tmp_path / "batch.bin", label_bytes=1)


def from_here(tmp_path: Path) -> Cifar:
    """Return CIFAR-10 with an archive on this machine."""
    write_binary(tmp_path / "cifar-10-batches-bin")
    with tarfile.open(tmp_path / "archive.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "cifar-10-batches-bin", "cifar-10-batches-bin")
    digest = md5((tmp_path / "archive.tar.gz").read_bytes()).hexdigest()
    return evolve(CIFAR10, archive=Published((tmp_path / "archive.tar.gz").as_uri(), digest))


def test_the_archive_is_downloaded_and_unpacked_when_asked(tmp_path, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")

    loaded = from_here(tmp_path).load(root, download=True)

    assert loaded.digest == CIFAR10.load(tmp_path, download=False).digest
    assert [path.name for path in root.iterdir()] == ["cifar-10-batches-bin"]


def test_files_that_are_there_are_not_downloaded_again(tmp_path):
    write_pickled(tmp_path / "cifar-10-batches-py")
    nowhere = evolve(CIFAR10, archive=Published((tmp_path / "nowhere").as_uri(), ""))

    assert len(nowhere.load(tmp_path, download=True).train) == 10
