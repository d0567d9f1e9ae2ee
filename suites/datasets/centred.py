"""Data sets without their mean image, as networks for reconstruction are trained on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from attrs import evolve, frozen

from harness.data import Dataset, DatasetSource, Examples, Floats


@frozen
class Centred:
    """Another data set less the mean of its whole training set; inputs are then in about [-1, 1].

    The mean is taken before a suite cuts the data set down, so no forget set has a noticeable part in it.

    Attributes:
        name: as registered.
        source: the other data set.
        parity: make two classes of ten: 0 for even labels, 1 for odd ones.
    """

    name: str
    source: DatasetSource
    parity: bool = False

    @property
    def description(self) -> str:
        """One line."""
        classes = ", odd against even" if self.parity else ""
        return f"{self.source.name} without its mean image{classes}: for reconstruction"

    @property
    def sizes(self) -> tuple[int, int] | None:
        """Number of training and of test examples, where the source knows them."""
        return getattr(self.source, "sizes", None)

    def load(self, data_root: Path | None, download: bool) -> Dataset:
        """Return the data set; both arguments are for the source."""
        loaded = self.source.load(data_root, download)
        mean = loaded.train.inputs.mean(axis=0, dtype=np.float64).astype(np.float32)
        return evolve(
            loaded, name=self.name, version=f"1 of {loaded.version}", train=self._changed(loaded.train, mean),
            test=self._changed(loaded.test, mean), num_classes=2 if self.parity else loaded.num_classes)

    def _changed(self, examples: Examples, mean: Floats) -> Examples:
        labels = examples.labels % 2 if self.parity else examples.labels
        return Examples(inputs=examples.inputs - mean, labels=labels)
