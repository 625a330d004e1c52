"""Fill a piece step by step: plug-and-play with a denoiser, from coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle

import torch
from torch import Tensor

from genrestore.models.pyramid import doubled, fill, halved
from genrestore.restore import holes
from genrestore.restore.data_terms import L2, Anchored, Seamless
from genrestore.restore.priors.denoiser import DenoiserPrior
from genrestore.restore.priors.unet import as_given
from genrestore.restore.schedules import falling
from genrestore.restore.solvers import Denoiser, plug_and_play

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


class StepByStep:
    """Fills pieces with a denoiser that knows nothing of holes.

    Args:
        prior: The denoiser.
        noise_level: σ of the known pixels on the [0, 1] scale.
    """

    def __init__(self, prior: DenoiserPrior, noise_level: float) -> None:
        self._prior = prior
        self._noise_level = noise_level

    def __call__(self, image: Tensor, known: Tensor, on_progress: Callable[[float], None]) -> Tensor:
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
            estimate = self._prior.denoise(turned, torch.tensor(noise_level)).flip(axes)
            return as_given(estimate, image)

        return denoise


def schedule(noise_level: float, last: float = LAST, steps: int = STEPS) -> Sequence[tuple[float, float]]:
    """The (σ, τ) of `plug_and_play` for known pixels of a noise level, on the [0, 1] scale, largest first.

    Convention: τ = σ, and no step goes below the noise of the picture.
    """
    last = max(last, noise_level)
    return [(level, level) for level in falling(max(FIRST, last), last, steps)]
