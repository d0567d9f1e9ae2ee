from pathlib import Path

import pytest
from PIL import Image

from harness import DataError
from suites.datasets import TinyImageNet

RED, GREEN = (255, 0, 0), (0, 255, 0)


def write(path: Path, colour=RED, mode="RGB", side=64) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (side, side), colour).save(path, "PNG")


@pytest.fixture
def root(tmp_path):
    """Return a data root with the published layout: two classes, three images to train, two to test."""
    folder = tmp_path / "tiny-imagenet-200"
    write(folder / "train/n02/images/n02_0.JPEG")
    write(folder / "train/n02/images/n02_1.JPEG", 128, "L")
    write(folder / "train/n01/images/n01_0.JPEG", GREEN)
    write(folder / "val/images/val_0.JPEG", GREEN)
    write(folder / "val/images/val_1.JPEG")
    (folder / "wnids.txt").write_text("n02\nn01\n")
    (folder / "val/val_annotations.txt").write_text("val_0.JPEG\tn01\t0\t0\t63\t63\nval_1.JPEG\tn02\t0\t0\t63\t63\n")
    return tmp_path


def load(root):
    return TinyImageNet().load(root, download=False)


def test_classes_are_numbered_in_the_order_of_their_names(root):
    loaded = load(root)

    assert loaded.train.labels.tolist() == [0, 1, 1]
    assert loaded.test.labels.tolist() == [0, 1]
    assert loaded.train.inputs.shape == (3, 3, 64, 64)
    assert loaded.train.inputs[0, :, 0, 0].tolist() == [0, 1, 0]


def test_a_gray_image_has_three_equal_channels(root):
    assert load(root).train.inputs[2, :, 5, 7] == pytest.approx([128 / 255] * 3)


@pytest.mark.parametrize("given", [True, False])
def test_without_the_folder_one_line_says_what_to_put_where(tmp_path, given):
    with pytest.raises(DataError, match=r"tiny-imagenet-200\.zip so that DIR/tiny-imagenet-200/ has") as caught:
        load(tmp_path if given else None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("line", "message"), [
    ("val_0.JPEG\tn03\t0", "val_annotations.txt:1: expected a file name and a class"),
    ("../val_0.JPEG\tn01\t0", "val_annotations.txt:1: expected a file name and a class"),
    ("val_9.JPEG\tn01\t0", "cannot be read as an image"),
])
def test_a_wrong_annotation_is_named(root, line, message):
    (root / "tiny-imagenet-200/val/val_annotations.txt").write_text(f"{line}\n")

    with pytest.raises(DataError, match=message):
        load(root)


def test_an_image_of_another_size_is_named(root):
    write(root / "tiny-imagenet-200/train/n01/images/n01_0.JPEG", side=32)

    with pytest.raises(DataError, match=r"n01_0\.JPEG: is \(32, 32\)"):
        load(root)


def test_a_class_folder_without_images_leaves_nothing_to_train_on(root):
    for path in (root / "tiny-imagenet-200/train").glob("*/images/*"):
        path.unlink()

    with pytest.raises(DataError, match="there are no images"):
        load(root)
