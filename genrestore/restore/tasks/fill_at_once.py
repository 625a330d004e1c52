"""Fill a piece at once: an inpainter's estimate, from all sides, and again from what it estimated."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from genrestore.restore.priors.inpainter import InpainterPrior
from genrestore.restore.priors.unet import as_given
from genrestore.restore.turns import COUNTS, mean_over

PASSES = 3
"""How often the network is asked: it sees its last estimate in the holes. A fourth time it gets worse."""


class AtOnce:
    """Fills pieces with a network that was trained on holes.

    Args:
        prior: The inpainter.
        noise_level: σ of the known pixels on the [0, 1] scale.
    """

    def __init__(self, prior: InpainterPrior, noise_level: float) -> None:
        self._prior = prior
        self._noise_level = torch.tensor(noise_level)

    def __call__(self, image: Tensor, known: Tensor, on_progress: Callable[[float], None]) -> Tensor:
        """A piece, [1, 1 or 3, height, width] about [0, 1], with its holes filled."""
        colour = image.expand(-1, 3, -1, -1)
        guess = self._from_all_sides(colour, known, None)
        for done in range(1, PASSES):
            on_progress(done / PASSES)
            guess = self._from_all_sides(colour, known, guess)
        on_progress(1.0)
        return as_given(guess, image)

    def _from_all_sides(self, image: Tensor, known: Tensor, guess: Tensor | None) -> Tensor:
        """The mean of the estimates of a piece turned and mirrored in every way, [1, 3, height, width]."""
        return mean_over(COUNTS[-1], self._fill, image, known, guess)

    def _fill(self, image: Tensor, known: Tensor, guess: Tensor | None) -> Tensor:
        return self._prior.fill(image, known, self._noise_level, guess)
