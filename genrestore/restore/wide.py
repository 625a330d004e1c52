"""Wide holes: which of a picture's holes are wide, and how each is filled with texture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrestore.models.pyramid import doubled, fill, halved
from genrestore.restore.components import Components
from genrestore.restore.pieces import Piece, as_tensor, depth, feathered, put
from genrestore.restore.priors.patches import PatchesPrior
from genrestore.restore.problem import Problem, Watch, shares
from genrestore.restore.settings import PatchesSettings
from genrestore.restore.solvers.patch_scale import Sources, whole_patches
from genrestore.restore.tiling import Pixels, Region, Tiling, spans, to_float

SMOOTH = 8
"""Depth in pixels beyond which the mean of what could be there looks smooth beside its surroundings."""
BRIDGED, SEEN = 20, 32
"""Depth in pixels up to which a mean goes on with structure, and pixels around a hole that it looks at."""
NEAR, FAR = 128, 300
"""Pixels around a part of a hole that are looked at: as many as its side there has, within these limits."""
BLOCK = 16
"""Holes within as many pixels of each other, about, are filled together where all are filled with texture."""
PARTS = Tiling(size=1024, overlap=128)
"""Parts of a larger hole, which is filled one by one."""
UNLIKE, FEW = 0.5, 1.0
"""Distance of patches, and share of a hole's pixels around it, from which on what is around is of little use:
more unlike, or fewer."""

Structure = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Hole:
    """A hole, or some that lie together.

    Attributes:
        area: Its rows and columns.
        missing: Which pixels of the area it has, bool.
    """

    area: Region
    missing: Pixels

    @property
    def is_wide(self) -> bool:
        """True where some pixel of it lies deeper than `SMOOTH`."""
        if min(self.missing.shape) <= 2 * SMOOTH:
            return False
        known = np.pad(~self.missing, 1, constant_values=True)
        return bool((depth(as_tensor(known[None, None]), SMOOTH) > SMOOTH).any())

    @property
    def name(self) -> str:
        """Its size and place, as `--box` takes it."""
        rows, columns = self.area
        height, width = rows.stop - rows.start, columns.stop - columns.start
        return f"{columns.start},{rows.start},{width},{height}"

    def beside(self, region: Region) -> Pixels:
        """True for the pixels of a region that are not its own, bool [1, 1, height, width]."""
        found = np.ones([1, 1, *(side.stop - side.start for side in region)], bool)
        places = [
            np.arange(side.start, side.stop) - own.start for side, own in zip(region, self.area, strict=True)
        ]
        inside = [(at >= 0) & (at < length) for at, length in zip(places, self.missing.shape, strict=True)]
        own = (at[here] for at, here in zip(places, inside, strict=True))
        found[0, 0][np.ix_(*inside)] = ~self.missing[np.ix_(*own)]
        return found


def wide_holes(known: Pixels) -> list[Hole]:
    """The holes that are too wide for a mean, of whether a pixel is known, bool [1, 1, height, width]."""
    return [hole for hole in (Hole(*each) for each in Components.of(~known[0, 0])) if hole.is_wide]


def all_holes(known: Pixels) -> list[Hole]:
    """Holes, those together that lie near each other, of bool [1, 1, height, width]."""
    missing: Pixels = np.logical_not(known[0, 0])
    found = list[Hole]()
    padding = [(0, -length % BLOCK) for length in missing.shape]
    rows, columns = (length // BLOCK + bool(length % BLOCK) for length in missing.shape)
    blocks = np.asarray(np.pad(missing, padding).reshape(rows, BLOCK, columns, BLOCK).any((1, 3)))
    for (down, across), own in Components.of(blocks):
        area = slice(down.start * BLOCK, down.stop * BLOCK), slice(across.start * BLOCK, across.stop * BLOCK)
        height, width = missing[area].shape
        hit = np.asarray(own.repeat(BLOCK, 0).repeat(BLOCK, 1)[:height, :width] & missing[area])
        inner = _within(slice(0, None), hit, 1), _within(slice(0, None), hit, 0)
        place = _within(area[0], hit, 1), _within(area[1], hit, 0)
        found.append(Hole(place, hit[inner[0], inner[1]]))
    return found


def _within(side: slice, hit: Pixels, axis: int) -> slice:
    """Extent: from the first to the last place of a side where a mask, bool [height, width], has a pixel."""
    places = np.flatnonzero(hit.any(axis))
    return slice(side.start + int(places[0]), side.start + int(places[-1]) + 1)


def _placed(hole: slice, kept: slice, length: int) -> tuple[slice, slice]:
    """A side of a part of a hole in the picture, of such a length, and with what is looked at around it."""
    start, stop = hole.start + kept.start, hole.start + kept.stop
    margin = min(max(stop - start, NEAR), FAR)
    return slice(start, stop), slice(max(0, start - margin), min(length, stop + margin))


def _seen(known: Tensor) -> tuple[slice, ...]:
    """The missing pixels and `SEEN` around them, of 1 where a pixel is known, [1, 1, height, width]."""
    missing, every = (known[0, 0] == 0).numpy(), slice(None)
    extent = (_within(slice(0, None), missing, axis) for axis in (1, 0))
    return every, every, *(slice(max(0, side.start - SEEN), side.stop + SEEN) for side in extent)


def structure(prior: Any, settings: Any) -> Structure:
    """Structure of a wide hole: the mean that a prior finds where the hole is small enough."""

    def guess(image: Tensor, known: Tensor) -> Tensor:
        sizes = []
        while bool((depth(known, BRIDGED) > BRIDGED).any()) and min(image.shape[-2:]) > 2 * BRIDGED:
            sizes.append(image.shape[-2:])
            image, known = halved(image, known)
        filled, seen = image.clone(), _seen(known)
        filled[seen] = prior.solve(Problem(image[seen], 0.0, known[seen]), settings).image
        for size in reversed(sizes):
            filled = doubled(filled, size)
        return filled

    return guess


@dataclass(frozen=True)
class Texture:
    """Filling with texture of a picture.

    Attributes:
        patches: The prior of its patches.
        known: Whether a pixel is known, bool [1, 1, height, width].
        copyable: Whether it may be copied from, of the same shape; None: where it is known.
        structure: Gives what a hole holds in outline; None: patches alone do.
        feather: Pixels over which the result goes into what the hole held.
    """

    patches: PatchesPrior
    known: Pixels
    copyable: Pixels | None = None
    structure: Structure | None = None
    feather: int = 0

    def parts(self, hole: Hole) -> Iterator[Piece]:
        """A hole in parts of bounded size, in an order in which each sees what is known, or filled before."""
        left, known = list[Piece](), self.known
        height, width = hole.missing.shape
        for row, column in product(spans(height, PARTS), spans(width, PARTS)):
            kept = slice(row.keep_start, row.keep_stop), slice(column.keep_start, column.keep_stop)
            if hole.missing[kept].any():
                fill, read = zip(*map(_placed, hole.area, kept, known.shape[-2:]), strict=True)
                left.append(Piece(read, fill))
        if len(left) > 1:
            known = known.copy()
        while left:
            one = next((one for one in left if known[(..., *one.read)].any()), left[0])
            left.remove(one)
            yield one
            if left:
                known[(..., *one.fill)] = True

    def has_sources(self, hole: Hole) -> bool:
        """True where there is a patch to copy for each part of a hole, within what is looked at around it."""
        known = ((..., *piece.read) for piece in self.parts(hole))
        return all(bool(whole_patches(as_tensor(self.known[here])).any()) for here in known)

    def fill(self, hole: Hole, result: Pixels, so_far: Pixels, watch: Watch) -> str | None:
        """Fill a hole of a picture, [1, channel, height, width]; it is known from now on.

        Args:
            hole: The hole.
            result: The picture, which is changed.
            so_far: Whether a pixel is known or filled already, bool [1, 1, height, width]; is changed too.
            watch: Is told the finished share.

        Returns:
            A note where it cannot be filled well.

        Raises:
            InputError: There is nothing to copy from.
        """
        poor, parts = False, list(self.parts(hole))
        whole = _whole(hole.area, result.shape[-2:], self.feather)
        held = to_float(result[(..., *whole.read)]) if self.feather else None
        for piece, tell in zip(parts, shares(watch.progress, [one.area for one in parts]), strict=True):
            here = (..., *piece.read)
            image, there = to_float(result[here]), as_tensor(so_far[here])
            if bool((there == 0).any()):
                image = torch.where(there > 0, image, fill(image, there))
            known = as_tensor(hole.beside(piece.read) | so_far[here])
            start = None if self.structure is None else self.structure(image, known)
            sources = self._sources(piece, result, image)
            problem = Problem(image, 0.0, known, sources=sources, start=start)
            solution = self.patches.solve(problem, PatchesSettings(), replace(watch, progress=tell))
            assert solution.distance is not None
            missing = float((known == 0).sum())
            poor |= float(solution.distance) > UNLIKE or sources.count < FEW * missing
            own = ~hole.beside(piece.fill)
            put(solution.image, result, own, piece)
            so_far[(..., *piece.fill)] |= own
        if held is not None:
            filled, others = to_float(result[(..., *whole.read)]), as_tensor(hole.beside(whole.read))
            put(feathered(held, filled, others, self.feather), result, ~hole.beside(hole.area), whole)
        if not poor:
            return None
        return f"the hole {hole.name} has little around it that is alike: look at it closely"

    def _sources(self, piece: Piece, result: Pixels, image: Tensor) -> Sources:
        """Source of a piece: pixels around it, or as near to it as may be copied from.

        What may not be copied is smooth there: the gradients beside it are copied too.
        """
        if self.copyable is None:
            return Sources(image, self._usable(piece.read))
        read = self._nearest(piece.read)
        image, usable = to_float(result[(..., *read)]), self._usable(read)
        return Sources(torch.where(usable > 0, image, fill(image, usable)), usable)

    def _usable(self, region: Region) -> Tensor:
        """1 where a pixel of a region may be copied, [1, 1, height, width]."""
        here = (..., *region)
        return as_tensor(self.known[here] & (True if self.copyable is None else self.copyable[here]))

    def _nearest(self, read: Region) -> Region:
        """Rows and columns of the size of `read`, moved and cut to where there is a patch to copy."""
        assert self.copyable is not None
        sides = [np.flatnonzero(self.copyable[0, 0].any(1 - axis)) for axis in (0, 1)]
        allowed = [slice(int(hit[0]), int(hit[-1]) + 1) for hit in sides]
        region = _moved(read, allowed)
        if bool(whole_patches(self._usable(region)).any()):
            return region
        rows, columns = whole_patches(self._usable((slice(None), slice(None))))[0, 0].nonzero(as_tuple=True)
        if not len(rows):
            return region
        down, across = ((side.start + side.stop) // 2 for side in read)
        nearest = int(((rows - down).square() + (columns - across).square()).argmin())
        middle = int(rows[nearest]), int(columns[nearest])
        sizes = [side.stop - side.start for side in read]
        around = [
            slice(at - size // 2, at - size // 2 + size) for at, size in zip(middle, sizes, strict=True)
        ]
        return _moved((around[0], around[1]), allowed)


def _moved(region: Region, allowed: Sequence[slice]) -> Region:
    """A region moved into another, and cut to it where it is larger."""
    found = []
    for side, most in zip(region, allowed, strict=True):
        size = min(most.stop - most.start, side.stop - side.start)
        start = min(max(side.start, most.start), most.stop - size)
        found.append(slice(start, start + size))
    return found[0], found[1]


def _whole(area: Region, shape: Sequence[int], feather: int) -> Piece:
    """A hole as one piece, with what its feather looks at around it."""
    rows, columns = (
        slice(max(0, side.start - feather), min(length, side.stop + feather))
        for side, length in zip(area, shape, strict=True)
    )
    return Piece((rows, columns), area)
