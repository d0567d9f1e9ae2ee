"""Random flips and crops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from adapters.torch_augmentation import Augmenter, crop, flip
from harness.errors import BadSetting


def _images(count: int = 60, size: int = 6) -> Tensor:
    return torch.arange(1.0, count * 2 * size * size + 1).reshape(count, 2, size, size)


def _all(images: Tensor) -> Tensor:
    return torch.ones(len(images), dtype=torch.bool)


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_flip_mirrors_about_half_of_the_images() -> None:
    images = _images()

    flipped = flip(images, _all(images), _generator())

    mirrored = (flipped == images.flip(3)).flatten(1).all(1)
    kept = (flipped == images).flatten(1).all(1)
    assert (mirrored ^ kept).all()
    assert 15 < mirrored.sum() < 45  # 4 standard deviations around 30


def test_crop_shifts_each_image_by_up_to_four_pixels_over_zeros() -> None:
    images = _images()

    cropped = crop(images, _all(images), _generator())

    shifts = set()
    for image, original in zip(cropped, torch.nn.functional.pad(images, (4, 4, 4, 4)), strict=True):
        places = [(down, right) for down in range(9) for right in range(9)
                  if torch.equal(image, original[:, down:down + 6, right:right + 6])]
        assert places
        shifts.add(places[0])
    assert len(shifts) > 30  # of 81, in 60 draws


@pytest.mark.parametrize("names", [("flip",), ("crop",), ("crop", "flip")])
def test_rows_that_must_not_be_touched_stay_and_change_nothing_for_the_others(names: tuple[str, ...]) -> None:
    images = _images()
    touched = torch.arange(60) % 3 == 0

    some = Augmenter(names, 5, (2, 6, 6))(images, touched)
    every = Augmenter(names, 5, (2, 6, 6))(images, _all(images))

    assert torch.equal(some[~touched], images[~touched])
    assert torch.equal(some[touched], every[touched])
    assert not torch.equal(every, images)


def test_the_seed_decides_and_batches_differ() -> None:
    images = _images()
    first, again = Augmenter(("crop",), 5, (2, 6, 6)), Augmenter(("crop",), 5, (2, 6, 6))

    one, two = first(images, _all(images)), first(images, _all(images))

    assert torch.equal(one, again(images, _all(images)))
    assert not torch.equal(one, two)


def test_unknown_names_and_inputs_that_are_not_images_are_refused() -> None:
    with pytest.raises(BadSetting, match="'rotate' is not an augmentation; known: crop, flip"):
        Augmenter(("rotate",), 0, (1, 8, 8))
    with pytest.raises(BadSetting, match=r"needs images.*got inputs of shape \(64,\)"):
        Augmenter(("flip",), 0, (64,))
