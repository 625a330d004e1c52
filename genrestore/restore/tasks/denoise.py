"""Denoise: one pass of a denoiser is already the estimate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from genrestore.errors import UsageError
from genrestore.restore import arrays
from genrestore.restore.noise_level import NoiseProfile, profile
from genrestore.restore.priors import load_denoiser
from genrestore.restore.priors.denoiser import DenoiserPrior
from genrestore.restore.priors.unet import as_given
from genrestore.restore.provenance import describe_denoising
from genrestore.restore.settings import DenoiseSettings
from genrestore.restore.tasks.denoise_one_class import DenoiseOneClass
from genrestore.restore.tasks.one_class import is_of_one_class
from genrestore.restore.tasks.restored import OVERFLOWED, Figure, Restored
from genrestore.restore.tiling import Pixels, Region, Tiling, map_tiles, with_less_memory
from genrestore.restore.turns import COUNTS
from genrestore.runtime import Runtime
from genrestore.weights import store
from genrestore.weights.header import read_header

SMALL = 1 << 20
"""A picture is turned in as many ways as together have no more pixels than this: what one megapixel takes is
hardly waited for. Two ways gain 0.1 dB, four 0.15 dB and all eight 0.17 dB in white noise; half of it in a
camera's."""

LITTLE_NOISE = 1.0 / 255
"""Below one grey level a picture counts as clean, and the user is told so."""

FEW = 8
"""A picture of no more values than this is a dither or a drawing, and no photograph."""

BT601 = (0.299, 0.587, 0.114)
"""Shares of R, G and B in luma, ITU-R BT.601."""

LOW_RANGE = 1 << 13
"""Pictures of 16 bits without a value from here on are those of a sensor of few bits: they are restored as if
they used the whole range."""

Image = TypeVar("Image")


