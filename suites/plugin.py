"""The built-in data sets and suites, registered through the same hooks as anybody else's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from harness import DatasetSource, hookimpl
from harness.suite import Suite, load_suite
from suites.datasets import (
    CIFAR10,
    CIFAR10_JPEG,
    CIFAR100,
    FASHION_MNIST,
    MNIST,
    SVHN,
    Centred,
    Digits,
    ImageFolders,
    TinyImageNet,
)


@hookimpl
def harness_datasets() -> Sequence[DatasetSource]:
    """Return the built-in data set sources."""
    digits, mnist = cast(DatasetSource, Digits()), cast(DatasetSource, MNIST)
    centred = [Centred("digits-parity", digits, parity=True), Centred("mnist-parity", mnist, parity=True),
               Centred("mnist-centred", mnist), Centred("cifar10-centred", cast(DatasetSource, CIFAR10))]
    sources = [digits, mnist, FASHION_MNIST, CIFAR10, CIFAR10_JPEG, CIFAR100, SVHN, TinyImageNet(), ImageFolders(),
               *centred]
    return cast(Sequence[DatasetSource], sources)


@hookimpl
def harness_suites() -> Sequence[Suite]:
    """Return the suites that lie beside this file."""
    return suites_in(Path(__file__).parent)


def suites_in(folder: Path) -> list[Suite]:
    """Return the suite of every TOML file in ``folder``, in the order of their names.

    Raises:
        BadSetting: if one of them does not fit, naming the file and every wrong key.
    """
    return [load_suite(path) for path in sorted(folder.glob("*.toml"), key=lambda path: path.stem)]
