"""Tiling of large pictures: integers in, float32 tiles in between, integers out.

Memory is the picture, the result and a few tiles. Neighbouring tiles overlap, and of every tile only the part
far enough from its edge is kept, so no seam is seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

Pixels = np.ndarray[Any, Any]
TileFunction = Callable[[Tensor], Tensor]
Item = TypeVar("Item")
Result = TypeVar("Result")
MOST = 4
"""Tiles at once on a processor; each takes memory, and with fewer tiles than threads each gets several."""
LOW_RANGE = 1 << 13
"""Pictures of 16 bits without a value from here on are those of a sensor of few bits: they are restored as if
they used the whole range."""
Region = tuple[slice, slice]
"""Rows and columns of a picture."""


@dataclass(frozen=True)
class Tiling:
    """A way to cut a picture.

    Attributes:
        size: Largest side of a tile in pixels, overlap included.
        overlap: Pixels next to an inner edge of a tile that are computed and not kept.
        multiple: Every tile begins at a multiple of it, so that a network that halves the picture several
            times sees the same pixels together as in the whole picture.
    """

    size: int = 768
    overlap: int = 32
    multiple: int = 16

    def __post_init__(self) -> None:
        if self.overlap < 0 or self.size <= 2 * self.overlap:
            raise ValueError(f"tiles of {self.size} pixels cannot overlap by {self.overlap} on each side")
        if (self.size - 2 * self.overlap) % self.multiple:
            raise ValueError(
                f"tiles of {self.size} pixels less twice the overlap of {self.overlap} must be a multiple of "
                f"{self.multiple}"
            )

    def aligned(self, multiple: int) -> Tiling:
        """Tiles that begin at a multiple of so many pixels too, and are as large or smaller."""
        common = math.lcm(self.multiple, multiple)
        overlap = math.ceil(self.overlap / multiple) * multiple
        kept = max(common, (self.size - 2 * overlap) // common * common)
        fits = (common, overlap) == (self.multiple, self.overlap)
        return self if fits else Tiling(kept + 2 * overlap, overlap, common)

    def halved(self) -> Tiling | None:
        """Tiles of about half the size with the same overlap, or None where too little would be kept."""
        kept = (self.size - 2 * self.overlap) // 2 // self.multiple * self.multiple
        return replace(self, size=kept + 2 * self.overlap) if kept >= 4 * self.multiple else None


@dataclass(frozen=True)
class Span:
    """A tile along one axis: what is read, and the part of it that is kept; all in the picture's pixels."""

    start: int
    stop: int
    keep_start: int
    keep_stop: int


@dataclass(frozen=True)
class Tile:
    """A tile of a picture, by its rows and columns."""

    row: Span
    column: Span

    @property
    def area(self) -> int:
        """Pixels that are looked at."""
        return (self.row.stop - self.row.start) * (self.column.stop - self.column.start)

    def is_kept_from(self, region: Region) -> bool:
        """True where a part of a region is kept from it."""
        spans = zip((self.row, self.column), region, strict=True)
        return all(span.keep_start < wanted.stop and wanted.start < span.keep_stop for span, wanted in spans)

    def read(self, pixels: Pixels) -> Tensor:
        """Its part of a picture [1, channel, height, width] as float32; integers arrive as [0, 1]."""
        row, column = self.row, self.column
        return to_float(pixels[..., row.start : row.stop, column.start : column.stop])

    def write(self, output: Tensor, result: Pixels) -> None:
        """Put the kept part of float32 [1, channel, height, width] into a picture's place for it."""
        row, column = self.row, self.column
        kept = output[
            ...,
            row.keep_start - row.start : row.keep_stop - row.start,
            column.keep_start - column.start : column.keep_stop - column.start,
        ]
        place = (..., slice(row.keep_start, row.keep_stop), slice(column.keep_start, column.keep_stop))
        result[place] = from_float(kept, result.dtype)


def spans(length: int, tiling: Tiling) -> list[Span]:
    """Cut one axis into overlapping tiles of one length.

    Args:
        length: Pixels along the axis.
        tiling: Size and overlap.

    Returns:
        Tiles in order; the kept parts cover the axis once. As few tiles as the size allows, and all of about
        one length, so that little is computed twice.
    """
    if length <= tiling.size:
        return [Span(0, length, 0, length)]
    inside = length - 2 * tiling.overlap
    count = math.ceil(inside / (tiling.size - 2 * tiling.overlap))
    stride = math.ceil(inside / count / tiling.multiple) * tiling.multiple
    starts = range(0, inside, stride)
    edges = [0, *(start + tiling.overlap for start in starts[1:]), length]
    return [
        Span(start, min(length, start + stride + 2 * tiling.overlap), low, high)
        for start, low, high in zip(starts, edges, edges[1:], strict=False)
    ]


def with_less_memory(work: Callable[[Tiling], Result], tiling: Tiling) -> Result:
    """Do the work, and where memory is short do all of it again with smaller tiles.

    Args:
        work: Takes a tiling.
        tiling: What is tried first.

    Returns:
        What `work` gives.

    Raises:
        MemoryError: The smallest tiles need too much as well.
    """
    smaller: Tiling | None = tiling
    while smaller is not None:
        tiling, smaller = smaller, smaller.halved()
        try:
            return work(tiling)
        except (MemoryError, RuntimeError) as error:  # torch has no class of its own for it on the CPU
            if not is_out_of_memory(error):
                raise
    raise MemoryError(f"tiles of {tiling.size} pixels do not fit into memory")


