"""How much noise a picture holds: one value, or one around every pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from genrestore.models.noise_estimator import spread
from genrestore.restore.priors.denoiser import DenoiserPrior

SMOOTHING = 5
"""Cells of 8×8 pixels along each side that one local estimate is averaged over."""


@dataclass
class NoiseMeter:
    """Local noise levels of the tiles of one picture, and their root mean square over all of it.

    Attributes:
        prior: Holds the estimator.
    """

    prior: DenoiserPrior
    _energy: float = 0.0
    _cells: int = 0

    def measure(self, tile: Tensor) -> Tensor:
        """Estimate the noise level around every pixel of a tile, and remember it for `overall`.

        Args:
            tile: RGB [1, 3, height, width], about [0, 1].

        Returns:
            σ on the [0, 1] scale, [1, 1, height, width].
        """
        log_level = smooth(self.prior.estimate_log_level(tile))
        self._energy += float((2 * log_level).exp().sum())
        self._cells += log_level.numel()
        return spread(log_level, tile.shape[-2:])

    @property
    def overall(self) -> float:
        """Root mean square of all levels measured so far, on the [0, 1] scale; 0 before the first."""
        return math.sqrt(self._energy / self._cells) if self._cells else 0.0


def smooth(log_level: Tensor) -> Tensor:
    """Average the logarithm of the noise level over neighbouring cells; it hardly changes from cell to cell.

    Args:
        log_level: [batch, 1, rows, columns].

    Returns:
        The same shape.
    """
    radius = min(SMOOTHING // 2, (min(log_level.shape[-2:]) - 1) // 2)
    if radius == 0:
        return log_level
    return functional.avg_pool2d(log_level, 2 * radius + 1, stride=1, padding=radius, count_include_pad=False)
