"""Inpainter prior: missing pixels in one pass, from all that is known around them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from genrestore.models.missing import shown
from genrestore.restore.priors.denoiser import UNetPrior, as_given, self_ensemble
from genrestore.restore.problem import UNWATCHED, Problem, Solution, Watch
from genrestore.restore.settings import COUNTS, InpainterSettings

TURNS = (4, 4, COUNTS[-1])
"""Ways that a picture is turned in, call by call of the network: it sees its last estimate in the holes. With
two instead of four, thin holes are as good, and wide ones no longer as straight; a fourth call is worse."""


class InpainterPrior(UNetPrior[InpainterSettings]):
    """A denoiser that was trained on noise without bound too: pixels that are missing.

    It gives the mean of what could be in a hole, which is what has the least squared error.
    Source of showing a network both the picture and where it is missing: Pathak et al., "Context Encoders",
    2016; here as a noise level, which FFDNet (Zhang et al., 2018) gives its network as a map.
    """

    usual = InpainterSettings()

    def fill(
        self, image: Tensor, known: Tensor, noise_level: float | Tensor = 0.0, guess: Tensor | None = None
    ) -> Tensor:
        """Estimate every pixel of a picture with holes.

        Args:
            image: [batch, 1 or 3, height, width], about [0, 1], float32; what it holds in a hole counts
                for nothing.
            known: 1 where a pixel is known and 0 where it is missing, [batch, 1, height, width].
            noise_level: σ of the known pixels on the [0, 1] scale: a number, [batch], or a map
                [batch, 1, height, width].
            guess: An estimate to begin with, of the shape of `image`; None where there is none yet.

        Returns:
            The estimate, same shape; about [0, 1], not clipped. Known pixels are estimated too.
        """
        return self.denoise(*shown(image, known, torch.as_tensor(noise_level), guess))

    def noise_level(self, tiles: Iterable[Problem]) -> None:
        """None: without an estimator known pixels are exact where no level is given."""

    def solve(self, problem: Problem, settings: InpainterSettings, watch: Watch = UNWATCHED) -> Solution:  # noqa: ARG002
        """Fill holes at once, and again from what was estimated, at last with the mean over all turns.

        Args:
            problem: One picture or tile, 1 or 3 channels; without a hole its noise is removed.
            settings: None.
            watch: Is told the finished share.
        """
        known, level, colour = problem.known, self.level_of(problem), problem.damaged.expand(-1, 3, -1, -1)
        if known is None:
            return Solution(self.denoise(problem.damaged, level))
        guess: Tensor | None = None

        def filled(image: Tensor, known: Tensor, guess: Tensor | None) -> Tensor:
            return self.fill(image, known, level, guess)

        for done, turns in enumerate(TURNS, start=1):
            guess = self_ensemble(turns, filled, colour, known, guess)
            watch.progress(sum(TURNS[:done]) / sum(TURNS))
        assert guess is not None
        return Solution(as_given(guess, problem.damaged))
