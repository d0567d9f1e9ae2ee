"""The handwritten digits that come with scikit-learn: the data set that is always there."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from harness.data import Dataset, Examples
from harness.subsets import stratified_indices

TRAIN = 900
SPLIT_SEED = 2025


@frozen
class Digits:
    """1,797 images of 8x8 pixels, split once and for all into 900 to train and 897 to test, stratified by class."""

    name: str = "digits"
    description: str = "1,797 handwritten digits of 8x8 pixels; comes with scikit-learn, nothing to download"
    sizes: tuple[int, int] = (TRAIN, 897)

    def load(self, data_root: Path | None, download: bool) -> Dataset:
        """Return the digits as (N, 1, 8, 8) images; both arguments are ignored."""
        rows = _rows()
        inputs = (rows[:, :-1] / 16).astype(np.float32).reshape(-1, 1, 8, 8)
        everything = Examples(inputs=inputs, labels=rows[:, -1].astype(np.int64))
        train = stratified_indices(everything.labels, TRAIN, SPLIT_SEED)
        test = np.setdiff1d(np.arange(len(everything)), train)
        return Dataset(name=self.name, version="1", num_classes=10, train=everything.take(train),
                       test=everything.take(test), source="scikit-learn's load_digits: test half of UCI optdigits")


def _rows() -> NDArray[np.float64]:
    """Return (1797, 65): 64 pixels in 0..16, then the label."""
    # Reading the packaged file takes 20 ms, importing the function that reads it takes a second.
    spec = find_spec("sklearn")
    if spec is not None and spec.origin is not None:
        packaged = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
        if packaged.is_file():
            return np.loadtxt(packaged, delimiter=",")
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return np.column_stack([pixels, labels])
