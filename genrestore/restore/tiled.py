"""Restoration of pictures of any size: in tiles for noise, in pieces around the holes for missing pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrestore.restore.noise import NoiseProfile, few_values, stuck_share
from genrestore.restore.pieces import as_tensor, feathered, pieces, put
from genrestore.restore.prior import Prior
from genrestore.restore.priors.patches import PatchesPrior
from genrestore.restore.problem import (
    UNWATCHED,
    NoiseLevel,
    OnProgress,
    Operator,
    Problem,
    Trace,
    Watch,
    shares,
)
from genrestore.restore.task import Figure, Given, Request, Restored, Task
from genrestore.restore.tiling import (
    Pixels,
    Region,
    Tile,
    Tiling,
    begun,
    in_parallel,
    is_clipped,
    map_tiles,
    shifted_back,
    tiles,
    to_float,
    unused_bits,
    with_less_memory,
)
from genrestore.restore.wide import Hole, Texture, all_holes, structure, wide_holes

BT601 = (0.299, 0.587, 0.114)
"""Shares of R, G and B in luma, ITU-R BT.601."""
LITTLE_NOISE = 1.0 / 255
"""Below one grey level a picture counts as clean, and the user is told so."""
MANY_STUCK = 0.005
"""Share of stuck values from which on a denoiser leaves many, twice what sharp pictures without any show."""
DENOISED_TOO = "known pixels were denoised too"
OVERFLOWED = "half precision overflowed, and was done again in float32"
ONLY_WIDE = "where to copy from counts for wide holes alone: --fill texture copies into all of them"
NO_TEXTURE = (
    "filled with a mean where too little is known around a hole to copy texture from: look at it closely"
)


def mixed(damaged: Tensor, restored: Tensor, request: Request, *, bounded: bool) -> Tensor:
    """Blend: as much of the restoration as is asked for, of luma and of chroma.

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


