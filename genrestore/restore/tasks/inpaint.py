"""Inpaint: fill what is missing, with known pixels as the data term and a denoiser as the prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from itertools import cycle
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from genrestore.errors import UsageError
from genrestore.restore import arrays, holes
from genrestore.restore.data_terms import L2, Anchored, Seamless
from genrestore.restore.priors import load_denoiser
from genrestore.restore.priors.denoiser import DenoiserPrior
from genrestore.restore.provenance import describe_inpainting
from genrestore.restore.pyramid import doubled, fill, halved
from genrestore.restore.schedules import falling
from genrestore.restore.solvers import Denoiser, plug_and_play
from genrestore.restore.tasks.denoise import Denoise
from genrestore.restore.tasks.filling import NOTHING_MISSING, check_feather, fill_holes
from genrestore.restore.tasks.inpaint_one_class import InpaintOneClass
from genrestore.restore.tasks.one_class import is_of_one_class
from genrestore.restore.tasks.restored import OVERFLOWED, Restored, check_noise_level
from genrestore.restore.tiling import Pixels, Tiling, with_less_memory
from genrestore.runtime import Runtime
from genrestore.weights import store
from genrestore.weights.header import read_header

FIRST, LAST, STEPS = 50 / 255, 1 / 255, 20
"""The noise levels of the solver, on the [0, 1] scale; measured on pictures of the training set."""
COARSE_LAST, COARSE_STEPS = 4 / 255, 12
"""The same for coarser scales, whose result is a start only."""
SCALES, SMALLEST = 2, 32
"""Scales from coarse to fine, and the least side in pixels that a coarser one has."""
DEEP = (8, 28)
"""Pixels inside a hole up to which the solver is trusted, and from which on the start stays as it was."""
MIRRORS = ((), (3,), (2,), (2, 3))
"""Axes by which the picture is turned over, step by step."""
TILING = Tiling(size=576, overlap=32)
"""Smaller than that for denoising, since a tile is cut down to its holes."""

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
        weights: str = "photo",
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
    def prior(self) -> DenoiserPrior:
        """The prior, loaded when it is first needed."""
        return load_denoiser(str(self._path), self._given_runtime)

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

    def _solve(self, image: Tensor, known: Tensor, on_progress: Callable[[float], None]) -> Tensor:
        """A piece, [1, 1 or 3, height, width] about [0, 1], with its holes filled."""
        start = self._start(image, known, SCALES - 1)
        return plug_and_play(
            self._term(image, known, start),
            self._denoiser(),
            start,
            schedule(self._noise_level),
            on_step=lambda step: on_progress((step.index + 1) / STEPS),
        )

    def _start(self, image: Tensor, known: Tensor, coarser: int) -> Tensor:
        """A piece as it is at half the size, solved there, from as many coarser scales in turn."""
        if coarser == 0 or min(image.shape[-2:]) < 2 * SMALLEST:
            return fill(image, known)
        small, there = halved(image, known)
        start = self._start(small, there, coarser - 1)
        term = self._term(small, there, start, 2)
        levels = schedule(self._noise_level, COARSE_LAST, COARSE_STEPS)
        found = plug_and_play(term, self._denoiser(), start, levels)
        return Seamless(L2(image, 0.0, known), known).prox(doubled(found, image.shape[-2:]), 1.0)

    def _term(self, image: Tensor, known: Tensor, start: Tensor, scale: int = 1) -> Anchored:
        """The data term of a piece, at a scale that is so many times smaller than the picture."""
        inside = scale * holes.depth(known, DEEP[1] // scale)
        trust = ((DEEP[1] - inside) / (DEEP[1] - DEEP[0])).clamp(0, 1)
        return Anchored(Seamless(L2(image, self._noise_level, known), known), start, trust)

    def _denoiser(self) -> Denoiser:
        """The step of the prior; each one mirrors the picture in another way."""
        mirrors = cycle(MIRRORS)

        def denoise(image: Tensor, noise_level: float) -> Tensor:
            axes = next(mirrors)
            turned = image.flip(axes).expand(-1, 3, -1, -1)
            estimate = self.prior.denoise(turned, torch.tensor(noise_level)).flip(axes)
            return estimate.mean(1, keepdim=True) if image.shape[1] == 1 else estimate

        return denoise

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
        denoise = Denoise(
            str(self._path), noise_level=self._noise_level, runtime=self.prior.runtime, tiling=self._tiling
        )
        return np.where(known, denoise(noisy).pixels, filled)


def schedule(noise_level: float, last: float = LAST, steps: int = STEPS) -> Sequence[tuple[float, float]]:
    """The (σ, τ) of `plug_and_play` for known pixels of a noise level, on the [0, 1] scale, largest first.

    Convention: τ = σ, and no step goes below the noise of the picture.
    """
    last = max(last, noise_level)
    return [(level, level) for level in falling(max(FIRST, last), last, steps)]


def inpaint(
    image: Image,
    mask: Any,
    *,
    noise_level: float = 0.0,
    feather: int = 0,
    weights: str = "photo",
    runtime: Runtime | None = None,
) -> Image:
    """Fill the missing pixels of a picture: what `genrestore inpaint` does, from Python.

    Args:
        image: A Pillow image (L, RGB or I;16), a numpy array [height, width] or [height, width, channel],
            or a torch tensor [channel, height, width] or [batch, channel, height, width]. Integers (8 or 16
            bits) use their whole range; floating point is on the [0, 1] scale.
        mask: Which pixels are missing, [height, width]: bool, or uint8 with 128 to 255 for missing; a Pillow
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
