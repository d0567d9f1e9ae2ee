from hashlib import md5
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from scipy.io import savemat

from harness import DataError
from suites.datasets import SVHN
from suites.datasets.downloads import Published
from suites.datasets.svhn import Svhn


def write_mat(path: Path, labels: list[int]) -> Published:
    """Write images whose k-th has red k, green 10 + k and blue 20 + k, and 99 in the top right corner."""
    numbers = np.arange(len(labels), dtype=np.uint8)
    pixels = np.zeros((32, 32, 3, len(labels)), dtype=np.uint8)
    pixels[:] = numbers + np.array([0, 10, 20], dtype=np.uint8)[:, None]
    pixels[0, 31] = 99
    savemat(path, {"X": pixels, "y": np.array(labels, dtype=np.uint8)[:, None]})
    return Published(path.as_uri(), md5(path.read_bytes()).hexdigest())


def tiny_svhn(folder: Path) -> Svhn:
    return evolve(SVHN, train=write_mat(folder / "train_32x32.mat", [1, 10, 5]),
                  test=write_mat(folder / "test_32x32.mat", [9]))


def test_images_come_first_and_class_10_is_the_digit_0(tmp_path):
    loaded = tiny_svhn(tmp_path).load(tmp_path, download=False)

    assert loaded.train.inputs.shape == (3, 3, 32, 32)
    assert loaded.train.labels.tolist() == [1, 0, 5]
    pixels = loaded.train.inputs[2] * np.float32(255)
    assert pixels[:, 31, 0].tolist() == [2, 12, 22]
    assert pixels[:, 0, 31].tolist() == [99, 99, 99]


def test_another_file_of_that_name_is_refused_before_it_is_read(tmp_path):
    source = tiny_svhn(tmp_path)
    (tmp_path / "test_32x32.mat").write_bytes(b"something else")

    with pytest.raises(DataError, match=r"test_32x32\.mat: its MD5 is .* fetch it again"):
        source.load(tmp_path, download=False)


def test_files_are_downloaded_when_asked(tmp_path, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")

    assert len(tiny_svhn(tmp_path).load(root, download=True).test) == 1
    assert sorted(path.name for path in root.iterdir()) == ["test_32x32.mat", "train_32x32.mat"]
