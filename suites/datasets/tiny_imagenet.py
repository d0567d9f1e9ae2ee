"""Tiny-ImageNet, from the folder that its published archive unpacks to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from attrs import frozen

from harness.data import Dataset
from harness.errors import DataError
from suites.datasets.imagefolder import decode
from suites.datasets.pixels import Labels, Pixels, image_dataset

ARCHIVE = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
_SIDE = 64
# A few in a hundred of the published images are gray; papers train on three equal channels then.
_CHANNELS = 3


@frozen
class TinyImageNet:
    """100,000 images of 200 classes to train; the 10,000 published for validation test, since others have no labels.

    Classes are numbered in the order of ``wnids.txt`` sorted, as torchvision's ``ImageFolder`` would number them.
    """

    name: str = "tiny-imagenet"
    description: str = "110,000 photographs of 64x64 pixels, 200 classes; from tiny-imagenet-200/ under the data root"
    folder: str = "tiny-imagenet-200"
    sizes: tuple[int, int] = (100_000, 10_000)

    def load(self, data_root: Path | None, download: bool) -> Dataset:
        """Return (N, 3, 64, 64) images; all of them take 5.4 GB. Nothing is downloaded.

        Raises:
            DataError: if the folder is not there or is another one, with what to put where.
        """
        root = (data_root or Path()) / self.folder
        if data_root is None or not (root / "wnids.txt").is_file():
            where = f"{root} is not there" if data_root else "no data root; pass --data-root DIR"
            raise DataError(f"{self.name}: {where}; unpack {ARCHIVE} so that DIR/{self.folder}/ has wnids.txt, "
                            "train/CLASS/images/*.JPEG and val/images/*.JPEG with val/val_annotations.txt "
                            "(it is not fetched by --download)")
        classes = sorted(_lines(root / "wnids.txt"))
        return image_dataset(name=self.name, version="1", num_classes=len(classes), train=_train(root, classes),
                             test=_validation(root, classes),
                             source="Tiny-ImageNet (Stanford CS231n), training and validation part")


def _train(root: Path, classes: Sequence[str]) -> tuple[Pixels, Labels]:
    files = [(path, number) for number, label in enumerate(classes)
             for path in sorted((root / "train" / label / "images").glob("*.JPEG"))]
    return _read(root / "train", files)


def _validation(root: Path, classes: Sequence[str]) -> tuple[Pixels, Labels]:
    table = root / "val" / "val_annotations.txt"
    numbers = {label: number for number, label in enumerate(classes)}
    files = []
    for place, line in enumerate(_lines(table), start=1):
        file, _, rest = line.partition("\t")
        label = rest.partition("\t")[0]
        if label not in numbers or Path(file).name != file:
            raise DataError(f"{table}:{place}: expected a file name and a class of wnids.txt, got {line[:60]!r}")
        files.append((root / "val" / "images" / file, numbers[label]))
    return _read(table, files)


def _read(place: Path, files: Sequence[tuple[Path, int]]) -> tuple[Pixels, Labels]:
    if not files:
        raise DataError(f"{place}: there are no images; unpack the archive again")
    pixels = np.empty((len(files), _SIDE, _SIDE, _CHANNELS), dtype=np.uint8)
    for row, (path, _) in zip(pixels, files, strict=True):
        image = decode(path)
        if image.shape[:2] != (_SIDE, _SIDE):
            raise DataError(f"{path}: is {image.shape[:2]} (height, width), expected {(_SIDE, _SIDE)}")
        row[:] = image
    return pixels.transpose(0, 3, 1, 2), np.array([number for _, number in files])


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
