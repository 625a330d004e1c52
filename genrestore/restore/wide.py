"""Wide holes: which of a picture's holes are wide, and how each is filled with texture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrestore.models.pyramid import doubled, fill, halved
from genrestore.restore.components import Components
from genrestore.restore.pieces import Piece, as_tensor, depth, feathered, put
from genrestore.restore.priors.patches import PatchesPrior
from genrestore.restore.problem import Problem, Watch
from genrestore.restore.settings import PatchesSettings
from genrestore.restore.solvers.patch_scale import Sources, whole_patches
from genrestore.restore.tiling import Pixels, Region, Tiling, spans, to_float

SMOOTH = 8
"""Depth in pixels beyond which the mean of what could be there looks smooth beside its surroundings."""
BRIDGED, SEEN = 20, 32
"""Depth in pixels up to which a mean goes on with structure, and pixels around a hole that it looks at."""
NEAR, FAR = 128, 300
"""Pixels around a hole that are looked at: as many as its longer side has, within these limits."""
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

    def parts(self, hole: Hole) -> Iterator[tuple[Piece, Pixels]]:
        """A hole in parts of bounded size, with the pixels of the picture that are not its own."""
        rest = np.ones_like(self.known)
        rest[(..., *hole.area)] = ~hole.missing
        height, width = hole.missing.shape
        for row, column in product(spans(height, PARTS), spans(width, PARTS)):
            kept = slice(row.keep_start, row.keep_stop), slice(column.keep_start, column.keep_stop)
            if hole.missing[kept].any():
                fill, read = zip(*map(_placed, hole.area, kept, rest.shape[-2:]), strict=True)
                yield Piece(read, fill), rest

    def has_sources(self, hole: Hole) -> bool:
        """True where there is a patch to copy for each part of a hole, within what is looked at around it."""
        known = ((..., *piece.read) for piece, _ in self.parts(hole))
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
        poor = False
        for piece, rest in self.parts(hole):
            here = (..., *piece.read)
            image, there = to_float(result[here]), as_tensor(so_far[here])
            if bool((there == 0).any()):
                image = torch.where(there > 0, image, fill(image, there))
            known = as_tensor(rest[here] | so_far[here])
            start = None if self.structure is None else self.structure(image, known)
            sources = self._sources(piece, result, image)
            problem = Problem(image, 0.0, known, sources=sources, start=start)
            solution = self.patches.solve(problem, PatchesSettings(), watch)
            assert solution.distance is not None
            missing = float((known == 0).sum())
            poor |= float(solution.distance) > UNLIKE or sources.count < FEW * missing
            blended = feathered(to_float(result[here]), solution.image, known, self.feather)
            so_far[(..., *piece.fill)] |= ~rest[(..., *piece.fill)]
            put(blended, result, rest.copy(), piece)
        if not poor:
            return None
        return f"the hole {hole.name} has little around it that is alike: look at it closely"

    def _sources(self, piece: Piece, result: Pixels, image: Tensor) -> Sources:
        """Source of a piece: pixels around it, or as near to it as may be copied from."""
        read = piece.read
        if self.copyable is not None:
            read = self._nearest(read)
        here = (..., *read)
        usable = as_tensor(self.known[here] & (True if self.copyable is None else self.copyable[here]))
        if read == piece.read:
            return Sources(image, usable)
        image, known = to_float(result[here]), as_tensor(self.known[here])
        return Sources(torch.where(known > 0, image, fill(image, known)), usable)

    def _nearest(self, read: Region) -> Region:
        """Rows and columns of the size of `read`, moved and cut to where may be copied from."""
        assert self.copyable is not None
        found = []
        for axis, side in enumerate(read):
            hit = np.flatnonzero(self.copyable[0, 0].any(1 - axis))
            low, high = int(hit[0]), int(hit[-1]) + 1
            size = min(high - low, side.stop - side.start)
            start = min(max(side.start, low), high - size)
            found.append(slice(start, start + size))
        return found[0], found[1]
