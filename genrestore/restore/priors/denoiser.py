"""Denoiser prior D(y, σ), with an estimator of the noise level; holes are filled by plug-and-play."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import cycle
from typing import ClassVar

import torch
from torch import Tensor

from genrestore.models.denoiser import ResidualUNet
from genrestore.models.noise_estimator import NoiseEstimator
from genrestore.models.pyramid import doubled, fill, halved
from genrestore.restore import noise
from genrestore.restore.data_terms import L2, Anchored, Seamless
from genrestore.restore.noise import NoiseProfile
from genrestore.restore.operators import SCHEDULE
from genrestore.restore.priors.unet import UNetPrior, as_given, usual_turns
from genrestore.restore.problem import Problem, Solution
from genrestore.restore.self_ensemble import mean_over
from genrestore.restore.settings import DenoiserSettings
from genrestore.restore.solvers.plug_and_play import Denoiser, falling, plug_and_play
from genrestore.restore.solvers.steps import UNWATCHED, Watch
from genrestore.restore.tiling import depth

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


class DenoiserPrior(UNetPrior[DenoiserSettings]):
    """A network that removes Gaussian or camera noise, with an estimator of its level.

    For pure noise one pass is the estimate; in plug-and-play restoration it stands for the proximal step of
    the prior. Source: Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", 2021.
    """

    usual = DenoiserSettings()
    schedule: ClassVar[tuple[float, ...]] = SCHEDULE
    """Times the noise level that it is told, pass by pass, where a constraint says what is allowed."""
    ROLES: ClassVar[dict[str, type[torch.nn.Module]]] = {
        "denoiser": ResidualUNet,
        "estimator": NoiseEstimator,
    }

    def estimate_log_level(self, image: Tensor) -> Tensor:
        """The natural logarithm of the noise level at an eighth of the resolution.

        Args:
            image: [batch, 3, height, width], about [0, 1], float32.

        Returns:
            log σ of luma and chroma, σ on the [0, 1] scale, [batch, 2, ⌈height / 8⌉, ⌈width / 8⌉]; twice the
            same of an estimator that knows one level.
        """
        estimate: Tensor = self._run(self._networks["estimator"].log_level, image)  # type: ignore[arg-type]
        return estimate.expand(-1, 2, -1, -1)

    def noise_level(self, tiles: Iterable[Problem]) -> NoiseProfile:
        """The noise level function of a picture, from its tiles of 1 or 3 channels."""
        return noise.profile(tiles, self.estimate_log_level)

    def solve(self, problem: Problem, settings: DenoiserSettings, watch: Watch = UNWATCHED) -> Solution:
        """One pass for noise, two for what a constraint allows; plug-and-play from coarse to fine for holes.

        Args:
            problem: One picture or tile of any size, 1 or 3 channels.
            settings: Of the denoiser.
            watch: Is told the finished share of the steps at the finest scale.
        """
        if problem.known is None:
            image, allowed = problem.damaged, problem.operator.constraint(problem.damaged)
            turns = settings.turns or usual_turns(problem.area or image[0, 0].numel())
            level, (height, width) = self.level_of(problem), image.shape[-2:]
            for times in (1.0,) if allowed is None else self.schedule:
                seen = self._colours(image), self._as_known(times * level)
                shown = seen if turns == 1 else self.turnable(*seen)
                estimate = mean_over(turns, partial(self._run, self.network), *shown)[..., :height, :width]
                image = as_given(estimate, problem.damaged)
                image = image if allowed is None else allowed.prox(image, times)
            return Solution(image)
        start = self._start(problem.damaged, problem.known, problem.sigma, SCALES - 1)
        image = plug_and_play(
            _term(problem.damaged, problem.known, problem.sigma, start),
            self._mirrored(),
            start,
            schedule(problem.sigma),
            on_step=lambda step: watch.progress((step.index + 1) / STEPS),
        )
        return Solution(image)

    def _start(self, image: Tensor, known: Tensor, noise_level: float, coarser: int) -> Tensor:
        """A piece as it is at half the size, solved there, from as many coarser scales in turn."""
        if coarser == 0 or min(image.shape[-2:]) < 2 * SMALLEST:
            return fill(image, known)
        small, there = halved(image, known)
        start = self._start(small, there, noise_level, coarser - 1)
        term = _term(small, there, noise_level, start, 2)
        found = plug_and_play(term, self._mirrored(), start, schedule(noise_level, COARSE_LAST, COARSE_STEPS))
        return Seamless(L2(image, 0.0, known), known).prox(doubled(found, image.shape[-2:]), 1.0)

    def _mirrored(self) -> Denoiser:
        """The step of the prior; each one mirrors the picture in another way."""
        mirrors = cycle(MIRRORS)

        def denoise(image: Tensor, noise_level: float) -> Tensor:
            axes = next(mirrors)
            return self.denoise(image.flip(axes), noise_level).flip(axes)

        return denoise


def _term(image: Tensor, known: Tensor, noise_level: float, start: Tensor, scale: int = 1) -> Anchored:
    """The data term of a piece, at a scale that is so many times smaller than the picture."""
    inside = scale * depth(known, DEEP[1] // scale)
    trust = ((DEEP[1] - inside) / (DEEP[1] - DEEP[0])).clamp(0, 1)
    return Anchored(Seamless(L2(image, noise_level, known), known), start, trust)


def schedule(noise_level: float, last: float = LAST, steps: int = STEPS) -> Sequence[tuple[float, float]]:
    """The (σ, τ) of `plug_and_play` for known pixels of a noise level, on the [0, 1] scale, largest first.

    Convention: τ = σ, and no step goes below the noise of the picture.
    """
    last = max(last, noise_level)
    return [(level, level) for level in falling(max(FIRST, last), last, steps)]
