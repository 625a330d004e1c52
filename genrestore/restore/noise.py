"""Noise: its level by brightness, estimated from a picture alone, and expectations of clipped noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from genrestore.models.denoiser import spread
from genrestore.restore.tiling import Pixels, is_clipped

BINS = 12
"""Steps of brightness that have their own noise level."""

QUIET = 0.1
"""Share of the cells that are quieter than the texture of nearly every picture."""

TEXTURE = 0.18
"""Distance above its quiet cells (log σ: 1.2 times) at which a picture's middle cell may lie. Estimates of
noise stay within it; what lies further off is texture, which a clean picture would lose."""

STRONG = (20 / 255, 25 / 255)
"""From where to where what clipping hides is added. No camera's noise is so strong, once it is in a file, and
there it is true that dark places have less of it."""

TRUST = 16
"""Cells of 8×8 pixels around a brightness that count as much as the picture as a whole."""

CLIPPED = 0.4
"""A cell with a larger share of its values at the ends of a file's range says too little of noise."""

LEAST_SHARE = 0.02
"""Share of the cells that must say something of noise; where fewer do, all are listened to."""

FRAME = 0.3
"""Up to this share of a picture, cells of one colour are a frame or a cut-out, and say nothing. Where there
are more of them, as on a screen or in a drawing, they say that there is no noise."""

FEW = 8
"""A picture of no more values than this is a dither or a drawing, and no photograph."""

LOOKED_AT, FEWEST_STUCK = 1 << 17, 20
"""Pixels among which stuck ones are looked for, and how many values must be found."""

LARGEST = 0.5
"""The largest noise level that numbers from 0 to 1 can have."""


@dataclass(frozen=True)
class NoiseProfile:
    """The noise level function of a picture: σ of luma and of chroma at each brightness.

    A camera's noise depends on the brightness of a place and on little else, so one function for the whole
    picture says more, and more surely, than an estimate at each place, which takes texture for noise.
    Source: Liu et al., "Automatic Estimation and Removal of Noise from a Single Image", 2008.

    Convention: luma is (R + G + B) / √3 and chroma one of the two planes orthogonal to it, so that white
    noise is as strong in both; a grey picture has one level, told twice.

    Attributes:
        log_levels: log σ (σ on the [0, 1] scale) of luma and chroma at the middle of each step of
            brightness, [2, bins].
        luma: Root mean square of luma's σ over the picture, on the [0, 1] scale.
        chroma: The same of chroma.
    """

    log_levels: Tensor
    luma: float
    chroma: float

    @classmethod
    def even(cls, level: float) -> NoiseProfile:
        """White noise of one level, on the [0, 1] scale and above 0, at every brightness."""
        return cls(torch.full((2, BINS), math.log(level)), level, level)

    @property
    def overall(self) -> float:
        """Root mean square of the noise of R, G and B, on the [0, 1] scale: √((σ_L² + 2 σ_C²) / 3)."""
        return math.sqrt((self.luma**2 + 2 * self.chroma**2) / 3)

    def times(self, factor: float) -> NoiseProfile:
        """The profile of noise that is stronger by a factor above 0, up to `LARGEST` or what it was."""
        factor = min(factor, max(1.0, LARGEST / max(self.luma, self.chroma)))
        return NoiseProfile(self.log_levels + math.log(factor), self.luma * factor, self.chroma * factor)

    def level(self, image: Tensor) -> Tensor:
        """The noise level around every pixel.

        Args:
            image: RGB tile [1, 3, height, width], about [0, 1].

        Returns:
            σ of luma and chroma on the [0, 1] scale, [1, 2, height, width].
        """
        cells = brightness(image)[0, 0]
        position = (cells * BINS - 0.5).clamp(0, BINS - 1)
        below = position.floor().long().clamp(max=BINS - 2)
        log_level = torch.lerp(self.log_levels[:, below], self.log_levels[:, below + 1], position - below)
        return spread(log_level[None], image.shape[-2:])


