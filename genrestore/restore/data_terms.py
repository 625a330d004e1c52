"""Data terms D(x; y) of damaged pictures, each with its value and its proximal step or its gradient.

None knows a prior.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from genrestore.models.pyramid import fill

NARROWEST = 0.5 / 255
"""ε: differences below it count as much as it where an absolute value is taken for a parabola."""


LEAST_NOISE = 0.5 / 255
"""Noise below half a grey level counts as this much: the rounding of the file."""


Term = TypeVar("Term", bound="OfPixels")


class DataTerm(Protocol):
    """A data term as first-order solvers use it."""

    def value(self, image: Tensor) -> Tensor:
        """D(x; y) of each picture, [batch], for x [batch, channel, height, width] on the [0, 1] scale."""

    def prox(self, image: Tensor, tau: float) -> Tensor:
        """argmin_x D(x; y) + ‖x − z‖² / 2τ² for z [batch, channel, height, width]; same shape and scale."""


class PixelTerm(Protocol):
    """A data term that is a sum over pixels, as second-order searches use it."""

    def value(self, image: Tensor) -> Tensor:
        """D(x; y) of each picture, [batch], for x [batch, channel, height, width] on the [0, 1] scale."""

    def expand(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient and curvature, above or at 0, of a parabola in every pixel that D(x; y) is near to at x.

        All three [batch, channel, height, width].
        """

    def take(self, rows: Tensor) -> PixelTerm:
        """The data term of some of its pictures, by their indices [picture], as often as they are named."""


@dataclass(frozen=True)
class OfPixels:
    """A data term of the known pixels, D(x; y), for x [batch, channel, height, width] on the [0, 1] scale.

    Convention: M is 1 where a pixel is known and 0 where it is missing, and what y holds there counts for
    nothing. Where noise is not clipped, σ = 0 makes known pixels a constraint: D is 0 where they agree, else
    infinite.

    Attributes:
        damaged: y, [batch, channel, height, width] on the [0, 1] scale.
        noise_level: σ on the [0, 1] scale, 0 to 1; of clipped noise above 0.
        known: M, [batch, 1, height, width]; None: every pixel is known.
    """

    damaged: Tensor
    noise_level: float
    known: Tensor | None = None

    def take(self: Term, rows: Tensor) -> Term:
        """The data term of some of the pictures, by their indices [picture], as often as they are named."""
        known = None if self.known is None else self.known[rows]
        return replace(self, damaged=self.damaged[rows], known=known)


