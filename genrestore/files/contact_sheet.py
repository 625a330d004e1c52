"""Many images in one picture: a part at several strengths, each under its label; and plain grids."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from genrestore.files.pixels import Array

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
GAP = 8
"""Pixels around every panel."""
LINE = 2
"""Pixels between the images of a grid."""
GROUND, INK = 32, 230
"""Grey levels of the ground and of the labels on it, 0 to 255."""
SHAPE = 1.6
"""Width by height of the screen that a sheet is to fit."""


def mixed(before: Array, after: Array, strength: float) -> Array:
    """before + strength · (after − before), rounded.

    Args:
        before: Any shape, uint8 or uint16.
        after: The same shape and type.
        strength: 0 to 1.

    Returns:
        The same shape and type.
    """
    start = before.astype(np.float64)
    result: Array = np.rint(start + strength * (after - start)).astype(before.dtype)
    return result


def sheet(before: Array, after: Array, strengths: Sequence[float] = STRENGTHS) -> Array:
    """A labelled panel a strength, in rows that make the sheet fit a screen.

    Args:
        before: The part as it is in the input, [1, channel, height, width], uint8 or uint16.
        after: The part wholly restored, of the same shape and type.
        strengths: 0 to 1 each.

    Returns:
        The sheet, [1, channel, height, width] of the same channels and type; no pixel of a panel is scaled.
    """
    height, width = before.shape[-2:]
    labels = [_label(f"strength {strength:g}", min(height, width)) for strength in strengths]
    head = max(label.shape[0] for label in labels)
    cell_height = head + height + GAP
    cell_width = max(width, *(label.shape[1] for label in labels)) + GAP
    columns = _columns(len(strengths), cell_height, cell_width)
    rows = math.ceil(len(strengths) / columns)
    white = np.iinfo(before.dtype).max // 255
    shape = (1, before.shape[1], rows * cell_height + GAP, columns * cell_width + GAP)
    result: Array = np.full(shape, GROUND * white, before.dtype)
    for index, (strength, label) in enumerate(zip(strengths, labels, strict=True)):
        top, left = GAP + index // columns * cell_height, GAP + index % columns * cell_width
        result[..., top : top + label.shape[0], left : left + label.shape[1]] = label * white
        panel = (..., slice(top + head, top + head + height), slice(left, left + width))
        result[panel] = mixed(before, after, strength)
    return result


def grid(images: Array, columns: int | None = None) -> Array:
    """Images in rows, with `LINE` pixels between them; a single one as it is.

    Args:
        images: [images, channel, height, width], uint8 or uint16.
        columns: Images in a row; None: as many as rows, or one more.

    Returns:
        [1, channel, height, width] of the same channels and type; places that are left over are black.
    """
    count, channels, height, width = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    down, right = height + LINE, width + LINE
    result: Array = np.zeros((1, channels, rows * down - LINE, columns * right - LINE), images.dtype)
    for index, image in enumerate(images):
        top, left = index // columns * down, index % columns * right
        result[0, :, top : top + height, left : left + width] = image
    return result


def _columns(count: int, cell_height: int, cell_width: int) -> int:
    """How many panels stand beside one another, so that the sheet fits the smallest screen."""
    return min(
        range(count, 0, -1),
        key=lambda columns: max(columns * cell_width / SHAPE, math.ceil(count / columns) * cell_height),
    )


def _label(text: str, side: int) -> Array:
    """Text on the ground as grey levels 0 to 255, uint16 [height, width]; larger on large panels."""
    font = ImageFont.load_default(size=min(max(side // 20, 13), 40))
    _, _, right, bottom = font.getbbox(text)
    image = Image.new("L", (math.ceil(right), math.ceil(bottom) + GAP // 2), GROUND)
    ImageDraw.Draw(image).text((0, 0), text, fill=INK, font=font)
    return np.asarray(image, np.uint16)
