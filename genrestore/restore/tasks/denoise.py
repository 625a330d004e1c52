"""Denoise: one pass of a denoiser is already the estimate."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from genrestore.errors import UsageError
from genrestore.restore import arrays
from genrestore.restore.noise_level import NoiseProfile, profile
from genrestore.restore.priors import load_denoiser
from genrestore.restore.priors.denoiser import DenoiserPrior
from genrestore.restore.priors.unet import as_given
from genrestore.restore.provenance import describe_denoising
from genrestore.restore.tasks.denoise_one_class import DenoiseOneClass
from genrestore.restore.tasks.one_class import is_of_one_class
from genrestore.restore.tasks.restored import OVERFLOWED, Restored, check_noise_level
from genrestore.restore.tiling import Pixels, Region, Tiling, map_tiles, with_less_memory
from genrestore.restore.turns import COUNTS
from genrestore.runtime import Runtime
from genrestore.weights import store
from genrestore.weights.header import read_header

SMALL = 1 << 20
"""A picture is turned in as many ways as together have no more pixels than this: what one megapixel takes is
hardly waited for. Two ways gain 0.1 dB, four 0.15 dB and all eight 0.17 dB in white noise; half of it in a
camera's."""

STRONG_NOISE = 20.0 / 255
"""From here on a picture of any size is turned in two ways at least."""

LITTLE_NOISE = 1.0 / 255
"""Below one grey level a picture counts as clean, and the user is told so."""

Image = TypeVar("Image")


class Denoise:
    """Remove noise with the denoiser of a weights file.

    Args:
        weights: A name in the store or a path.
        noise_level: σ on the [0, 1] scale; None estimates it from each picture.
        strength: Result = input + strength · (denoised − input), 0 to 1.
        runtime: Device, precision and seed; None settles them for this machine.
        tiling: How large pictures are cut.
        turns: In how many ways each picture is turned and mirrored, 1, 2, 4 or 8, for a mean of as many
            estimates; None lets its size and the noise decide.
        region: Rows and columns: only this part of each picture is wanted, and the rest may stay as it is.
            The noise is estimated from the whole, so that the part is what it is in the whole.

    Raises:
        UsageError: A value out of its range.
        WeightsError: The weights are missing, or their header cannot be read.
    """

    def __init__(
        self,
        weights: str = "photo",
        *,
        noise_level: float | None = None,
        strength: float = 1.0,
        runtime: Runtime | None = None,
        tiling: Tiling | None = None,
        turns: int | None = None,
        region: Region | None = None,
    ) -> None:
        check_noise_level(noise_level)
        if turns not in (None, *COUNTS):
            raise UsageError(f"turns {turns}: must be 1, 2, 4 or 8")
        if not 0 <= strength <= 1:
            raise UsageError(f"strength {strength}: must be between 0 and 1")
        self._path = store.resolve(weights)
        self._header = read_header(self._path)
        self._noise_level = noise_level
        self._strength = strength
        self._given_runtime = runtime
        self._tiling = tiling or Tiling()
        self._turns = turns
        self._region = region

    @cached_property
    def prior(self) -> DenoiserPrior:
        """The prior, loaded when it is first needed."""
        return load_denoiser(str(self._path), self._given_runtime)

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the result: weights, options and seed, as JSON values."""
        return describe_denoising(self._path, self._header, self._noise_level, self._strength, self._turns)

    def __call__(self, pixels: Pixels, on_progress: Callable[[float], None] | None = None) -> Restored:
        """Denoise one picture.

        Args:
            pixels: [1, channel, height, width], grey or RGB; uint8, uint16, or floating point on the
                [0, 1] scale (noise beyond it is welcome).
            on_progress: Is told the finished share, 0 to 1.

        Returns:
            The restored picture, of the same shape and type.
        """
        if self._noise_level == 0 or self._strength == 0:
            return Restored(pixels.copy(), self._noise_level)
        before = self.prior.overflows
        noise = None
        if self._noise_level is None:
            noise = with_less_memory(partial(profile, pixels, self.prior), self._tiling)
        work = partial(self._restore, pixels, noise, on_progress)
        result = with_less_memory(work, self._tiling)
        notes = []
        if noise is not None and noise.overall < LITTLE_NOISE:
            notes.append("little noise found")
        if self.prior.overflows > before:
            notes.append(OVERFLOWED)
        return Restored(result, self._noise_level if noise is None else noise.overall, tuple(notes))

    def _restore(
        self,
        pixels: Pixels,
        noise: NoiseProfile | None,
        on_progress: Callable[[float], None] | None,
        tiling: Tiling,
    ) -> Pixels:
        overall = self._noise_level if noise is None else noise.overall
        height, width = pixels.shape[-2:]
        turns = usual_turns(height * width, overall or 0.0) if self._turns is None else self._turns
        tile = partial(self._restore_tile, noise, turns)
        return map_tiles(pixels, tile, tiling, on_progress, self._region, self.prior.runtime.workers)

    def _restore_tile(self, noise: NoiseProfile | None, turns: int, tile: Tensor) -> Tensor:
        """[1, 1 or 3, height, width] to the same, about [0, 1]."""
        colour = tile.expand(-1, 3, -1, -1)
        level = torch.tensor(self._noise_level) if noise is None else noise.level(colour)
        restored = as_given(self.prior.denoise_turned(colour, level, turns), tile)
        return torch.lerp(tile, restored, self._strength) if self._strength < 1 else restored


def usual_turns(pixels: int, noise_level: float) -> int:
    """In how many ways a picture of so many pixels is turned, if nobody says, 1, 2, 4 or 8.

    Args:
        pixels: Height times width.
        noise_level: σ on the [0, 1] scale.
    """
    least = 2 if noise_level >= STRONG_NOISE else 1
    return max(least, *(count for count in COUNTS if count == 1 or count * pixels <= SMALL))


def denoise(
    image: Image,
    *,
    noise_level: float | None = None,
    strength: float = 1.0,
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
        turns: The mean of so many estimates, of the picture turned and mirrored, 1, 2, 4 or 8; None lets its
            size and the noise decide. For weights of one class it must be None.
        weights: A name in the store or a path.
        runtime: Device, precision and seed; None settles them for this machine.

    Returns:
        The restored picture, of the type and shape given.

    Raises:
        UsageError: A value out of its range, or an image of another kind.
        WeightsError: The weights are missing or corrupted.
        DeviceError: The runtime's device is not available.
    """
    task: Denoise | DenoiseOneClass
    if is_of_one_class(weights):
        if turns is not None:
            raise UsageError(f"turns {turns}: weights '{weights}' restore whole pictures; leave it out")
        task = DenoiseOneClass(weights, noise_level=noise_level, strength=strength, runtime=runtime)
    else:
        task = Denoise(weights, noise_level=noise_level, strength=strength, turns=turns, runtime=runtime)
    return arrays.apply(image, lambda pixels: task(pixels).pixels)
