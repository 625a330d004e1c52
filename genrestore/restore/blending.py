"""Blending of pictures and estimates: strength, luma and chroma, feathered holes, sizes, unused bits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from genrestore.restore.records import is_clipped
from genrestore.restore.task import Request
from genrestore.restore.tiling import Pixels, depth

FEW = 8
"""A picture of no more values than this is a dither or a drawing, and no photograph."""
BT601 = (0.299, 0.587, 0.114)
"""Shares of R, G and B in luma, ITU-R BT.601."""
LOW_RANGE = 1 << 13
"""Pictures of 16 bits without a value from here on are those of a sensor of few bits: they are restored as if
they used the whole range."""


LOOKED_AT, FEWEST_STUCK = 1 << 17, 20
"""Pixels among which stuck ones are looked for, and how many values must be found."""


def mixed(damaged: Tensor, restored: Tensor, request: Request, *, bounded: bool) -> Tensor:
    """As much of the restoration as is asked for, of luma and of chroma.

    Args:
        damaged: [1, 1 or 3, height, width], about [0, 1].
        restored: The same shape.
        request: Says how much.
        bounded: Whether the result is clipped to [0, 1] later on.

    Returns:
        The same shape.
    """
    if damaged.shape[1] > 1 and request.luma != request.chroma:
        luma, chroma = request.strength * request.luma, request.strength * request.chroma
        return mix_luma_chroma(damaged, restored, luma, chroma, bounded=bounded)
    share = request.strength * request.luma
    return torch.lerp(damaged, restored, share) if share < 1 else restored


def mix_luma_chroma(
    damaged: Tensor, restored: Tensor, luma: float, chroma: float, *, bounded: bool
) -> Tensor:
    """Take a share of what a restoration changed in brightness, and another of what it changed in colour.

        x = y + a · Y(d) + b · (d − Y(d)),     d = restored − y,  Y(d) = 0.299 R + 0.587 G + 0.114 B

    Args:
        damaged: y, [batch, 3, height, width], about [0, 1].
        restored: The same shape.
        luma: a, 0 to 1.
        chroma: b, 0 to 1.
        bounded: Whether the result is clipped to [0, 1] later on. Colours beyond are then made paler, so
            that clipping does not change their luma.

    Returns:
        The same shape.
    """
    weights = torch.tensor(BT601).reshape(1, 3, 1, 1)
    change = restored - damaged
    brighter = (change * weights).sum(1, keepdim=True)
    mixed = damaged + luma * brighter + chroma * (change - brighter)
    if not bounded:
        return mixed
    grey = (mixed * weights).sum(1, keepdim=True).clamp(0, 1)
    colour = mixed - grey
    room = torch.where(colour > 0, (1 - grey) / colour, grey / -colour)
    pale = torch.where(colour == 0, 1.0, room).amin(1, keepdim=True).clamp(max=1)
    return grey + pale * colour


def feathered(image: Tensor, filled: Tensor, known: Tensor, feather: int) -> Tensor:
    """A filled picture that goes over from what the holes held within some pixels of their edges.

    Args:
        image: [1, channel, height, width], about [0, 1].
        filled: The same shape.
        known: 1 where a pixel is known, [1, 1, height, width].
        feather: Pixels; 0: the filled picture as it is.

    Returns:
        The same shape; known pixels are those of `filled`.
    """
    if not feather:
        return filled
    return torch.lerp(image, filled, torch.where(known > 0, 1.0, depth(known, feather) / (feather + 1)))


def resized(image: Tensor, channels: int, height: int, width: int) -> Tensor:
    """A picture [1, 1 or 3, ...] as [1, channels, height, width], grey as the mean of the colours."""
    if image.shape[1] != channels:
        image = image.mean(1, keepdim=True).expand(-1, channels, -1, -1)
    if image.shape[2:] == torch.Size((height, width)):
        return image
    return functional.interpolate(
        image, (height, width), mode="bilinear", align_corners=False, antialias=True
    )


def few_values(pixels: Pixels) -> int | None:
    """Number of values of integers [1, channel, height, width], if they are so few that it is a dither."""
    if not is_clipped(pixels):
        return None
    found = np.unique(pixels[..., : 1 << 9, : 1 << 9])
    if not 1 < found.size <= FEW or np.setdiff1d(pixels, found, assume_unique=False).size:
        return None
    return int(found.size)


def stuck_share(pixels: Pixels, noise_level: float) -> float:
    """Share of values that are stuck at black or white: at an end of the range, far from those beside them.

    Args:
        pixels: Integers [1, channel, height, width]; of a large picture some rows are looked at.
        noise_level: σ on the [0, 1] scale: nothing within 5 σ is stuck.

    Returns:
        0 to 1; 0 of floats.
    """
    height, width = pixels.shape[-2:]
    if not is_clipped(pixels) or min(height, width) < 3:
        return 0.0
    most = np.iinfo(pixels.dtype).max
    row, column = np.ogrid[1 : height - 1 : -(-height * width // LOOKED_AT), 1 : width - 1]
    beside = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    low, high = np.sort(np.stack([pixels[0][:, y, x] for y, x in beside]), axis=0)[1:3].astype(np.int32)
    value, far = pixels[0][:, row, column], max(0.25, 5 * noise_level) * most
    stuck = ((value == 0) & (low > far)) | ((value == most) & (high < most - far))
    return float(stuck.mean()) if stuck.sum() >= FEWEST_STUCK else 0.0


def unused_bits(pixels: Pixels) -> int:
    """Bits by which a picture of 16 bits, [1, channel, height, width], can be shifted up, or 0."""
    if pixels.dtype != np.uint16:
        return 0
    largest = int(pixels.max())
    return 0 if largest >= LOW_RANGE or largest == 0 else 16 - largest.bit_length()
