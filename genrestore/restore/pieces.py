"""Pieces of a picture around its holes: where they lie, how they are written, how deep and soft holes are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from genrestore.restore.tiling import Pixels, Region, Tiling, from_float, spans

CALL = 2000
"""Pixels that take as long as what each piece takes besides."""


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

    @property
    def cost(self) -> int:
        """What it takes to fill it, in pixels that are looked at."""
        return self.area + CALL


def pieces(known: Pixels, tiling: Tiling) -> Iterator[Piece]:
    """The tiles of a picture that have holes, cut down to these and `tiling.overlap` pixels around them.

    A tile is cut further wherever its parts are less to look at: thin lines and specks far from each other.

    Args:
        known: Whether a pixel is known, bool [1, 1, height, width].
        tiling: How the picture is cut.

    Yields:
        Pieces whose `fill` cover every missing pixel once.
    """
    missing = ~known[0, 0]
    height, width = missing.shape
    for row in spans(height, tiling):
        for column in spans(width, tiling):
            tile = slice(row.keep_start, row.keep_stop), slice(column.keep_start, column.keep_stop)
            if missing[tile].any():
                yield from _least(missing, tile, tiling.overlap)


def _least(missing: Pixels, region: Region, margin: int) -> list[Piece]:
    """The pieces of a region with missing pixels that are least to look at: one, or those of its halves."""
    fill = _extent(missing, region)
    rows, columns = (
        slice(max(0, side.start - margin), min(length, side.stop + margin))
        for side, length in zip(fill, missing.shape, strict=True)
    )
    whole = Piece((rows, columns), fill)
    sizes = [side.stop - side.start for side in fill]
    if whole.area <= CALL or max(sizes) <= 2 * margin:  # halves would be more to look at
        return [whole]
    axis = int(sizes[1] > sizes[0])
    cut = fill[axis].start + _cut(missing[fill] if axis == 0 else missing[fill].T)
    halves = slice(fill[axis].start, cut), slice(cut, fill[axis].stop)
    regions = [(half, fill[1]) if axis == 0 else (fill[0], half) for half in halves]
    parts = [part for each in regions for part in _least(missing, each, margin)]
    return parts if sum(part.cost for part in parts) < whole.cost else [whole]


def _cut(missing: Pixels) -> int:
    """Row before which a mask, bool [height, width], is cut: about the middle, and through few holes."""
    first, last = len(missing) // 4, len(missing) - len(missing) // 4
    through = (missing[first - 1 : last - 1] & missing[first:last]).sum(1)
    off = np.abs(np.arange(first, last) - len(missing) / 2)
    return first + int(np.lexsort((off, through))[0])


def put(image: Tensor, result: Pixels, missing: Pixels, piece: Piece) -> None:
    """Write a piece, [1, channel, height, width], where a pixel it fills is missing, bool of their shape."""
    rows, columns = (
        slice(inner.start - outer.start, inner.stop - outer.start)
        for inner, outer in zip(piece.fill, piece.read, strict=True)
    )
    place = result[(..., *piece.fill)]
    np.copyto(place, from_float(image[..., rows, columns], result.dtype), where=missing)


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


def _extent(missing: Pixels, region: Region) -> Region:
    """A region from the first to the last row and column of it that has a missing pixel."""
    hits = (np.flatnonzero(missing[region].any(axis)) for axis in (1, 0))
    both = zip(region, hits, strict=True)
    rows, columns = (slice(side.start + int(hit[0]), side.start + int(hit[-1]) + 1) for side, hit in both)
    return rows, columns
