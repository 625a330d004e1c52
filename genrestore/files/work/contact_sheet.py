"""Sheets of many images: a part at several levels and strengths, each under its label; plain grids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from genrestore.files.codecs.images import Array

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
GAP = 8
"""Pixels around every panel."""
LINE = 2
"""Pixels between the images of a grid."""
GROUND, INK = 32, 230
"""Grey levels of the ground and of the labels on it, 0 to 255."""
SHAPE = 1.6
"""Width by height of the screen that a sheet is to fit."""


class Panel(NamedTuple):
    """One image of a sheet, [1, channel, height, width] of uint8 or uint16, and the label above it."""

    label: str
    pixels: Array


def mixed(before: Array, after: Array, strength: float) -> Array:
    """Mix arrays of one shape and integer type: before + strength · (after − before), rounded."""
    start = before.astype(np.float64)
    result: Array = np.rint(start + strength * (after - start)).astype(before.dtype)
    return result


def strengths(before: Array, after: Array) -> list[Panel]:
    """Make a labelled panel for each of `STRENGTHS`, of a part as it is and wholly restored.

    Args:
        before: [1, channel, height, width], uint8 or uint16.
        after: The same shape and type.
    """
    return [Panel(f"strength {strength:g}", mixed(before, after, strength)) for strength in STRENGTHS]


def sheet(groups: Sequence[Sequence[Panel]]) -> Array:
    """Make a sheet of labelled panels; every group begins a row, and the rows make the sheet fit a screen.

    Args:
        groups: Panels of one shape and type; no group is empty.

    Returns:
        [1, channel, height, width] of the panels' channels and type; no pixel of them is scaled.
    """
    first = groups[0][0].pixels
    height, width = first.shape[-2:]
    labels = [[_label(panel.label, min(height, width)) for panel in group] for group in groups]
    head = max(label.shape[0] for row in labels for label in row)
    cell_height = head + height + GAP
    cell_width = max(width, *(label.shape[1] for row in labels for label in row)) + GAP
    columns = _columns([len(group) for group in groups], cell_height, cell_width)
    rows = sum(math.ceil(len(group) / columns) for group in groups)
    white = np.iinfo(first.dtype).max // 255
    shape = (1, first.shape[1], rows * cell_height + GAP, columns * cell_width + GAP)
    result: Array = np.full(shape, GROUND * white, first.dtype)
    start = 0
    for group, row in zip(groups, labels, strict=True):
        for index, (panel, label) in enumerate(zip(group, row, strict=True)):
            top, left = GAP + (start + index // columns) * cell_height, GAP + index % columns * cell_width
            result[..., top : top + label.shape[0], left : left + label.shape[1]] = label * white
            place = (..., slice(top + head, top + head + height), slice(left, left + width))
            result[place] = panel.pixels
        start += math.ceil(len(group) / columns)
    return result


def grid(images: Array, columns: int | None = None) -> Array:
    """Put images in rows, with `LINE` pixels between them; a single one stays as it is.

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


def _columns(counts: Sequence[int], cell_height: int, cell_width: int) -> int:
    """The number of panels in a row with which the sheet fits the smallest screen."""

    def side(columns: int) -> float:
        rows = sum(math.ceil(count / columns) for count in counts)
        return max(columns * cell_width / SHAPE, rows * cell_height)

    return min(range(max(counts), 0, -1), key=side)


def _label(text: str, side: int) -> Array:
    """Text on the ground as grey levels 0 to 255, uint16 [height, width]; larger on large panels."""
    font = ImageFont.load_default(size=min(max(side // 20, 13), 40))
    _, _, right, bottom = font.getbbox(text)
    image = Image.new("L", (math.ceil(right), math.ceil(bottom) + GAP // 2), GROUND)
    ImageDraw.Draw(image).text((0, 0), text, fill=INK, font=font)
    return np.asarray(image, np.uint16)
