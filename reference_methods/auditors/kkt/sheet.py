"""Pictures of what was recovered, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reference_methods.auditors.kkt.ssim import stretched

Array = NDArray[np.float64]

_TILE = 64
_CAPTION = 14
_HEADING = 110
_PLOT = (480, 320)


@frozen(kw_only=True, eq=False)
class Strip:
    """One line of pictures.

    Attributes:
        title: at its left.
        images: (K, C, H, W), each stretched to full contrast by itself.
        captions: K short texts below them.
    """

    title: str
    images: Array
    captions: Sequence[str]


def picture_sheet(strips: Sequence[Strip]) -> bytes:
    """Return a PNG with the strips below each other, images of one column above each other."""
    columns = max(len(strip.images) for strip in strips)
    page = Image.new("RGB", (_HEADING + columns * (_TILE + 4), len(strips) * (_TILE + _CAPTION + 6)), "white")
    draw = ImageDraw.Draw(page)
    for row, strip in enumerate(strips):
        top = row * (_TILE + _CAPTION + 6)
        draw.text((4, top + _TILE // 2 - 6), strip.title, fill="black")
        for column, (image, caption) in enumerate(zip(stretched(strip.images), strip.captions, strict=True)):
            left = _HEADING + column * (_TILE + 4)
            page.paste(_tile(image), (left, top))
            draw.text((left + 2, top + _TILE + 1), caption, fill="black")
    return _png(page)


def scatter_plot(groups: Sequence[tuple[str, str, Array, Array]], across: str, up: str) -> bytes:
    """Return a PNG of points; each group is a name, a colour, and (K,) coordinates to the right and up."""
    width, height = _PLOT
    page = Image.new("RGB", _PLOT, "white")
    draw = ImageDraw.Draw(page)
    left, right, bottom, top = 50, width - 10, height - 35, 25
    x_low, x_high = _limits([x for _, _, x, _ in groups])
    y_low, y_high = _limits([y for _, _, _, y in groups])
    draw.rectangle((left, top, right, bottom), outline="grey")
    for place, value in ((left, x_low), (right - 40, x_high)):
        draw.text((place, bottom + 4), f"{value:.3g}", fill="black")
    for place, value in ((bottom - 12, y_low), (top, y_high)):
        draw.text((8, place), f"{value:.2f}", fill="black")
    draw.text(((left + right) // 2 - 40, bottom + 18), across, fill="black")
    draw.text((8, 6), up, fill="black")
    for number, (name, colour, xs, ys) in enumerate(groups):
        draw.text((left + 120 + 110 * number, 6), name, fill=colour)
        for x, y in zip(xs, ys, strict=True):
            column = left + (x - x_low) / (x_high - x_low) * (right - left)
            row = bottom - (y - y_low) / (y_high - y_low) * (bottom - top)
            draw.ellipse((column - 2, row - 2, column + 2, row + 2), fill=colour)
    return _png(page)


def _limits(values: Sequence[Array]) -> tuple[float, float]:
    every = np.concatenate(values)
    low, high = float(every.min()), float(every.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _tile(image: Array) -> Image.Image:
    """Return one image (C, H, W) in [0, 1], enlarged; anything but three channels is shown by its first."""
    pixels = np.rint(255 * image).astype(np.uint8)
    picture = Image.fromarray(pixels.transpose(1, 2, 0)) if len(pixels) == 3 else Image.fromarray(pixels[0])
    return picture.convert("RGB").resize((_TILE, _TILE), Image.Resampling.NEAREST)


def _png(page: Image.Image) -> bytes:
    stream = BytesIO()
    page.save(stream, format="PNG")
    return stream.getvalue()