def is_out_of_memory(error: BaseException) -> bool:
    """True for an error of Python, numpy or torch that means that memory was short."""
    words = str(error).lower()
    short = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(text in words for text in short)


def map_tiles(
    pixels: Pixels,
    function: TileFunction,
    tiling: Tiling,
    on_progress: Callable[[float], None] | None = None,
    region: Region | None = None,
    threads: int = 1,
) -> Pixels:
    """Apply a function to a picture, tile by tile.

    Args:
        pixels: [1, channel, height, width]; uint8, uint16, or floating point on the [0, 1] scale.
        function: Takes and gives float32 [1, channel, height, width]; integers arrive as [0, 1].
        tiling: Size and overlap of the tiles.
        on_progress: Is told the finished share, 0 to 1, after every tile.
        region: Only this part is wanted; None: all of it.
        threads: Threads of the processor for tiles side by side; 1: one after the other.

    Returns:
        A new array of the input's shape and type. Integers are clipped and rounded. Inside `region` it is
        what it is without one, outside it may be the input.
    """
    result, todo = begun(pixels, tiling, region)

    def work(tile: Tile) -> None:
        tile.write(function(tile.read(pixels)), result)

    for number, _ in enumerate(in_parallel(work, todo, threads), start=1):
        if on_progress is not None:
            on_progress(number / len(todo))
    return result


def begun(pixels: Pixels, tiling: Tiling, region: Region | None = None) -> tuple[Pixels, list[Tile]]:
    """The result of a work on tiles before it is done, and the tiles: see `map_tiles`.

    Args:
        pixels: [1, channel, height, width].
        tiling: Size and overlap of the tiles.
        region: Only this part is wanted; None: all of it.

    Returns:
        An array of the input's shape and type, outside `region` the input; and the tiles that are to be done.
    """
    todo, result = list(_tiles(pixels.shape[-2], pixels.shape[-1], tiling)), np.empty_like(pixels)
    if region is None:
        return result, todo
    result[...] = pixels
    return result, [tile for tile in todo if tile.is_kept_from(region)]


def tiles(pixels: Pixels, tiling: Tiling) -> Iterator[Tensor]:
    """The tiles of a picture, to look at; overlaps are seen twice.

    Args:
        pixels: [1, channel, height, width]; integers, or floating point on the [0, 1] scale.
        tiling: Size and overlap of the tiles.

    Yields:
        Float32 [1, channel, height, width]; integers as [0, 1].
    """
    for tile in _tiles(pixels.shape[-2], pixels.shape[-1], tiling):
        yield tile.read(pixels)


def is_clipped(pixels: Pixels) -> bool:
    """True for integers, [1, channel, height, width]: noise in them was clipped to their range."""
    return bool(np.issubdtype(pixels.dtype, np.integer))


def to_float(pixels: Pixels) -> Tensor:
    """Integers to float32 on the [0, 1] scale, [1, channel, height, width]; floating point as it is."""
    floats = pixels.astype(np.float32, copy=True)
    if np.issubdtype(pixels.dtype, np.integer):
        floats *= 1 / np.iinfo(pixels.dtype).max
    return torch.from_numpy(floats)


def from_float(image: Tensor, dtype: np.dtype[Any]) -> Pixels:
    """Float32 [1, channel, height, width] to `dtype`; for integers [0, 1] is clipped and rounded."""
    if np.issubdtype(dtype, np.integer):
        image = image.clamp(0, 1).mul(np.iinfo(dtype).max).round()
    return image.numpy().astype(dtype)


def unused_bits(pixels: Pixels) -> int:
    """Bits by which a picture of 16 bits, [1, channel, height, width], can be shifted up, or 0."""
    if pixels.dtype != np.uint16:
        return 0
    largest = int(pixels.max())
    return 0 if largest >= LOW_RANGE or largest == 0 else 16 - largest.bit_length()


def shifted_back(pixels: Pixels, shift: int) -> Pixels:
    """A picture that was shifted up by so many bits in its own range again, rounded."""
    if not shift:
        return pixels
    half = 1 << (shift - 1)
    return (np.minimum(pixels, (1 << 16) - 1 - half) + half) >> shift


def _tiles(height: int, width: int, tiling: Tiling) -> Iterator[Tile]:
    for row in spans(height, tiling):
        for column in spans(width, tiling):
            yield Tile(row, column)


def in_parallel(function: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """Apply a function to items, several at a time: two threads with a tile each beat two on one tile.

    Args:
        function: What it does to one item must not depend on the others. Where it calls torch, Python's lock
            is free, so that several run side by side.
        items: Worked on in their order.
        threads: Threads in all; 1 is a plain loop.

    Returns:
        The results in the order of the items. Who stops asking, or an item that fails, ends the work once
        what was begun is done.
    """
    workers = min(threads, len(items), MOST)
    if workers < 2:
        return map(function, items)
    return _pooled(function, items, workers, threads // workers)


def _pooled(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, threads: int
) -> Iterator[Result]:
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, "tile", torch.set_num_threads, (threads,))
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)  # the workers' number would be that of every thread to come
