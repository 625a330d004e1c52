"""Pieces of a picture around its holes: where they lie, how they are written, how deep and soft holes are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from genrestore.restore.tiling import Pixels, Region, Span, Tiling, from_float, spans


@dataclass(frozen=True)
class Piece:
    """A part of a picture with missing pixels.

    Attributes:
        read: Rows and columns that are looked at: the holes and what is around them.
        fill: Rows and columns inside of it whose missing pixels are filled.
    """

    read: Region
    fill: Region

    @property
    def area(self) -> int:
        """Pixels that are looked at."""
        rows, columns = self.read
        return int((rows.stop - rows.start) * (columns.stop - columns.start))


def pieces(known: Pixels, tiling: Tiling) -> Iterator[Piece]:
    """The tiles of a picture that have holes, cut down to these and `tiling.overlap` pixels around them.

    Args:
        known: Whether a pixel is known, bool [1, 1, height, width].
        tiling: How the picture is cut.

    Yields:
        Pieces whose `fill` cover every missing pixel once, from the top left.
    """
    missing = ~known[0, 0]
    height, width = missing.shape
    for row in spans(height, tiling):
        for column in spans(width, tiling):
            kept = missing[row.keep_start : row.keep_stop, column.keep_start : column.keep_stop]
            if kept.any():
                down, across = _extent(kept.any(1), row), _extent(kept.any(0), column)
                around = _around(down, height, tiling.overlap), _around(across, width, tiling.overlap)
                yield Piece(around, (down, across))


def put(image: Tensor, result: Pixels, known: Pixels, piece: Piece) -> None:
    """Write the missing pixels of a piece, [1, channel, height, width]; they are known from now on."""
    rows, columns = (
        slice(inner.start - outer.start, inner.stop - outer.start)
        for inner, outer in zip(piece.fill, piece.read, strict=True)
    )
    place = result[(..., *piece.fill)]
    missing = ~known[(..., *piece.fill)]
    np.copyto(place, from_float(image[..., rows, columns], result.dtype), where=missing)
    known[(..., *piece.fill)] = True


def depth(known: Tensor, deepest: int) -> Tensor:
    """Depth in pixels of each missing one inside its hole.

    Args:
        known: 1 where a pixel is known and 0 where it is missing, [1, 1, height, width].
        deepest: Where counting ends, from 0.

    Returns:
        0 for known pixels, 1 at the edge of a hole, at most `deepest` + 1; [1, 1, height, width].
    """
    total = 1 - known
    near = known
    for _ in range(deepest):
        if bool(near.all()):
            break
        near = functional.max_pool2d(near, 3, stride=1, padding=1)
        total = total + (1 - near)
    return total


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


def as_tensor(known: Pixels) -> Tensor:
    """A mask as float32, 1 where a pixel is known, [1, 1, height, width]."""
    return torch.from_numpy(np.ascontiguousarray(known, np.float32))


def _extent(hit: Pixels, span: Span) -> slice:
    """Extent: from the first to the last place where `hit`, [length], is true, in pixels of the picture."""
    places = np.flatnonzero(hit)
    return slice(span.keep_start + int(places[0]), span.keep_start + int(places[-1]) + 1)


def _around(extent: slice, length: int, margin: int) -> slice:
    return slice(max(0, extent.start - margin), min(length, extent.stop + margin))
