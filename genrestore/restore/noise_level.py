"""How much noise a picture holds, as a function of brightness, estimated from the picture alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from genrestore.models.noise_estimator import spread
from genrestore.restore.clipped import expected_square
from genrestore.restore.priors.denoiser import DenoiserPrior
from genrestore.restore.tiling import Pixels, Tiling, tiles

BINS = 12
"""Steps of brightness that have their own noise level."""

QUIET = 0.1
"""Share of the cells that are quieter than the texture of nearly every picture."""

TEXTURE = 0.6
"""How far above its quiet cells (log σ: 1.8 times) a picture's middle cell may lie. Estimates of noise stay
within it; what lies further off is texture, which a clean picture would lose."""

STRONG = (20 / 255, 25 / 255)
"""From where to where what clipping hides is added. No camera's noise is so strong, once it is in a file, and
there it is true that dark places have less of it."""

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
        The usual level of the cells of each step of brightness, averaged with those of neighbouring steps by
        the number of cells, and drawn to the usual level of all where cells are few.
    """
    levels, colours = [], []
    for tile in tiles(pixels, tiling):
        colour = tile.expand(-1, 3, -1, -1)
        levels.append(prior.estimate_log_level(colour).flatten())
        colours.append(_cells(colour)[0].flatten(1))
    level, colour = torch.cat(levels), torch.cat(colours, 1)
    if np.issubdtype(pixels.dtype, np.integer):
        level = before_clipping(level, colour)
    step = (colour.mean(0) * BINS).long().clamp(0, BINS - 1)
    usual = _usual(level)
    each = [level[step == index] for index in range(BINS)]
    found = torch.stack([_usual(values) if values.numel() else usual for values in each])
    index = torch.arange(BINS)
    near = torch.exp(-0.5 * (index[:, None] - index).square())
    weight = near * torch.bincount(step, minlength=BINS)
    log_levels = (weight @ found + TRUST * usual) / (weight.sum(1) + TRUST)
    overall = (2 * log_levels[step]).exp().mean().sqrt()
    return NoiseProfile(log_levels, float(overall))


def before_clipping(log_level: Tensor, colour: Tensor) -> Tensor:
    """The level of strong noise as it was before a file of integers cut it off at black and white.

        log σ(c) = min(log E(c) − log r(c), log s),     r(c)² = mean E[(clip(x + s n) − x)²] / s²

    E sees of clipped noise what is left of it, and the denoiser wants to know what it was. x are the colours
    of the cell c, and s is a level that only one cell in ten lies above: those that are hardly clipped.
    Source: Foi, "Clipped noisy images: heteroskedastic modeling and practical denoising", 2009, for the
    spread that clipping leaves; that it is divided out with one s for all cells, which bounds it, is ours.

    Args:
        log_level: log E(c), σ on the [0, 1] scale, [cells].
        colour: Mean of each channel over each cell, [channel, cells] in [0, 1].

    Returns:
        log σ, [cells]; as it was for noise weaker than `STRONG`.
    """
    low, high = STRONG
    share = (float(_quantile(log_level, 0.5).exp()) - low) / (high - low)
    if share <= 0:
        return log_level
    most = _quantile(log_level, 1 - QUIET)
    left = expected_square(colour, float(most.exp())).mean(0).log() / 2 - most
    lifted = torch.maximum(log_level, torch.minimum(log_level - left, most))
    return torch.lerp(log_level, lifted, min(share, 1.0))


def brightness(image: Tensor) -> Tensor:
    """Mean of all channels over cells of 8×8 pixels.

    Args:
        image: [1, channel, height, width], about [0, 1].

    Returns:
        [1, 1, ⌈height / 8⌉, ⌈width / 8⌉], same scale.
    """
    return _cells(image).mean(1, keepdim=True)


def _cells(image: Tensor) -> Tensor:
    return functional.avg_pool2d(image, 8, ceil_mode=True)


def _usual(log_levels: Tensor) -> Tensor:
    """The middle level, or what texture leaves of it: it only ever adds to the estimates."""
    return torch.minimum(_quantile(log_levels, 0.5), _quantile(log_levels, QUIET) + TEXTURE)


def _quantile(levels: Tensor, share: float) -> Tensor:
    """The level that a share of the cells does not exceed; torch.quantile refuses large pictures."""
    return levels.sort().values[int(share * (levels.numel() - 1))]