@dataclass(frozen=True)
class Tiled:
    """A prior of pictures of any size at work; see `pictures.Restore` for the attributes."""

    task: Task
    prior: Prior[Any]
    tiling: Tiling | None
    region: Region | None
    trace: Trace | None
    estimate: Callable[[float], None]
    operator: Callable[[Given], Operator]

    def at_levels(
        self, picture: Given, factors: Sequence[float], on_progress: OnProgress
    ) -> Iterator[Restored]:
        """Remove the noise of one picture at several noise levels; see `pictures.Restore.at_levels`."""
        request, prior, operator = self.task.request, self.prior, self.operator(picture)
        before, shift = prior.overflows, unused_bits(picture.pixels)
        pixels, gain = (picture.pixels << shift, 1 << shift) if shift else (picture.pixels, 1)
        given, tiling = request.noise_level, self.tiling or prior.tilings[0]
        pixels, tiling = operator.lying(pixels), tiling.aligned(operator.multiple)
        noise = NoiseProfile.even(min(given * gain, 1.0)) if given else self.noise(pixels, tiling)
        notes = self._notes(picture.pixels, noise, gain)
        for factor, tell in zip(factors, shares(on_progress, [1.0] * len(factors)), strict=True):
            level = noise and noise.times(factor * (1.0 if given else request.noise_factor))
            work = partial(self._tiles, picture, pixels, level, operator, tell)
            result = shifted_back(operator.upright(with_less_memory(work, tiling)), shift)
            remarks = (*notes, *((OVERFLOWED,) if prior.overflows > before else ()))
            if level is None:
                yield Restored(pixels=result, notes=remarks)
                continue
            figures: dict[str, Figure] = {
                "sigma_luma": level.luma / gain,
                "sigma_chroma": level.chroma / gain,
            }
            yield Restored(noise_level=level.overall / gain, notes=remarks, figures=figures, pixels=result)

    def filled(self, picture: Given, known: Pixels, on_progress: OnProgress) -> Restored:
        """Fill the holes of one picture, and with a noise level denoise its known pixels.

        Args:
            picture: The picture.
            known: Whether a pixel is known, bool [1, 1, height, width].
            on_progress: Is told the finished share, 0 to 1.
        """
        prior, given = self.prior, self.task.request.noise_level or 0.0
        before, tiling = prior.overflows, self.tiling or prior.tilings[1]
        shift = unused_bits(picture.pixels)
        pixels, level = picture.pixels << shift if shift else picture.pixels, min(given * (1 << shift), 1.0)
        texture = self._texture(picture, known)
        wide, remarks = self._with_texture(texture)
        narrow = known.copy()
        for hole in wide:
            narrow[(..., *hole.area)] |= hole.missing
        first, second = shares(on_progress, [float(not narrow.all()), 2.0 * len(wide)])
        work = partial(self._pieces, picture, pixels, level, known, narrow, first)
        result = with_less_memory(work, tiling)
        remarks += self._textured(texture, known | ~narrow, result, wide, second)
        if level > 0:  # texture is as noisy as what it was copied from
            result = self._denoised_too(result, level, narrow, tiling)
        notes = {
            DENOISED_TOO: level > 0,
            OVERFLOWED: prior.overflows > before,
            ONLY_WIDE: picture.copyable is not None and not narrow.all(),
        }
        remarks += [note for note, is_so in notes.items() if is_so]
        return Restored(noise_level=given or None, notes=tuple(remarks), pixels=shifted_back(result, shift))

    def noise(self, pixels: Pixels, tiling: Tiling) -> NoiseProfile | None:
        """The noise level function of a picture [1, channel, height, width]; None: the prior needs none."""

        def estimate(tiling: Tiling) -> NoiseLevel | None:
            clipped = is_clipped(pixels)
            return self.prior.noise_level(Problem(tile, clipped=clipped) for tile in tiles(pixels, tiling))

        found = with_less_memory(estimate, tiling)
        return NoiseProfile.even(found) if isinstance(found, float) else found

    def _tiles(
        self,
        picture: Given,
        pixels: Pixels,
        noise: NoiseLevel | None,
        operator: Operator,
        on_progress: OnProgress,
        tiling: Tiling,
    ) -> Pixels:
        """Pixels [1, channel, height, width] without their noise, tile by tile."""
        clipped, area = is_clipped(pixels), pixels.shape[-2] * pixels.shape[-1]
        workers = self.prior.workers
        result, todo = begun(pixels, tiling, self.region)
        sizes = [tile.area for tile in todo]
        watches = self._watches(picture, sizes, on_progress)

        def restore(tile: Tile) -> None:
            watch = next(watches) if workers == 1 else UNWATCHED  # side by side they have no order
            damaged = tile.read(pixels)
            problem = Problem(damaged, noise, clipped=clipped, operator=operator, area=area)
            estimate = self.prior.solve(problem, self.task.settings, watch).image
            tile.write(mixed(damaged, estimate, self.task.request, bounded=clipped), result)

        for tell, _ in zip(shares(on_progress, sizes), in_parallel(restore, todo, workers), strict=True):
            tell(1.0)
        return result

    def _texture(self, picture: Given, known: Pixels) -> Texture:
        """Filling with texture of a picture, of whether a pixel is known, bool [1, 1, height, width]."""
        alone = self.task.kind == "patches"
        outline = None if alone else structure(self.prior, self.task.settings)
        patches = PatchesPrior(None, self.prior.runtime)
        return Texture(patches, known, picture.copyable, outline, self.task.request.feather)

    def _with_texture(self, texture: Texture) -> tuple[list[Hole], list[str]]:
        """The holes that are filled with texture, and notes on those that are wide and are not."""
        if self.task.request.fill == "texture":
            return all_holes(texture.known), []
        wide = wide_holes(texture.known) if self.task.request.fill == "auto" else []
        if texture.copyable is not None:  # where nothing is left of what was asked for, that is an error
            return wide, []
        found = [hole for hole in wide if texture.has_sources(hole)]
        return found, [] if len(found) == len(wide) else [NO_TEXTURE]

    def _textured(
        self, texture: Texture, so_far: Pixels, result: Pixels, holes: list[Hole], tell: OnProgress
    ) -> Iterator[str]:
        """Fill holes of a picture [1, channel, height, width] with texture; gives notes on it.

        Which pixels are known so far is bool [1, 1, height, width], and is changed.
        """
        for hole, tell_share in zip(holes, shares(tell, [hole.missing.size for hole in holes]), strict=True):
            note = texture.fill(hole, result, so_far, Watch(tell_share))
            if note is not None:
                yield note
        if holes and self.task.request.fill == "auto":
            yield f"filled with texture, as wider than a mean is good for: {len(holes)}"

    def _pieces(
        self,
        picture: Given,
        pixels: Pixels,
        level: float,
        known: Pixels,
        narrow: Pixels,
        on_progress: OnProgress,
        tiling: Tiling,
    ) -> Pixels:
        """Pixels [1, channel, height, width] with their holes filled; a filled piece is known to the next.

        Where `narrow` is True, of the shape of `known`, is no hole, or one that is filled otherwise.
        """
        request = self.task.request
        result, so_far = pixels.copy(order="K"), known.copy()  # K: the layout that needs no copy
        todo = list(pieces(narrow, tiling))
        watches = self._watches(picture, [piece.cost for piece in todo], on_progress)
        for piece, watch in zip(todo, watches, strict=True):
            image, there = to_float(result[(..., *piece.read)]), as_tensor(so_far[(..., *piece.read)])
            problem = Problem(image, level, there, is_clipped(result))
            filled = self.prior.solve(problem, self.task.settings, watch).image
            before, missing = as_tensor(known[(..., *piece.read)]), ~narrow[(..., *piece.fill)]
            put(feathered(image, filled, before, request.feather), result, missing, piece)
            so_far[(..., *piece.fill)] |= missing
        return result

    def _denoised_too(self, filled: Pixels, level: float, known: Pixels, tiling: Tiling) -> Pixels:
        """The picture with its known pixels denoised, [1, channel, height, width].

        Filled pixels have no noise, and would look like another picture to the prior; so they are given the
        same noise first, and put back afterwards.
        """
        prior = self.prior
        noise = np.random.default_rng(prior.runtime.seed).standard_normal(filled.shape, np.float32)
        scale = np.iinfo(filled.dtype).max if is_clipped(filled) else 1
        noisy = filled + noise * np.float32(level * scale)
        if scale != 1:
            noisy = noisy.round().clip(0, scale)
        noisy = np.where(known, filled, noisy.astype(filled.dtype))

        def tile(damaged: Tensor) -> Tensor:
            return prior.solve(Problem(damaged, level), self.task.settings).image

        work = partial(map_tiles, noisy, tile, threads=prior.workers)
        return np.where(known, with_less_memory(work, tiling), filled)

    def _watches(self, picture: Given, sizes: Sequence[int], on_progress: OnProgress) -> Iterator[Watch]:
        """A watch for the search of each tile or piece of a picture, that takes as long as its size says."""
        trace, whole = self.trace, sum(sizes)
        for number, tell in enumerate(shares(on_progress, sizes)):
            step = None if trace is None else partial(trace.step, picture, number)
            if number == 0:  # tells for all of them
                yield Watch(tell, step, lambda seconds: self.estimate(seconds * whole / sizes[0]))
            else:
                yield Watch(tell, step)

    def _notes(self, pixels: Pixels, noise: NoiseProfile | None, gain: int) -> list[str]:
        """Remarks on a picture [1, channel, height, width] and its noise level."""
        request, notes = self.task.request, []
        level = noise.overall if noise else 0.0
        values = few_values(pixels)
        if noise and request.noise_level is None and level < LITTLE_NOISE:
            notes.append("little noise found")
        elif noise and request.noise_level is None and values:
            notes.append(f"it has only {values} values, and their pattern looks like noise")
        if not values and (stuck := stuck_share(pixels, level, gain)) > MANY_STUCK:
            notes.append(
                f"{100 * stuck:.2g} % of its pixels are stuck at black or white: "
                "a denoiser leaves many; mask them and use genrestore inpaint"
            )
        if pixels.shape[1] == 1 and request.chroma != 1:
            notes.append("a grey picture has no colour noise: chroma does nothing")
        tiling = self.tiling or self.prior.tilings[0]
        if self.prior.whole and max(pixels.shape[-2:]) > tiling.size:
            notes.append(
                "these weights look at a picture as a whole, for which memory is short: restored in parts"
            )
        if self.prior.levels == 1 and (request.luma, request.chroma) != (1, 1):
            notes.append("these weights know one noise level: luma and chroma act on the result")
        return notes
