"""Masks of missing pixels: single pixels, writing and scratches, blocks and objects.

Every draw comes from the generator that is handed in.
"""

from __future__ import annotations

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from genrestore.train.data.draws import log_uniform, uniform

SCATTERED = 0.4
"""Share of the holes that are single pixels, where nothing else is said."""
WRITING, SCRATCHES = 5 / 12, 1 / 4
"""Shares of the other kinds of holes in those that are left; the rest are blocks."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:-/()&!?'"
MOST_MISSING = 0.97
"""Share of a patch that may be missing; of a hole that covers more, what is beyond is known again."""


def draw(size: int, generator: torch.Generator, scattered: float = SCATTERED) -> Tensor:
    """Draw what is missing from a patch.

    Args:
        size: Side of the patch in pixels.
        scattered: Share of the patches that miss single pixels, or small squares of them, 0 to 1.

    Returns:
        1 where a pixel is known and 0 where it is missing, [1, size, size]; some are, and some are not.
    """
    kind = uniform(generator)
    if kind < scattered:
        return _scattered(size, generator)
    other = (kind - scattered) / (1 - scattered)
    if other < WRITING:
        known = writing(size, generator)
    elif other < WRITING + SCRATCHES:
        known = _scratches(size, generator)
    else:
        known = _blocks(size, generator)
    if known.mean() < 1 - MOST_MISSING or known.all():
        return _scattered(size, generator)
    return known


def _scattered(size: int, generator: torch.Generator) -> Tensor:
    """Scattered holes: each pixel, or each small square of pixels, by itself."""
    side = 1 if uniform(generator) < 0.85 else _whole(2, 9, generator)
    share = uniform(generator, 0.1, 0.95)
    cells = -(-size // side)
    known = (torch.rand(cells, cells, generator=generator) >= share).float()
    known[_whole(0, cells, generator), _whole(0, cells, generator)] = 1
    return known.repeat_interleave(side, 0).repeat_interleave(side, 1)[None, :size, :size]


def writing(size: int, generator: torch.Generator) -> Tensor:
    """Lines of letters, of a height and thickness of their own.

    Args:
        size: Side of the patch in pixels.

    Returns:
        1 where a pixel is known and 0 where it is missing, [1, size, size].
    """
    picture, pen = _blank(size)
    height = log_uniform(generator, 8, 48)
    font = ImageFont.load_default(height)
    thickness = _whole(0, 1 + max(1, round(height / 12)), generator)
    spacing = height * uniform(generator, 1.0, 2.5)
    top = uniform(generator, -height, spacing)
    while top < size:
        line = "".join(LETTERS[_whole(0, len(LETTERS), generator)] for _ in range(int(3 * size / height) + 2))
        left = uniform(generator, -height, height)
        pen.text((left, top), line, fill=0, font=font, stroke_width=thickness, stroke_fill=0)
        top += spacing
    return _known(picture)


def _scratches(size: int, generator: torch.Generator) -> Tensor:
    """Broken lines and smooth ones, from edge to edge or not."""
    picture, pen = _blank(size)
    for _ in range(_whole(1, 9, generator)):
        ends = [
            (uniform(generator, -0.2, 1.2) * size, uniform(generator, -0.2, 1.2) * size)
            for _ in range(_whole(2, 6, generator))
        ]
        pen.line(ends, fill=0, width=round(log_uniform(generator, 1, 12)), joint="curve")
    return _known(picture)


def _blocks(size: int, generator: torch.Generator) -> Tensor:
    """Rectangles and ellipses, one large or several small."""
    picture, pen = _blank(size)
    count = 1 if uniform(generator) < 0.6 else _whole(2, 9, generator)
    for _ in range(count):
        largest = 0.65 if count == 1 else 0.3
        across, down = (log_uniform(generator, 0.1 * largest + 0.02, largest) * size for _ in range(2))
        if uniform(generator) < 0.4:
            down = across
        left, top = (uniform(generator, -0.1 * side, size - 0.9 * side) for side in (across, down))
        draw_one = pen.rectangle if uniform(generator) < 0.6 else pen.ellipse
        draw_one((left, top, left + across, top + down), fill=0)
    return _known(picture)


def _blank(size: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("L", (size, size), 255)
    return picture, ImageDraw.Draw(picture)


def _known(picture: Image.Image) -> Tensor:
    """1 where nothing at all was drawn, [1, height, width]."""
    levels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return (levels.reshape(1, picture.height, picture.width) >= 128).float()


def _whole(low: int, below: int, generator: torch.Generator) -> int:
    """A whole number from `low` to `below` - 1, each as likely."""
    return int(torch.randint(low, below, (), generator=generator))
