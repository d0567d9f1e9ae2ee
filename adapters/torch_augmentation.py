"""Random changes of image batches, by the names that recipes use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from harness.errors import BadSetting

_PADDING = 4


def flip(images: Tensor, touched: Tensor, generator: torch.Generator) -> Tensor:
    """Return ``images`` (B, C, H, W) with each touched one mirrored left to right with probability 1/2."""
    coins = torch.rand(len(images), generator=generator) < 0.5
    mirrored = coins.to(images.device) & touched
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def crop(images: Tensor, touched: Tensor, generator: torch.Generator) -> Tensor:
    """Return ``images`` (B, C, H, W) with each touched one padded by 4 zeros and cropped at a place of its own."""
    height, width = images.shape[2:]
    offsets = torch.randint(0, 2 * _PADDING + 1, (2, len(images)), generator=generator).to(images.device)
    down, right = torch.where(touched, offsets, _PADDING)
    padded = torch.nn.functional.pad(images, (_PADDING,) * 4)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    cropped: Tensor = windows[torch.arange(len(images), device=images.device), :, down, right]
    return cropped


AUGMENTATIONS: Mapping[str, Callable[[Tensor, Tensor, torch.Generator], Tensor]] = {"crop": crop, "flip": flip}


class Augmenter:
    """Applies named augmentations to one batch after another.

    Draws come from a generator of its own and are made for every row, touched or not, so neither the data order nor
    the changes of other rows depend on which rows may be touched.
    """

    def __init__(self, names: Sequence[str], seed: int, input_shape: Sequence[int]) -> None:
        """Prepare the augmentations ``names`` for inputs of ``input_shape``.

        Raises:
            BadSetting: if a name is unknown, or inputs are not images.
        """
        unknown = [name for name in names if name not in AUGMENTATIONS]
        if unknown:
            raise BadSetting(f"'{unknown[0]}' is not an augmentation; known: {', '.join(AUGMENTATIONS)}")
        if names and len(input_shape) != 3:
            raise BadSetting(f"augmentation {', '.join(names)} needs images (channels, height, width), "
                             f"got inputs of shape {tuple(input_shape)}")
        self._steps = [AUGMENTATIONS[name] for name in names]
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, inputs: Tensor, touched: Tensor) -> Tensor:
        """Return ``inputs`` (B, ...) changed where ``touched`` (B,) is True."""
        for step in self._steps:
            inputs = step(inputs, touched, self._generator)
        return inputs
