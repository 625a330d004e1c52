"""How much noise a picture holds, as a function of brightness, estimated from the picture alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from genrestore.models.noise_estimator import spread
from genrestore.restore.priors.denoiser import DenoiserPrior
from genrestore.restore.tiling import Pixels, Tiling, tiles

BINS = 12
"""Steps of brightness that have their own noise level."""

QUANTILE = 0.5
"""Of the cells' levels: texture only ever adds to them, so what most cells have is rather too much."""

TRUST = 16
"""Cells of 8×8 pixels around a brightness that count as much as the picture as a whole."""


@dataclass(frozen=True)
class NoiseProfile:
    """The noise level function of a picture: σ at each brightness.

    A camera's noise depends on the brightness of a place and on little else, so one function for the whole
    picture says more, and more surely, than an estimate at each place, which takes texture for noise.
    Source: Liu et al., "Automatic Estimation and Removal of Noise from a Single Image", 2008.

    Attributes:
        log_levels: log σ (σ on the [0, 1] scale) at the middle of each step of brightness, [bins].
        overall: Root mean square of σ over the picture, on the [0, 1] scale.
    """

    log_levels: Tensor
    overall: float

    def level(self, image: Tensor) -> Tensor:
        """The noise level around every pixel.

        Args:
            image: RGB tile [1, 3, height, width], about [0, 1].

        Returns:
            σ on the [0, 1] scale, [1, 1, height, width].
        """
        cells = brightness(image)
        position = (cells * BINS - 0.5).clamp(0, BINS - 1)
        below = position.floor().long().clamp(max=BINS - 2)
        log_level = torch.lerp(self.log_levels[below], self.log_levels[below + 1], position - below)
        return spread(log_level, image.shape[-2:])


def profile(pixels: Pixels, prior: DenoiserPrior, tiling: Tiling) -> NoiseProfile:
    """Estimate the noise level function of a picture.

    Args:
        pixels: [1, 1 or 3, height, width]; integers, or floating point on the [0, 1] scale.
        prior: Holds the estimator.
        tiling: How the picture is cut.

    Returns:
        Quantiles over the cells of each step of brightness, averaged with those of neighbouring steps by the
        number of cells, and drawn to the quantile of all where cells are few.
    """
    levels, lights = [], []
    for tile in tiles(pixels, tiling):
        colour = tile.expand(-1, 3, -1, -1)
        levels.append(prior.estimate_log_level(colour).flatten())
        lights.append(brightness(colour).flatten())
    level, light = torch.cat(levels), torch.cat(lights)
    step = (light * BINS).long().clamp(0, BINS - 1)
    usual = _usual(level)
    each = [level[step == index] for index in range(BINS)]
    found = torch.stack([_usual(values) if values.numel() else usual for values in each])
    index = torch.arange(BINS)
    near = torch.exp(-0.5 * (index[:, None] - index).square())
    weight = near * torch.bincount(step, minlength=BINS)
    log_levels = (weight @ found + TRUST * usual) / (weight.sum(1) + TRUST)
    overall = (2 * log_levels[step]).exp().mean().sqrt()
    return NoiseProfile(log_levels, float(overall))


def brightness(image: Tensor) -> Tensor:
    """Mean of all channels over cells of 8×8 pixels.

    Args:
        image: [1, channel, height, width], about [0, 1].

    Returns:
        [1, 1, ⌈height / 8⌉, ⌈width / 8⌉], same scale.
    """
    return functional.avg_pool2d(image.mean(1, keepdim=True), 8, ceil_mode=True)


def _usual(levels: Tensor) -> Tensor:
    """The level below which `QUANTILE` of the cells stay; torch.quantile refuses large pictures."""
    return levels.sort().values[int(QUANTILE * (levels.numel() - 1))]