class Tile(Protocol):
    """A tile of a picture, as the estimate looks at it; `problem.Problem` is one."""

    @property
    def damaged(self) -> Tensor:
        """[1, 1 or 3, height, width] on the [0, 1] scale."""

    @property
    def clipped(self) -> bool:
        """True if it was clipped to [0, 1], as files of integers are."""


def profile(tiles: Iterable[Tile], estimate: Callable[[Tensor], Tensor]) -> NoiseProfile:
    """Estimate the noise level function of a picture.

    Args:
        tiles: Of the picture, each [1, 1 or 3, height, width] on the [0, 1] scale.
        estimate: Gives log σ of luma and chroma of a tile [1, 3, height, width] in cells of 8×8 pixels,
            [1, 2, ⌈height / 8⌉, ⌈width / 8⌉].

    Returns:
        The usual level of the cells of each step of brightness, averaged with those of neighbouring steps by
        the number of cells, and drawn to the usual level of all where cells are few. Cells that are flat or
        clipped, or beside such a one, say nothing.
    """
    levels, colours, telling, integers = [], [], [], False
    for tile in tiles:
        integers = tile.clipped
        colour = tile.damaged.expand(-1, 3, -1, -1)
        levels.append(estimate(colour)[0].flatten(1))
        colours.append(_cells(colour)[0].flatten(1))
        telling.append(_state(tile.damaged, integers=integers).flatten())
    level, colour, state = torch.cat(levels, 1), torch.cat(colours, 1), torch.cat(telling)
    tells = _cells_with_noise(state)
    level, colour = level[:, tells], colour[:, tells]
    if integers:
        level = torch.stack([before_clipping(plane, colour) for plane in level])
    step = (colour.mean(0) * BINS).long().clamp(0, BINS - 1)
    log_levels = torch.stack([_by_brightness(plane, step) for plane in level])
    log_levels = log_levels.clamp(max=math.log(LARGEST))
    luma, chroma = (2 * log_levels[:, step]).exp().mean(1).sqrt().tolist()
    return NoiseProfile(log_levels, luma, chroma)


def _by_brightness(level: Tensor, step: Tensor) -> Tensor:
    """log σ at each step of brightness, [bins], from that of the cells and their steps, [cells] each."""
    usual = _usual(level)
    each = [level[step == index] for index in range(BINS)]
    found = torch.stack([_usual(values) if values.numel() else usual for values in each])
    index = torch.arange(BINS)
    near = torch.exp(-0.5 * (index[:, None] - index).square())
    weight = near * torch.bincount(step, minlength=BINS)
    return (weight @ found + TRUST * usual) / (weight.sum(1) + TRUST)


CLEAR, NEAR, FLAT, CUT = 0, 1, 2, 3
"""States of a cell: as it should be; beside one of the following; of one colour; clipped for a good part."""

REACH = 2
"""Cells beside a flat or clipped one that the estimator does not judge without looking at that."""


def _state(tile: Tensor, *, integers: bool) -> Tensor:
    """States that keep a cell from telling of noise.

    Args:
        tile: [1, channel, height, width] on the [0, 1] scale.
        integers: Whether it was clipped to [0, 1].

    Returns:
        `CLEAR`, `NEAR`, `FLAT` or `CUT`, [1, 1, ⌈height / 8⌉, ⌈width / 8⌉].
    """
    low = -functional.max_pool2d(-tile, 8, ceil_mode=True)
    flat = (functional.max_pool2d(tile, 8, ceil_mode=True) == low).all(1, keepdim=True)
    state = torch.where(flat, FLAT, CLEAR)
    if integers:
        clipped = ((tile <= 0) | (tile >= 1)).float().mean(1, keepdim=True)
        state = torch.where(_cells(clipped) > CLIPPED, CUT, state)
    beside = functional.max_pool2d(state.float(), 2 * REACH + 1, stride=1, padding=REACH) > 0
    return torch.where(beside & (state == CLEAR), NEAR, state)


