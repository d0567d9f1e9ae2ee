import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness import BadSetting, DataError
from suites.datasets import CIFAR10_JPEG, ImageFolders

DATA_ROOT = os.environ.get("UNLEARN_DATA_ROOT")
RED, GREEN = (255, 0, 0), (0, 255, 0)


def write(path: Path, colour=RED, size=(3, 2), mode="RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Two red bats and a green ant to train, one of each to test, 3 pixels wide and 2 high."""
    write(tmp_path / "pictures" / "train" / "bat" / "1.png")
    write(tmp_path / "pictures" / "train" / "bat" / "2.png")
    write(tmp_path / "pictures" / "train" / "ant" / "1.png", GREEN)
    write(tmp_path / "pictures" / "test" / "bat" / "1.png")
    write(tmp_path / "pictures" / "test" / "ant" / "1.png", GREEN)
    return tmp_path


def load(root: Path, path: str = "pictures"):
    return ImageFolders().at(path).load(root, download=False)


def test_classes_are_numbered_in_the_order_of_their_names(pictures):
    loaded = load(pictures)

    assert loaded.train.labels.tolist() == [0, 1, 1]
    assert loaded.train.inputs.shape == (3, 3, 2, 3)
    assert loaded.train.inputs[0, :, 0, 0].tolist() == [0, 1, 0]
    assert loaded.train.inputs[1, :, 0, 0].tolist() == [1, 0, 0]
    assert (loaded.num_classes, loaded.name) == (2, "imagefolder:pictures")


def test_a_path_is_below_the_data_root_or_absolute_and_the_digest_is_the_same(pictures, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    assert load(elsewhere, str(pictures / "pictures")).digest == load(pictures).digest


def test_hidden_files_are_not_images(pictures):
    before = load(pictures).digest
    (pictures / "pictures" / "train" / ".DS_Store").write_bytes(b"x")
    (pictures / "pictures" / "train" / "ant" / ".DS_Store").write_bytes(b"x")

    assert load(pictures).digest == before


def test_gray_images_have_one_channel(tmp_path):
    for part in ("train", "test"):
        write(tmp_path / part / "only" / "1.png", 51, mode="L")

    loaded = load(tmp_path, ".")

    assert loaded.train.inputs.tolist() == np.full((1, 1, 2, 3), np.float32(0.2)).tolist()


def test_transparency_is_dropped(pictures):
    before = load(pictures).digest
    write(pictures / "pictures" / "train" / "ant" / "1.png", (*GREEN, 128), mode="RGBA")

    assert load(pictures).digest == before


@pytest.mark.parametrize(("size", "colour", "mode", "message"), [
    ((4, 2), RED, "RGB", r"2\.png: is \(2, 4, 3\) \(height, width, channels\), but .*1\.png is \(2, 3, 3\)"),
    ((3, 2), 7, "L", r"2\.png: is \(2, 3, 1\)"),
    ((3, 2), 7, "I;16", r"2\.png: Pillow calls its mode I;16"),
])
def test_an_image_of_another_size_or_kind_is_named(size, colour, mode, message, pictures):
    write(pictures / "pictures" / "train" / "bat" / "2.png", colour, size, mode)

    with pytest.raises(DataError, match=message):
        load(pictures)


def test_test_images_must_be_like_training_images(pictures):
    for label in ("ant", "bat"):
        write(pictures / "pictures" / "test" / label / "1.png", size=(5, 5))

    with pytest.raises(DataError, match=r"training images are \(3, 2, 3\) .*test images \(3, 5, 5\)"):
        load(pictures)


@pytest.mark.parametrize("keep", [0, 20, 45])
def test_a_damaged_image_is_named(keep, pictures):
    path = pictures / "pictures" / "test" / "ant" / "1.png"
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(DataError, match=r"test.ant.1\.png: cannot be read as an image"):
        load(pictures)


def test_both_parts_must_have_the_same_classes(pictures):
    write(pictures / "pictures" / "test" / "cow" / "1.png")

    with pytest.raises(DataError, match="different classes"):
        load(pictures)


def test_an_empty_class_is_named(pictures):
    (pictures / "pictures" / "test" / "ant" / "1.png").unlink()

    with pytest.raises(DataError, match=r"test.ant is empty"):
        load(pictures)


def test_a_missing_folder_is_named_with_what_is_expected(tmp_path):
    with pytest.raises(DataError, match=r"cifar10-jpeg: .*train cannot be listed: .* expected train/CLASS"):
        CIFAR10_JPEG.load(tmp_path, download=False)


def test_without_a_path_there_is_nothing_to_load(tmp_path):
    with pytest.raises(BadSetting, match="which folder"):
        ImageFolders().load(tmp_path, download=False)


@pytest.mark.slow  # decodes 60,000 files
@pytest.mark.skipif(DATA_ROOT is None, reason="UNLEARN_DATA_ROOT does not say where cifar10-jpeg is")
def test_cifar10_as_jpeg_has_60000_images():
    loaded = CIFAR10_JPEG.load(Path(str(DATA_ROOT)), download=False)

    assert loaded.train.inputs.shape == (50000, 3, 32, 32)
    assert loaded.test.inputs.shape == (10000, 3, 32, 32)
    assert np.bincount(loaded.train.labels).tolist() == [5000] * 10
    assert np.bincount(loaded.test.labels).tolist() == [1000] * 10
    # The channel means that everybody normalises CIFAR-10 with; JPEG keeps them to about 0.001.
    assert loaded.train.inputs.mean(axis=(0, 2, 3), dtype=np.float64) == pytest.approx(
        [0.4914, 0.4822, 0.4465], abs=2e-3)
