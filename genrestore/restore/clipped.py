"""Noise that was clipped to the range of a file: its data term, and the error that it explains.

A file of integers holds y = clip(x + σ n, 0, 1), n standard normal. Where x is black, half of the noise is
gone and the other half makes y too bright in the mean, so ‖x − y‖² draws every estimate towards grey.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from genrestore.restore.data_terms import taken

LEAST_NOISE = 0.5 / 255
"""Noise below half a grey level counts as this much: the rounding of the file."""


@dataclass(frozen=True)
class Clipped:
    """Gaussian noise of level σ, clipped to [0, 1], on the known pixels.

        D(x; y) = Σ M d,     d = (x − y)² / 2σ²          where 0 < y < 1
                             d = −log Φ(−x / σ)          where y = 0
                             d = −log Φ((x − 1) / σ)     where y = 1

    It is −log p(y | x) but for a constant; its slope at the true x is 0 in the mean.
    Source: Tobin, "Estimation of Relationships for Limited Dependent Variables", 1958.

    Convention: M is 1 where a pixel is known and 0 where it is missing.

    Attributes:
        damaged: y, [batch, channel, height, width] in [0, 1].
        noise_level: σ on the [0, 1] scale, above 0.
        known: M, [batch, 1, height, width]; None: every pixel is known.
    """

    damaged: Tensor
    noise_level: float
    known: Tensor | None = None

    def value(self, image: Tensor) -> Tensor:
        """D(x; y) of each picture.

        Args:
            image: x, [batch, channel, height, width] on the [0, 1] scale.

        Returns:
            [batch].
        """
        inside = (image - self.damaged).square() / (2 * self.noise_level**2)
        below = -torch.special.log_ndtr(-image / self.noise_level)
        above = -torch.special.log_ndtr((image - 1) / self.noise_level)
        size = torch.where(self.damaged <= 0, below, torch.where(self.damaged >= 1, above, inside))
        return _masked(size, self.known).flatten(1).sum(1)

    def expand(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Slope and curvature of d in every pixel, with a = x / σ where y = 0 and (1 − x) / σ where y = 1.

            d' = (x − y) / σ²      d'' = 1 / σ²                       where 0 < y < 1
            d' = ± h / σ           d'' = h (h − a) / σ²               elsewhere, h = φ(a) / Φ(−a)

        Args:
            image: x, [batch, channel, height, width] on the [0, 1] scale.

        Returns:
            Both [batch, channel, height, width].
        """
        dark, bright = self.damaged <= 0, self.damaged >= 1
        beyond = torch.where(bright, 1 - image, image) / self.noise_level
        hazard = math.sqrt(2 / math.pi) / torch.special.erfcx(beyond / math.sqrt(2))
        slope = torch.where(bright, -hazard, hazard) / self.noise_level
        curved = (hazard * (hazard - beyond)).clamp(0, 1)
        inside = (image - self.damaged) / self.noise_level**2
        slope = torch.where(dark | bright, slope, inside)
        curvature = torch.where(dark | bright, curved, 1.0) / self.noise_level**2
        return _masked(slope, self.known), _masked(curvature, self.known)

    def take(self, rows: Tensor) -> Clipped:
        """That of some of the pictures, by their indices [picture]."""
        return replace(self, damaged=self.damaged[rows], known=taken(self.known, rows))


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


@dataclass(frozen=True)
class Discrepancy:
    """Whether an estimate is as near to the data as it should come, on the way there from a start.

        r(x) = mean (x − y)²,     e(x) = mean E[(clip(x + σ n) − x)²]

        r(x)  ≤  e(x) · min(1, e(x) / r(start))

    Morozov's principle stops at e: the noise explains what is left. But a start without noise that misses m
    of the picture has r = m + e; a share a of the way to y leaves an error (1 − a)² m + a² e, which is least
    at a = m / (m + e), where r = e² / (m + e).

    Sources: Morozov, "On the solution of functional equations by the method of regularization", 1966; the
    share is Wiener's. The expectation is that of clipped noise for files of integers, else σ².

    Attributes:
        damaged: y, [batch, channel, height, width] on the [0, 1] scale.
        start: Where the way begins, without noise; the same shape, in [0, 1].
        noise_level: σ on the [0, 1] scale.
        clipped: Whether y was clipped to [0, 1].
        known: 1 where a pixel is known, [batch, 1, height, width]; None: every pixel.
    """

    damaged: Tensor
    start: Tensor
    noise_level: float
    clipped: bool
    known: Tensor | None = None

    def reached(self, image: Tensor) -> Tensor:
        """Whether each estimate x, [batch, channel, height, width], is near enough: bool [batch]."""
        expected, first = self._expected(image), self._squares(self.start)
        return self._squares(image) <= expected * (expected / first.clamp(min=1e-12)).clamp(max=1)

    def _expected(self, image: Tensor) -> Tensor:
        expected = torch.full_like(image, self.noise_level**2)
        if self.clipped:
            expected = expected_square(image.clamp(0, 1), self.noise_level)
        return _masked(expected, self.known).flatten(1).sum(1)

    def _squares(self, image: Tensor) -> Tensor:
        return _masked((image - self.damaged).square(), self.known).flatten(1).sum(1)


def _density(value: Tensor) -> Tensor:
    return torch.exp(-0.5 * value.square()) / (2 * torch.pi) ** 0.5


def _overshoot(value: Tensor) -> Tensor:
    """E[max(0, t + n)] for n standard normal."""
    return _density(value) + value * torch.special.ndtr(value)


def _masked(size: Tensor, known: Tensor | None) -> Tensor:
    return size if known is None else torch.where(known > 0, size, 0.0)
