"""Which test images serve as never-seen ones, and which as public knowledge."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from harness import ForgetRequest

Integers = NDArray[np.int64]


@frozen(kw_only=True, eq=False)
class HeldOut:
    """Two disjoint parts of the test set.

    Attributes:
        unseen: (U,) sorted indices of the images that training images are compared with.
        public: (P,) sorted indices of the images that calibrate the comparison.
    """

    unseen: Integers
    public: Integers


def split_test(labels: Integers, train_labels: Integers, request: ForgetRequest, count: int, seed: int) -> HeldOut:
    """Return about ``count`` never-seen images with the classes of the forget set, and the rest as public ones.

    For a class request half of them have the classes of the forget set and half those of the retain set, since one
    group is compared with each. At least one public image in two remains.

    Args:
        labels: (T,) classes of the test set.
        train_labels: (N,) classes of the training set.
        request: whose forget set they stand beside.
        count: how many.
        seed: which.

    Raises:
        ValueError: if the test set has no image of any of these classes.
    """
    kept = request.retain_mask(len(train_labels))
    groups = [train_labels[~kept], train_labels[kept]] if request.scope == "class" else [train_labels[~kept]]
    order = np.random.default_rng(seed).permutation(len(labels))
    available = len(labels) // 2
    chosen: list[Integers] = []
    for group in groups:
        chosen += _like(group, labels, order, min(count, available) / len(groups))
    unseen = np.unique(np.concatenate(chosen))
    if len(unseen) == 0:
        raise ValueError(f"the test set has no image of the classes {sorted(set(train_labels.tolist()))}")
    return HeldOut(unseen=unseen, public=np.setdiff1d(np.arange(len(labels)), unseen))


def _like(group: Integers, labels: Integers, order: Integers, count: float) -> list[Integers]:
    """Return for each class in ``group`` its share of ``count`` test images, in the random order."""
    classes, sizes = np.unique(group, return_counts=True)
    return [order[labels[order] == label][:max(1, round(count * size / len(group)))]
            for label, size in zip(classes, sizes, strict=True)]
