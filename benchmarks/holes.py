"""The holes of the inpainting benchmark: random pixels, lines of text, a square."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from pictures import Pixels
from PIL import Image, ImageDraw, ImageFont

WORDS = (
    "The quick brown fox jumps over the lazy dog while five wizards box; pack my jug with a dozen "
    "quarts of good light, and judge the sphinx of black quartz by the vow it keeps. "
)
COVERED = 0.15
"""Share of the picture that lines of text are added up to; the last line goes beyond it."""
SQUARE = 64
"""Side of the square hole in pixels."""


def random_pixels(height: int, width: int, missing: float, index: int) -> Pixels:
    """Every pixel is missing with the same probability.

    Args:
        height: Of the picture.
        width: Of the picture.
        missing: The probability, 0 to 1.
        index: The picture's index in the sorted set: the seed.

    Returns:
        True where a pixel is known, [height, width].
    """
    generator = torch.Generator().manual_seed(index)
    known: Pixels = (torch.rand(height, width, generator=generator) >= missing).numpy()
    return known


def text(height: int, width: int) -> Pixels:
    """Lines in Pillow's default font, a fourteenth of the smaller side high, with strokes of one pixel.

    Lines are added until `COVERED` of the picture is missing.

    Returns:
        True where a pixel is known, [height, width].
    """
    size = min(height, width) / 14
    font = ImageFont.load_default(size=size)
    missing = Image.new("1", (width, height))
    draw, start, top = ImageDraw.Draw(missing), 0, size / 4
    while np.asarray(missing).mean() < COVERED and top < height:
        line = (WORDS[start:] + WORDS * (1 + width // 100))[: round(4 * width / size)]
        draw.text((size / 4, top), line, fill=1, font=font, stroke_width=1)
        start, top = (start + 37) % len(WORDS), top + 1.2 * size
    return ~np.asarray(missing)


def caption(height: int, width: int) -> Pixels:
    """One line of text in the lower part, 3000×200 pixels with the space around its letters.

    Returns:
        True where a pixel is known, [height, width].
    """
    missing = Image.new("1", (width, height))
    font = ImageFont.load_default(size=150)
    line = WORDS * 3
    while font.getlength(line) > min(3000, width - 40):
        line = line[:-1]
    place = (max(20, (width - 3000) // 2), height - 400)
    ImageDraw.Draw(missing).text(place, line, fill=1, font=font, stroke_width=3)
    return ~np.asarray(missing)


def square(height: int, width: int) -> Pixels:
    """One square of `SQUARE` pixels in the middle.

    Returns:
        True where a pixel is known, [height, width].
    """
    known = np.ones((height, width), bool)
    top, left = (height - SQUARE) // 2, (width - SQUARE) // 2
    known[top : top + SQUARE, left : left + SQUARE] = False
    return known


HOLES: dict[str, Callable[[int, int, int], Pixels]] = {
    "50 % missing": lambda height, width, index: random_pixels(height, width, 0.5, index),
    "80 % missing": lambda height, width, index: random_pixels(height, width, 0.8, index),
    "text": lambda height, width, _index: text(height, width),
    "64×64 hole": lambda height, width, _index: square(height, width),
}
"""Hole and what makes it of height, width and index; True where a pixel is known, [height, width]."""
