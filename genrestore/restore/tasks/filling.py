"""Filling the holes of a picture piece by piece, whatever fills a piece."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from genrestore.errors import InputError, UsageError
from genrestore.restore import holes
from genrestore.restore.holes import Piece
from genrestore.restore.tiling import Pixels, Tiling, from_float, to_float

NOTHING_MISSING = "the mask is empty: nothing was filled"
DEEPEST_FEATHER = 32
"""As many pixels as are seen around a hole at least."""

Solve = Callable[[Tensor, Tensor, Callable[[float], None]], Tensor]
"""Takes a piece, [1, channel, height, width] about [0, 1], where it is known (1) and missing (0), [1, 1,
height, width], and a callback for the fraction done; gives the piece without holes."""


def check_feather(feather: int) -> None:
    """Refuse a width of blending that is not from 0 to `DEEPEST_FEATHER`.

    Raises:
        UsageError: It is not.
    """
    if not 0 <= feather <= DEEPEST_FEATHER:
        raise UsageError(f"feather {feather}: must be from 0 to {DEEPEST_FEATHER} pixels")


def fill_holes(
    pixels: Pixels,
    known: Pixels,
    solve: Solve,
    tiling: Tiling,
    *,
    feather: int = 0,
    on_progress: Callable[[float], None] | None = None,
) -> Pixels:
    """Fill what is missing; what one piece filled is known to the next, so that they fit together.

    Args:
        pixels: [1, channel, height, width]; integers, or floating point on the [0, 1] scale.
        known: Whether a pixel is known, bool [1, 1, height, width].
        solve: Fills a piece.
        tiling: How the picture is cut.
        feather: Pixels over which the result goes into what the picture holds inside the hole.
        on_progress: Is told the finished share, 0 to 1.

    Returns:
        Shape and type of `pixels`; known pixels as they were.

    Raises:
        InputError: Every pixel is missing.
    """
    if not known.any():
        raise InputError("the mask covers the whole picture, and nothing is known to go by")
    result, so_far = pixels.copy(order="K"), known.copy()  # K: the layout that is written without a copy
    todo = list(holes.pieces(known, tiling))
    for number, piece in enumerate(todo):

        def advance(fraction: float, done: int = number) -> None:
            if on_progress is not None:
                on_progress((done + fraction) / len(todo))

        image, there = to_float(result[(..., *piece.read)]), holes.as_tensor(so_far[(..., *piece.read)])
        filled = solve(image, there, advance)
        if feather:
            inside = holes.depth(holes.as_tensor(known[(..., *piece.read)]), feather)
            filled = torch.lerp(image, filled, inside / (feather + 1))
        _put(filled, result, so_far, piece)
    return result


def _put(image: Tensor, result: Pixels, known: Pixels, piece: Piece) -> None:
    """Write the missing pixels of a piece, [1, channel, height, width]; they are known from now on."""
    rows, columns = (
        slice(inner.start - outer.start, inner.stop - outer.start)
        for inner, outer in zip(piece.fill, piece.read, strict=True)
    )
    place = result[(..., *piece.fill)]
    missing = ~known[(..., *piece.fill)]
    np.copyto(place, from_float(image[..., rows, columns], result.dtype), where=missing)
    known[(..., *piece.fill)] = True
