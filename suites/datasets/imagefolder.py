"""Any folder of images: ``PATH/train/CLASS/*`` and ``PATH/test/CLASS/*``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from attrs import frozen

from harness.data import Dataset
from harness.errors import BadSetting, DataError
from suites.datasets.pixels import Labels, Pixels, image_dataset

_CONVERTED = {"1": "L", "L": "L", "RGB": "RGB", "RGBA": "RGB", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}


@frozen(kw_only=True)
class ImageFolder:
    """Images in one folder per class; classes and files in the order of their names.

    Attributes:
        path: of the folder, below the data root unless absolute.
        source: what the images are, in words.
        sizes: number of training and of test examples, where they are known.
    """

    name: str
    description: str
    path: str
    source: str
    sizes: tuple[int, int] | None = None

    def load(self, data_root: Path | None, download: bool) -> Dataset:
        """Return (N, 1, height, width) images if they are gray, otherwise (N, 3, height, width).

        All of CIFAR-10 as JPEG (60,000 files) takes about ten seconds. Nothing is downloaded.
        """
        folder = (data_root or Path()) / self.path
        classes = _names_in(self.name, folder / "train")
        if _names_in(self.name, folder / "test") != classes:
            raise DataError(f"{self.name}: {folder / 'test'} and {folder / 'train'} have different classes; "
                            "give both the same folders")
        train = _read(self.name, folder / "train", classes)
        test = _read(self.name, folder / "test", classes)
        if train[0].shape[1:] != test[0].shape[1:]:
            raise DataError(f"{self.name}: training images are {train[0].shape[1:]} (channels, height, width), "
                            f"test images {test[0].shape[1:]}; make them the same")
        return image_dataset(name=self.name, version="1", num_classes=len(classes), train=train, test=test,
                             source=self.source)


@frozen(kw_only=True)
class ImageFolders:
    """The source behind ``imagefolder:PATH``: a registry finds it by what is before the colon and calls `at`."""

    name: str = "imagefolder"
    description: str = "imagefolder:PATH, the images PATH/train/CLASS/* and PATH/test/CLASS/*, all of one size"

    def at(self, path: str) -> ImageFolder:
        """Return the source for the folder ``path``, named after its last part: digests must not depend on the machine.

        Raises:
            BadSetting: if the path is empty.
        """
        if not path:
            raise BadSetting(f"data '{self.name}': which folder? write {self.name}:PATH")
        name = f"{self.name}:{Path(path).name}"
        return ImageFolder(name=name, description=f"the images in {path}", path=path, source="a folder of images")

    def load(self, data_root: Path | None, download: bool) -> Dataset:
        """Raise BadSetting: without a path there is nothing to load."""
        return self.at("").load(data_root, download)


CIFAR10_JPEG = ImageFolder(
    name="cifar10-jpeg",
    description="CIFAR-10 re-encoded as JPEG (lossy), from cifar10-jpeg/ under the data root",
    path="cifar10-jpeg",
    source="CIFAR-10 (JPEG): re-encoded with loss at quality 75, not comparable with CIFAR-10",
    sizes=(50_000, 10_000),
)


def _names_in(name: str, folder: Path) -> list[str]:
    """Return the sorted names in ``folder`` but for hidden ones."""
    try:
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{name}: {folder} cannot be listed: {error.strerror}; expected train/CLASS/* and test/CLASS/* "
                        "in a folder below --data-root or at an absolute path") from error
    if not names:
        raise DataError(f"{name}: {folder} is empty")
    return names


def _read(name: str, folder: Path, classes: list[str]) -> tuple[Pixels, Labels]:
    """Return (N, channels, height, width) pixels and (N,) labels, classes numbered in their order."""
    files = [(folder / label / file, number) for number, label in enumerate(classes)
             for file in _names_in(name, folder / label)]
    first = decode(files[0][0])
    pixels = np.empty((len(files), *first.shape), dtype=np.uint8)
    for row, (path, _) in zip(pixels, files, strict=True):
        image = decode(path)
        if image.shape != first.shape:
            raise DataError(f"{path}: is {image.shape} (height, width, channels), but {files[0][0]} is {first.shape}; "
                            "bring all images to one size, and all to gray or all to colour")
        row[:] = image
    return pixels.transpose(0, 3, 1, 2), np.array([number for _, number in files])


def decode(path: Path) -> Pixels:
    """Return (height, width, channels), one channel for a gray image and three for any other."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            mode = _CONVERTED.get(image.mode)
            if mode is None:
                raise DataError(f"{path}: Pillow calls its mode {image.mode}; expected 8-bit gray or colour")
            pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    # Pillow reports a broken PNG as a SyntaxError.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image: {error}") from error
    return pixels.reshape(*pixels.shape[:2], -1)
