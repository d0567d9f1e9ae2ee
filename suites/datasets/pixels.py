"""From bytes of pixels to data sets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data import Dataset, Examples, Floats
from harness.errors import DataError

Pixels = NDArray[np.uint8]
Labels = NDArray[np.integer[Any]]


def image_dataset(*, name: str, version: str, num_classes: int, train: tuple[Pixels, Labels],
                  test: tuple[Pixels, Labels], source: str) -> Dataset:
    """Return a data set from (N, channels, height, width) bytes, scaled to [0, 1], and (N,) labels.

    Raises:
        DataError: if the parts do not fit together, e.g. a label outside [0, num_classes).
    """
    try:
        return Dataset(name=name, version=version, num_classes=num_classes, source=source,
                       train=Examples(inputs=_scaled(train[0]), labels=train[1]),
                       test=Examples(inputs=_scaled(test[0]), labels=test[1]))
    except ValueError as error:
        raise DataError(f"{name}: the files do not fit together: {error}") from error


def _scaled(pixels: Pixels) -> Floats:
    scaled: Floats = np.divide(pixels, np.float32(255), dtype=np.float32, order="C")
    scaled.flags.writeable = False  # Examples keeps a read-only array as it is; CIFAR-10 is 600 MB.
    return scaled
