"""Inpaint: fill what is missing, with known pixels as the data term and a network as the prior."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from genrestore.errors import UsageError, WeightsError
from genrestore.restore import arrays
from genrestore.restore.priors import load_prior
from genrestore.restore.priors.denoiser import DenoiserPrior
from genrestore.restore.priors.inpainter import InpainterPrior
from genrestore.restore.priors.unet import as_given
from genrestore.restore.provenance import describe_inpainting
from genrestore.restore.tasks.fill_at_once import AtOnce
from genrestore.restore.tasks.fill_step_by_step import StepByStep
from genrestore.restore.tasks.filling import NOTHING_MISSING, Solve, check_feather, fill_holes
from genrestore.restore.tasks.inpaint_one_class import InpaintOneClass
from genrestore.restore.tasks.one_class import is_of_one_class
from genrestore.restore.tasks.restored import OVERFLOWED, Restored, check_noise_level
from genrestore.restore.tiling import Pixels, Tiling, map_tiles, with_less_memory
from genrestore.runtime import Runtime
from genrestore.weights import store
from genrestore.weights.header import read_header

TILING = Tiling(size=576, overlap=32)
"""Smaller than that for denoising, since a tile is cut down to its holes."""

NEEDED = "photographs are filled by an inpainter or a denoiser; leave --weights out"

Image = TypeVar("Image")


class Inpaint:
    """Fill missing pixels with the denoiser of a weights file, by plug-and-play restoration.

    Args:
        weights: A name in the store or a path.
        noise_level: σ of the known pixels on the [0, 1] scale; above 0 they are denoised too, at 0 they come
            back as they were.
        feather: Pixels, 0 to 32, over which the result goes into what the picture holds inside the hole.
        runtime: Device, precision and seed; None settles them for this machine.
        tiling: How large pictures are cut.

    Raises:
        UsageError: A value out of its range.
        WeightsError: The weights are missing, or their header cannot be read.
    """

    def __init__(
        self,
        weights: str = "photo-inpaint",
        *,
        noise_level: float = 0.0,
        feather: int = 0,
        runtime: Runtime | None = None,
        tiling: Tiling = TILING,
    ) -> None:
        check_noise_level(noise_level)
        check_feather(feather)
        self._path = store.resolve(weights)
        self._header = read_header(self._path)
        self._noise_level = noise_level
        self._feather = feather
        self._given_runtime = runtime
        self._tiling = tiling

    @cached_property
    def prior(self) -> InpainterPrior | DenoiserPrior:
        """The prior, loaded when it is first needed."""
        prior = load_prior(str(self._path), self._given_runtime)
        if not isinstance(prior, (InpainterPrior, DenoiserPrior)):
            raise WeightsError(f"weights '{self._path.stem}' are of kind '{self._header.kind}'; {NEEDED}")
        return prior

    @cached_property
    def _solve(self) -> Solve:
        """What fills a piece: the prior says how."""
        prior = self.prior
        if isinstance(prior, InpainterPrior):
            return AtOnce(prior, self._noise_level)
        return StepByStep(prior, self._noise_level)

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the result: weights and options, as JSON values."""
        return describe_inpainting(self._path, self._header, self._noise_level, self._feather)

    def __call__(
        self, pixels: Pixels, on_progress: Callable[[float], None] | None = None, known: Pixels | None = None
    ) -> Restored:
        """Fill the missing pixels of one picture.

        Args:
            pixels: [1, channel, height, width], grey or RGB; uint8, uint16, or floating point on the
                [0, 1] scale. What it holds in the hole is looked at by `feather` only.
            on_progress: Is told the finished share, 0 to 1.
            known: Whether a pixel is known, bool [1, 1, height, width]; None: all are.

        Returns:
            The restored picture, of the same shape and type.

        Raises:
            InputError: Every pixel is missing.
        """
        if known is None or known.all():
            return Restored(pixels.copy(), None, (NOTHING_MISSING,))
        before = self.prior.overflows
        result = with_less_memory(partial(self._fill, pixels, known, on_progress), self._tiling)
        notes = []
        if self._noise_level > 0:
            result = self._denoised(result, known)
            notes.append("known pixels were denoised too")
        if self.prior.overflows > before:
            notes.append(OVERFLOWED)
        return Restored(result, self._noise_level or None, tuple(notes))

    def _fill(
        self, pixels: Pixels, known: Pixels, on_progress: Callable[[float], None] | None, tiling: Tiling
    ) -> Pixels:
        return fill_holes(pixels, known, self._solve, tiling, feather=self._feather, on_progress=on_progress)

    def _denoised(self, filled: Pixels, known: Pixels) -> Pixels:
        """The picture with its known pixels denoised, [1, channel, height, width].

        What was filled has no noise, and would look like another picture to the denoiser; so it is given the
        same noise first, and put back afterwards.
        """
        noise = np.random.default_rng(self.prior.runtime.seed).standard_normal(filled.shape, np.float32)
        scale = np.iinfo(filled.dtype).max if np.issubdtype(filled.dtype, np.integer) else 1
        noisy = filled + noise * np.float32(self._noise_level * scale)
        if scale != 1:
            noisy = noisy.round().clip(0, scale)
        noisy = np.where(known, filled, noisy.astype(filled.dtype))
        work = partial(map_tiles, noisy, self._denoise, threads=self.prior.runtime.workers)
        return np.where(known, with_less_memory(work, self._tiling), filled)

    def _denoise(self, tile: Tensor) -> Tensor:
        """[1, 1 or 3, height, width] to the same, about [0, 1]."""
        estimate = self.prior.denoise(tile.expand(-1, 3, -1, -1), torch.tensor(self._noise_level))
        return as_given(estimate, tile)


def inpaint(
    image: Image,
    mask: Any,
    *,
    noise_level: float = 0.0,
    feather: int = 0,
    weights: str = "photo-inpaint",
    runtime: Runtime | None = None,
) -> Image:
    """Fill the missing pixels of a picture: what `genrestore inpaint` does, from Python.

    Args:
        image: A Pillow image (L, RGB or I;16), a numpy array [height, width] or [height, width, channel],
            or a torch tensor [channel, height, width] or [batch, channel, height, width]. Integers (8 or 16
            bits) use their whole range; floating point is on the [0, 1] scale.
        mask: Which pixels are missing, [height, width]: True, or what is not 0, is missing; a Pillow
            image, a numpy array or a torch tensor. One for all pictures of a batch.
        noise_level: σ of the known pixels on the [0, 1] scale (grey levels / 255); at 0 they come back as
            they were, above it they are denoised too.
        feather: Pixels over which the result goes into what the picture holds inside the hole, 0 to 32.
        weights: A name in the store or a path.
        runtime: Device, precision and seed; None settles them for this machine.

    Returns:
        The restored picture, of the type and shape given.

    Raises:
        UsageError: A value out of its range, an image of another kind, or a mask of another size or kind.
        InputError: The mask covers the whole picture.
        WeightsError: The weights are missing or corrupted.
        DeviceError: The runtime's device is not available.
    """
    known = arrays.known(mask)
    make = InpaintOneClass if is_of_one_class(weights) else Inpaint
    task = make(weights, noise_level=noise_level, feather=feather, runtime=runtime)

    def restore(pixels: Pixels) -> Pixels:
        if pixels.shape[-2:] != known.shape[-2:]:
            sizes = [f"{width} x {height}" for height, width in (known.shape[-2:], pixels.shape[-2:])]
            raise UsageError(f"a mask of {sizes[0]} pixels for an image of {sizes[1]}")
        return task(pixels, known=known).pixels

    return arrays.apply(image, restore)