class Denoise:
    """Remove noise with the denoiser of a weights file.

    Args:
        weights: A name in the store or a path.
        settings: What is asked for.
        runtime: Device, precision and seed; None settles them for this machine.
        tiling: How large pictures are cut.
        region: Rows and columns: only this part of each picture is wanted, and the rest may stay as it is.
            The noise is estimated from the whole, so that the part is what it is in the whole.

    Raises:
        WeightsError: The weights are missing, or their header cannot be read.
    """

    def __init__(
        self,
        weights: str = "photo",
        settings: DenoiseSettings | None = None,
        *,
        runtime: Runtime | None = None,
        tiling: Tiling | None = None,
        region: Region | None = None,
    ) -> None:
        self._path = store.resolve(weights)
        self._header = read_header(self._path)
        self.settings = settings or DenoiseSettings()
        self._given_runtime = runtime
        self._tiling = tiling or Tiling()
        self._region = region

    @cached_property
    def prior(self) -> DenoiserPrior:
        """The prior, loaded when it is first needed."""
        return load_denoiser(str(self._path), self._given_runtime)

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the result: weights, options and seed, as JSON values."""
        return describe_denoising(self._path, self._header, self.settings)

    def __call__(self, pixels: Pixels, on_progress: Callable[[float], None] | None = None) -> Restored:
        """Denoise one picture.

        Args:
            pixels: [1, channel, height, width], grey or RGB; uint8, uint16, or floating point on the
                [0, 1] scale (noise beyond it is welcome).
            on_progress: Is told the finished share, 0 to 1.

        Returns:
            The restored picture, of the same shape and type.
        """
        (restored,) = self.at_levels(pixels, (1.0,), on_progress)
        return restored

    def at_levels(
        self,
        pixels: Pixels,
        factors: Sequence[float],
        on_progress: Callable[[float], None] | None = None,
    ) -> Iterator[Restored]:
        """Denoise one picture at several noise levels.

        Args:
            pixels: As `__call__` takes them.
            factors: How many times the level that is given or estimated.
            on_progress: Is told the finished share of all, 0 to 1.

        Yields:
            A restored picture a factor.
        """
        settings = self.settings
        if settings.changes_nothing:
            yield from (Restored(pixels.copy(), settings.noise_level) for _ in factors)
            return
        shift = _unused_bits(pixels)
        shifted, gain = (pixels << shift, 1 << shift) if shift else (pixels, 1)
        told, before = settings.noise_level, self.prior.overflows
        noise = self.noise(shifted) if told is None else NoiseProfile.even(min(told * gain, 1.0))
        notes = self._notes(pixels, noise, gain)
        for index, factor in enumerate(factors):
            progress = None
            if on_progress is not None:
                progress = partial(_share, on_progress, index, len(factors))
            level = noise.times(factor * (1.0 if told is not None else settings.noise_factor))
            result = with_less_memory(partial(self._restore, shifted, level, progress), self._tiling)
            if shift:
                half = 1 << (shift - 1)
                result = (np.minimum(result, (1 << 16) - 1 - half) + half) >> shift
            overflowed = (OVERFLOWED,) if self.prior.overflows > before else ()
            figures: dict[str, Figure] = {
                "sigma_luma": level.luma / gain,
                "sigma_chroma": level.chroma / gain,
            }
            yield Restored(result, level.overall / gain, (*notes, *overflowed), figures=figures)

    def noise(self, pixels: Pixels) -> NoiseProfile:
        """The noise level function of a picture, as it is estimated where no level is given.

        Args:
            pixels: As they are denoised.
        """
        return with_less_memory(partial(profile, pixels, self.prior), self._tiling)

    def _notes(self, pixels: Pixels, noise: NoiseProfile, gain: int) -> list[str]:
        settings, notes = self.settings, []
        if settings.noise_level is None and noise.overall / gain < LITTLE_NOISE:
            notes.append("little noise found")
        elif settings.noise_level is None and (values := few_values(pixels)):
            notes.append(f"it has only {values} values, and their pattern looks like noise")
        if pixels.shape[1] == 1 and settings.chroma != 1:
            notes.append("a grey picture has no colour noise: --chroma does nothing")
        if self.prior.levels == 1 and (settings.luma, settings.chroma) != (1, 1):
            notes.append("these weights know one noise level: --luma and --chroma act on the result")
        return notes

    def _restore(
        self,
        pixels: Pixels,
        noise: NoiseProfile,
        on_progress: Callable[[float], None] | None,
        tiling: Tiling,
    ) -> Pixels:
        turns = self.settings.turns or usual_turns(pixels.shape[-2] * pixels.shape[-1])
        bounded = np.issubdtype(pixels.dtype, np.integer)

        def tile(damaged: Tensor) -> Tensor:
            colour = damaged.expand(-1, 3, -1, -1)
            restored = as_given(self.prior.denoise_turned(colour, noise.level(colour), turns), damaged)
            return self._mixed(damaged, restored, bounded=bounded)

        return map_tiles(pixels, tile, tiling, on_progress, self._region, self.prior.runtime.workers)

    def _mixed(self, damaged: Tensor, restored: Tensor, *, bounded: bool) -> Tensor:
        """As much of the restoration as is asked for, of luma and of chroma; [1, 1 or 3, height, width]."""
        settings = self.settings
        if damaged.shape[1] == 1 or settings.luma == settings.chroma:
            share = settings.strength * settings.luma
        else:
            luma, chroma = settings.strength * settings.luma, settings.strength * settings.chroma
            return mix_luma_chroma(damaged, restored, luma, chroma, bounded=bounded)
        return torch.lerp(damaged, restored, share) if share < 1 else restored


def usual_turns(pixels: int) -> int:
    """The usual number of turns of a picture of so many pixels, height times width: 1, 2, 4 or 8."""
    return max(count for count in COUNTS if count == 1 or count * pixels <= SMALL)


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


def _share(on_progress: Callable[[float], None], index: int, count: int, fraction: float) -> None:
    on_progress((index + fraction) / count)


def few_values(pixels: Pixels) -> int | None:
    """How many values a picture of integers has, if they are several and so few that it is a dither."""
    if not np.issubdtype(pixels.dtype, np.integer):
        return None
    found = np.unique(pixels[..., : 1 << 9, : 1 << 9])
    if not 1 < found.size <= FEW or np.setdiff1d(pixels, found, assume_unique=False).size:
        return None
    return int(found.size)


def _unused_bits(pixels: Pixels) -> int:
    """By how many bits a picture of 16 bits can be shifted up, where it uses few of them."""
    if pixels.dtype != np.uint16:
        return 0
    largest = int(pixels.max())
    return 0 if largest >= LOW_RANGE or largest == 0 else 16 - largest.bit_length()


def denoise(
    image: Image,
    *,
    noise_level: float | None = None,
    strength: float = 1.0,
    luma: float = 1.0,
    chroma: float = 1.0,
    noise_factor: float = 1.0,
    turns: int | None = None,
    weights: str = "photo",
    runtime: Runtime | None = None,
) -> Image:
    """Remove noise from a picture: what `genrestore denoise` does, from Python.

    Args:
        image: A Pillow image (L, RGB or I;16), a numpy array [height, width] or [height, width, channel],
            or a torch tensor [channel, height, width] or [batch, channel, height, width]. Integers (8 or 16
            bits) use their whole range; floating point is on the [0, 1] scale, and may leave it.
        noise_level: σ on the [0, 1] scale (grey levels / 255); None estimates it.
        strength: Result = input + strength · (denoised − input), 0 to 1.
        luma: The share of the change of brightness that is made, 0 to 1; 0 takes away colour noise only.
        chroma: The share of the change of colour that is made, 0 to 1.
        noise_factor: Where the noise level is estimated, take this many times the estimate.
        turns: The mean of so many estimates, of the picture turned and mirrored, 1, 2, 4 or 8; None lets its
            size decide. For weights of one class it must be None.
        weights: A name in the store or a path.
        runtime: Device, precision and seed; None settles them for this machine.

    Returns:
        The restored picture, of the type and shape given.

    Raises:
        UsageError: A value out of its range, or an image of another kind.
        WeightsError: The weights are missing or corrupted.
        DeviceError: The runtime's device is not available.
    """
    settings = DenoiseSettings(noise_level, noise_factor, strength, luma, chroma, turns)
    if not is_of_one_class(weights):
        task = Denoise(weights, settings, runtime=runtime)
        return arrays.apply(image, lambda pixels: task(pixels).pixels)
    if settings != DenoiseSettings(noise_level, strength=strength):
        raise UsageError(
            f"weights '{weights}' restore whole pictures of one class: leave out luma, chroma, noise_factor "
            "and turns"
        )
    one = DenoiseOneClass(weights, noise_level=noise_level, strength=strength, runtime=runtime)
    return arrays.apply(image, lambda pixels: one(pixels).pixels)
