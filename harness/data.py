"""Data sets as read-only NumPy arrays with a digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from harness.digests import digest_arrays, digest_json

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


def _read_only(array: NDArray[Any], dtype: type) -> NDArray[Any]:
    plain: NDArray[Any] = np.ascontiguousarray(array, dtype=dtype)
    if plain is array and plain.flags.writeable:
        plain = plain.copy()
    plain.flags.writeable = False
    return plain


def _inputs(array: NDArray[Any]) -> Floats:
    return _read_only(array, np.float32)


def _labels(array: NDArray[Any]) -> Integers:
    return _read_only(array, np.int64)


@frozen(kw_only=True, eq=False)
class Examples:
    """Inputs with their labels.

    Attributes:
        inputs: (N, ...) float32, read-only; images are (N, channels, height, width) in [0, 1].
        labels: (N,) int64, read-only.
        digest: SHA-256 over both arrays; computed when not given.
    """

    inputs: Floats = field(converter=_inputs)
    labels: Integers = field(converter=_labels)
    digest: str = field()

    @digest.default
    def _digest(self) -> str:
        return digest_arrays(self.inputs, self.labels)

    def __attrs_post_init__(self) -> None:
        if len(self.inputs) != len(self.labels):
            raise ValueError(f"Examples: {len(self.inputs)} inputs but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> Examples:
        """Return the examples at ``indices``, in that order."""
        return Examples(inputs=self.inputs[indices], labels=self.labels[indices])


@frozen(kw_only=True, eq=False)
class Poison:
    """What was done to some training examples before any model saw them.

    Attributes:
        kind: ``gaussian`` (noise on the inputs), ``swap`` (labels of a pair of classes exchanged) or ``trigger`` (a
            square in a corner, and another label).
        groups: indices into the training set, one array for each forget set.
        deviation: of the noise.
        rows: (K,) all of these indices.
        clean: the K examples as they were, in the order of ``rows``.
    """

    kind: str
    groups: tuple[Integers, ...]
    deviation: float
    rows: Integers
    clean: Examples

    def reordered(self, order: NDArray[np.int64]) -> Poison:
        """Return the same for a training set in another order: its i-th example is the ``order[i]``-th of this one."""
        place = np.argsort(order)
        return evolve(self, groups=tuple(place[group] for group in self.groups), rows=place[self.rows])

    def before(self, indices: NDArray[np.int64]) -> Examples:
        """Return examples of the training set as they were before.

        Raises:
            ValueError: if one of them was not poisoned.
        """
        position = {int(row): place for place, row in enumerate(self.rows)}
        unknown = [int(index) for index in indices if int(index) not in position]
        if unknown:
            raise ValueError(f"training example {unknown[0]} was not poisoned; {len(unknown)} of {len(indices)} were "
                             "not")
        return self.clean.take(np.array([position[int(index)] for index in indices], dtype=np.int64))


@frozen(kw_only=True, eq=False)
class Dataset:
    """A training and a test set of one classification task.

    Attributes:
        name, version: as registered; ``version`` changes when the arrays change.
        num_classes: C; labels are in [0, C).
        train, test: the two sets; a pool of both is always train first, then test.
        source: where the bytes came from, in words.
        poison: which training examples were changed on purpose, if any.
    """

    name: str
    version: str
    num_classes: int
    train: Examples
    test: Examples
    source: str
    poison: Poison | None = None

    def __attrs_post_init__(self) -> None:
        for part, examples in (("train", self.train), ("test", self.test)):
            if len(examples) == 0:
                raise ValueError(f"Dataset '{self.name}': {part} is empty")
            low, high = int(examples.labels.min()), int(examples.labels.max())
            if low < 0 or high >= self.num_classes:
                raise ValueError(f"Dataset '{self.name}': {part} labels are in [{low}, {high}], "
                                 f"expected [0, {self.num_classes})")
            if not np.isfinite(examples.inputs).all():
                raise ValueError(f"Dataset '{self.name}': {part} inputs contain NaN or infinity")

    @property
    def digest(self) -> str:
        """SHA-256 over name, version, number of classes and both sets."""
        return digest_json([self.name, self.version, self.num_classes, self.train.digest, self.test.digest])

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.train.inputs.shape[1:]


@runtime_checkable
class DatasetSource(Protocol):
    """A named data set that can be loaded; what ``harness_datasets`` returns.

    Attributes:
        name: what suites and the command line say, e.g. ``mnist``.
        description: one line for ``unlearn list datasets``.
    """

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    def load(self, data_root: Path | None, download: bool) -> Dataset:
        """Return the data set read from ``data_root``; download only when asked.

        Raises:
            DataError: if the files are not there or are malformed, with what to put where.
        """
        ...