def _cells_with_noise(state: Tensor) -> Tensor:
    """The cells to listen to, bool [cells], from the `_state` of all: the best of which there are enough."""
    flat_share = float((state == FLAT).sum()) / max(1, int((state != CUT).sum()))
    choices = [state != CUT] if flat_share > FRAME else [state == CLEAR, state <= NEAR]
    enough = [cells for cells in choices if float(cells.float().mean()) >= LEAST_SHARE]
    return enough[0] if enough else torch.ones_like(state, dtype=torch.bool)


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


def few_values(pixels: Pixels) -> int | None:
    """Number of values of integers [1, channel, height, width], if they are so few that it is a dither."""
    if not is_clipped(pixels):
        return None
    found = np.unique(pixels[..., : 1 << 9, : 1 << 9])
    if not 1 < found.size <= FEW:
        return None
    strips = (pixels[..., row : row + (1 << 6), :] for row in range(0, pixels.shape[-2], 1 << 6))
    return int(found.size) if all(np.isin(strip, found).all() for strip in strips) else None


def stuck_share(pixels: Pixels, noise_level: float, gain: int = 1) -> float:
    """Share of values that are stuck at black or white: at an end of the range, far from those beside them.

    Args:
        pixels: Integers [1, channel, height, width]; of a large picture some rows are looked at.
        noise_level: σ, 1 being the largest value: nothing within 5 σ is stuck.
        gain: The range of integers is so many times what the sensor of the picture had.

    Returns:
        0 to 1; 0 of floats.
    """
    height, width = pixels.shape[-2:]
    if not is_clipped(pixels) or min(height, width) < 3:
        return 0.0
    most = np.iinfo(pixels.dtype).max // gain
    row, column = np.ogrid[1 : height - 1 : -(-height * width // LOOKED_AT), 1 : width - 1]
    beside = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    low, high = np.sort(np.stack([pixels[0][:, y, x] for y, x in beside]), axis=0)[1:3].astype(np.int32)
    value, far = pixels[0][:, row, column], max(0.25, 5 * noise_level) * most
    stuck = ((value == 0) & (low > far)) | ((value == most) & (high < most - far))
    return float(stuck.mean()) if stuck.sum() >= FEWEST_STUCK else 0.0


def expected_square(image: Tensor, noise_level: float) -> Tensor:
    """E[(clip(x + σ n) − x)²], n standard normal: σ² far from black and white, half of it there.

        x² Φ(a) + (1 − x)² Φ(−b) + σ² [Φ(b) − Φ(a) − b φ(b) + a φ(a)],     a = −x / σ,  b = (1 − x) / σ

    Args:
        image: x, any shape, in [0, 1].
        noise_level: σ on the [0, 1] scale, above 0.

    Returns:
        The same shape.
    """
    low, high = -image / noise_level, (1 - image) / noise_level
    inside = torch.special.ndtr(high) - torch.special.ndtr(low)
    edges = low * _density(low) - high * _density(high)
    clipped = image.square() * torch.special.ndtr(low) + (1 - image).square() * torch.special.ndtr(-high)
    return clipped + noise_level**2 * (inside + edges)


def expected_shift(image: Tensor, noise_level: float) -> Tensor:
    """E[clip(x + σ n)] − x, n standard normal: 0 far from black and white, 0.4 σ at black, −0.4 σ at white.

        σ [ψ(−x / σ) − ψ((x − 1) / σ)],     ψ(t) = φ(t) + t Φ(t)

    Args:
        image: x, any shape, in [0, 1].
        noise_level: σ on the [0, 1] scale, above 0.

    Returns:
        The same shape.
    """
    below, above = -image / noise_level, (image - 1) / noise_level
    return noise_level * (_overshoot(below) - _overshoot(above))


def _density(value: Tensor) -> Tensor:
    return torch.exp(-0.5 * value.square()) / (2 * torch.pi) ** 0.5


def _overshoot(value: Tensor) -> Tensor:
    """E[max(0, t + n)] for n standard normal."""
    return _density(value) + value * torch.special.ndtr(value)
