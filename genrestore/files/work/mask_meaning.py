"""The meaning of a mask file: what it says is missing, tried in this order; else it is refused.

1. Alpha: where a file is transparent in places and one or a few colours are painted elsewhere, what is
   painted is missing, whatever its colour. Where both black and white can be seen, it counts as greys, below.
2. Colours: where one or a few are painted on a ground of black, white or grey, what is painted is missing.
3. Two greys, one of them black or white: the brighter one is missing, be it 1 of 255, or 255 of 65,535.
4. Greys on black, as soft and smoothed edges have them: every pixel that is not black is missing, since a
   pixel that is touched holds something of what is to go.

A lossy file makes greys of its own, so near black is black there, and near white is white.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrestore.errors import InputError
from genrestore.files.codecs import formats
from genrestore.files.codecs.images import Array, Image, to_8_bit, to_16_bit

NEAR = 16
"""8-bit levels within which a lossy file may say black or white."""
TINT = 32
"""8-bit levels by which red, green and blue differ where there is a colour."""
GROUND = 96
"""8-bit levels within which what has no colour belongs to the ground that colours are painted on."""
FEW_COLOURS = 8
"""So many of thousands of colours, or fewer, are nine tenths of what is painted."""
LEAST_PLAIN = 0.25
"""A mask that has greys is black or white in this share of its pixels; a photograph is not."""


@dataclass(frozen=True)
class Missing:
    """Missing pixels, bool [height, width], and how the file was understood, where that is not plain."""

    pixels: Array
    note: str | None = None


def of(image: Image, *, invert: bool) -> Missing:
    """Find the missing pixels of a decoded mask file; with `invert` it says what is known instead.

    Raises:
        InputError: It cannot be told; names what was found, without the file's name.
    """
    lossy = formats.BY_NAME[image.metadata.format].lossy and not image.metadata.lossless
    # The largest channel, not luma: blue of 1 would be black.
    pixels = to_16_bit(image.pixels)
    grey = pixels[0].max(axis=0)
    alpha = None if image.alpha is None else to_16_bit(image.alpha[0, 0])
    if alpha is not None and not alpha.any() and _is_one_value(grey):
        return Missing(np.full(grey.shape, invert))  # a layer on which nothing was painted
    if alpha is not None and not _is_one_value(alpha):
        if not _is_black_and_white(pixels, alpha):
            return _of_alpha(pixels, alpha, invert)
        grey = np.where(alpha > 0, grey, 0)
    elif _has_colours(pixels):
        return _of_colours(pixels, NEAR if lossy else 0, invert)
    return _of_greys(grey, lossy, invert)


def _of_alpha(pixels: Array, alpha: Array, invert: bool) -> Missing:
    if not _are_few(to_8_bit(pixels[0][:, alpha > 0]) >> 4):
        raise InputError(
            "the mask is a picture of many colours that is transparent in places, and it cannot be told what "
            "is missing; paint one colour on a transparent ground, or white on black"
        )
    missing = alpha < alpha.max() if invert else alpha > alpha.min()
    return Missing(missing, "the mask's alpha says what is missing: what is painted on it")


def _of_colours(pixels: Array, tolerance: int, invert: bool) -> Missing:
    colours = np.stack([to_8_bit(plane) for plane in pixels[0]]).astype(np.int16)
    painted = colours.max(axis=0) - colours.min(axis=0) > TINT
    grounds = colours[:, ~painted]
    ground = None if not grounds.size else np.median(grounds, axis=1)[:, None].astype(np.int16)
    plain = ground is not None and not (np.abs(grounds - ground) > GROUND).any()
    if ground is None or not plain or not _are_few(_directions(colours[:, painted] - ground)):
        raise InputError(
            "the mask has colours, and not one or a few of them painted on one ground, so it cannot be told "
            "what is missing; paint white on black, or give the colour with --mask-color"
        )
    touched = (np.abs(colours - ground[:, :, None]) > tolerance).any(axis=0)
    return Missing(touched != invert, "the mask's colours say what is missing: what is painted with them")


def _of_greys(grey: Array, lossy: bool, invert: bool) -> Missing:
    white = int(np.iinfo(grey.dtype).max)
    found = np.bincount(grey.ravel(), minlength=white + 1)
    if lossy:
        near = NEAR * (white // 255)
        grey = np.where(grey <= near, 0, np.where(grey >= white - near, white, grey)).astype(grey.dtype)
    count = np.bincount(grey.ravel(), minlength=white + 1)
    values = np.flatnonzero(count)
    low, high = int(values[0]), int(values[-1])
    few, plain = len(values) <= 2, low == 0 or high == white
    if few and low == high:
        plain = plain and np.count_nonzero(found) == 1
        low, high = 0, white
    elif not few:
        plain = plain and count[low] + count[high] >= LEAST_PLAIN * grey.size
    if not plain:
        seen = [str(value) for value in np.flatnonzero(found)]
        held = " and ".join(seen) if len(seen) <= 4 else f"{len(seen)} greys from {seen[0]} to {seen[-1]}"
        raise InputError(
            f"the mask holds {held} of {white}, so it cannot be told what is missing; paint white on black"
        )
    note: str | None = f"the mask holds {low} and {high}: {low if invert else high} is missing"
    if not few:
        note = f"the mask has greys: every pixel that is not {'white' if invert else 'black'} is missing"
    elif (low, high) == (0, white):
        note = None
    return Missing(grey < high if invert else grey > low, note)


def _is_one_value(plane: Array) -> bool:
    return bool(plane.min() == plane.max())


def _has_colours(pixels: Array) -> bool:
    """A picture [1, channel, height, width] has pixels that are not grey."""
    if pixels.shape[1] == 1:
        return False
    spread = pixels[0].max(axis=0) - pixels[0].min(axis=0)
    return bool((to_8_bit(spread) > TINT).any())


def _is_black_and_white(pixels: Array, alpha: Array) -> bool:
    """Tell whether all that can be seen of a picture is grey, black as well as white."""
    seen = to_8_bit(pixels[0].max(axis=0))[to_8_bit(alpha) >= 128]
    return not _has_colours(pixels) and bool(seen.size) and seen.min() <= TINT and seen.max() >= 255 - TINT


def _directions(colours: Array) -> Array:
    """Directions of colours from the ground, [channel, pixel] of 0 to 8: of one stroke's edge all alike."""
    away = np.abs(colours).max(axis=0)
    return (4 * (colours + away) + away // 2) // np.maximum(away, 1)


def _are_few(colours: Array) -> bool:
    """Colours, [channel, pixel] of 0 to 15, are a few that were painted, not a photograph's."""
    numbers = np.zeros(colours.shape[1], np.int64)
    for plane in colours:
        numbers = 16 * numbers + plane
    most = np.sort(np.bincount(numbers))[::-1]
    return bool(most[:FEW_COLOURS].sum() >= 0.9 * colours.shape[1])