class L2(OfPixels):
    """Gaussian noise of level σ on the known pixels.

    D(x; y) = ‖M (x − y)‖² / 2σ²

    """

    def value(self, image: Tensor) -> Tensor:
        """D(x; y) of each picture, [batch], for x [batch, channel, height, width] on the [0, 1] scale."""
        squares = masked(image - self.damaged, self.known).square().flatten(1).sum(1)
        return _over(squares, 2 * self.noise_level**2)

    def expand(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient M (x − y) / σ² and curvature M / σ² at x, [batch, channel, height, width]; σ above 0."""
        curvature = masked(torch.full_like(image, 1 / self.noise_level**2), self.known)
        return curvature * (image - self.damaged), curvature

    def prox(self, image: Tensor, tau: float) -> Tensor:
        """The minimiser in closed form: on known pixels (τ² y + σ² z) / (τ² + σ²), elsewhere z.

        Source: Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", 2021, section 4.
        z is [batch, channel, height, width] on the [0, 1] scale, τ on the same above 0.
        """
        share = tau**2 / (tau**2 + self.noise_level**2)
        return _where_known(torch.lerp(image, self.damaged, share), image, self.known)


class L1(OfPixels):
    """Noise with outliers, of mean absolute size σ, on the known pixels.

    D(x; y) = ‖M (x − y)‖₁ / σ

    """

    def value(self, image: Tensor) -> Tensor:
        """D(x; y) of each picture, [batch], for x [batch, channel, height, width] on the [0, 1] scale."""
        sizes = masked(image - self.damaged, self.known).abs().flatten(1).sum(1)
        return _over(sizes, self.noise_level)

    def expand(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The parabola in every pixel that touches |x − y| / σ at x and is nowhere below it; σ above 0.

            d(u)  ≈  (u − y)² / 2wσ + const,     w = max(|x − y|, ε)

        Source: iteratively reweighted least squares, Holland and Welsch, "Robust Regression Using Iteratively
        Reweighted Least-Squares", 1977. ε, half a grey level, keeps it finite. Gradient and curvature, both
        [batch, channel, height, width].
        """
        difference = image - self.damaged
        width = difference.abs().clamp(min=NARROWEST)
        curvature = masked(1 / (width * self.noise_level), self.known)
        return curvature * difference, curvature

    def prox(self, image: Tensor, tau: float) -> Tensor:
        """The minimiser in closed form: on known pixels z drawn towards y by at most τ² / σ, elsewhere z.

        Source: soft thresholding, Donoho, "De-noising by Soft-Thresholding", 1995.
        z is [batch, channel, height, width] on the [0, 1] scale, τ on the same above 0.
        """
        if self.noise_level == 0:
            return _where_known(self.damaged, image, self.known)
        step = tau**2 / self.noise_level
        moved = image + (self.damaged - image).clamp(-step, step)
        return _where_known(moved, image, self.known)


class Clipped(OfPixels):
    """Gaussian noise of level σ, clipped to [0, 1], on the known pixels.

        D(x; y) = Σ M d,     d = (x − y)² / 2σ²          where 0 < y < 1
                             d = −log Φ(−x / σ)          where y = 0
                             d = −log Φ((x − 1) / σ)     where y = 1

    A file of integers holds y = clip(x + σ n, 0, 1), n standard normal. Where x is black, half of the noise
    is gone and the other half makes y too bright in the mean, so ‖x − y‖² draws every estimate towards grey.
    This is −log p(y | x) but for a constant; its gradient at the true x is 0 in the mean.
    Source: Tobin, "Estimation of Relationships for Limited Dependent Variables", 1958.

    """

    def value(self, image: Tensor) -> Tensor:
        """D(x; y) of each picture, [batch], for x [batch, channel, height, width] on the [0, 1] scale."""
        inside = (image - self.damaged).square() / (2 * self.noise_level**2)
        below = -torch.special.log_ndtr(-image / self.noise_level)
        above = -torch.special.log_ndtr((image - 1) / self.noise_level)
        size = torch.where(self.damaged <= 0, below, torch.where(self.damaged >= 1, above, inside))
        return masked(size, self.known).flatten(1).sum(1)

    def expand(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient and curvature of d in every pixel, with a = x / σ where y = 0 and (1 − x) / σ where y = 1.

            d' = (x − y) / σ²      d'' = 1 / σ²                       where 0 < y < 1
            d' = ± h / σ           d'' = h (h − a) / σ²               elsewhere, h = φ(a) / Φ(−a)

        All three [batch, channel, height, width].
        """
        dark, bright = self.damaged <= 0, self.damaged >= 1
        beyond = torch.where(bright, 1 - image, image) / self.noise_level
        hazard = math.sqrt(2 / math.pi) / torch.special.erfcx(beyond / math.sqrt(2))
        gradient = torch.where(bright, -hazard, hazard) / self.noise_level
        curved = (hazard * (hazard - beyond)).clamp(0, 1)
        inside = (image - self.damaged) / self.noise_level**2
        gradient = torch.where(dark | bright, gradient, inside)
        curvature = torch.where(dark | bright, curved, 1.0) / self.noise_level**2
        return masked(gradient, self.known), masked(curvature, self.known)


@dataclass(frozen=True)
class Seamless:
    """Another data term, whose step is carried on into the hole, so that no edge shows where it ends.

    ‖x − z‖² lets missing pixels stay as the prior left them, also where all around them had to be moved. Here
    the gradients of z are held instead,

        prox  =  argmin_x  D(x; y) + ‖∇(x − z)‖² / 2τ²

    whose step, taken from D's own step on the known pixels, is smooth in the hole. It is filled by a pyramid
    rather than by solving Poisson's equation.
    Source: Pérez et al., "Poisson Image Editing", 2003.

    Attributes:
        term: A data term with missing pixels.
        known: 1 where a pixel is known and 0 where it is missing, [batch, 1, height, width].
    """

    term: DataTerm
    known: Tensor

    def value(self, image: Tensor) -> Tensor:
        """D(x; y) of each picture, [batch], for x [batch, channel, height, width] on the [0, 1] scale."""
        return self.term.value(image)

    def prox(self, image: Tensor, tau: float) -> Tensor:
        """The step of `term` from z, [batch, channel, height, width], and in the hole what it tends to."""
        moved = self.term.prox(image, tau)
        return torch.where(self.known > 0, moved, image + fill(moved - image, self.known))


@dataclass(frozen=True)
class Anchored:
    """Another data term, whose step is drawn to a first estimate where the data say too little.

        prox  =  a + t · (z' − a),    z' the step of the other term

    Deep in a wide hole nothing corrects what a denoiser gets wrong of brightness, and from step to step it
    adds up; there the first estimate a is better on average.

    Attributes:
        term: A data term.
        anchor: a, [batch, channel, height, width] on the [0, 1] scale.
        trust: t, [batch, 1, height, width]: 1 where the other term's step is taken, 0 where the anchor is.
    """

    term: DataTerm
    anchor: Tensor
    trust: Tensor

    def value(self, image: Tensor) -> Tensor:
        """D(x; y) of each picture, [batch], for x [batch, channel, height, width] on the [0, 1] scale."""
        return self.term.value(image)

    def prox(self, image: Tensor, tau: float) -> Tensor:
        """The step of `term` from z, [batch, channel, height, width], as far as it is trusted."""
        return torch.lerp(self.anchor, self.term.prox(image, tau), self.trust)


DATA_TERMS: dict[str, type[L2] | type[L1]] = {"l2": L2, "l1": L1}
"""Name and class."""


def masked(difference: Tensor, known: Tensor | None) -> Tensor:
    """Values [batch, channel, height, width], 0 where nothing is known, [batch, 1, height, width]."""
    return difference if known is None else torch.where(known > 0, difference, 0.0)


def _where_known(there: Tensor, elsewhere: Tensor, known: Tensor | None) -> Tensor:
    return there if known is None else torch.where(known > 0, there, elsewhere)


def _over(sizes: Tensor, scale: float) -> Tensor:
    """sizes / scale; at scale 0, 0 where the size is 0 and else infinity."""
    if scale:
        return sizes / scale
    return torch.where(sizes == 0, 0.0, torch.inf)
