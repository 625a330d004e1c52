"""What is known of damaged pictures of one class, and what comes of them, whatever the prior is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from genrestore.models.pyramid import fill
from genrestore.restore.clipped import LEAST_NOISE, Clipped, expected_square
from genrestore.restore.data_terms import DATA_TERMS, L1, L2
from genrestore.restore.priors.padding import padded

HALVINGS = 20
"""Of the interval that an estimated noise level lies in."""
FAR = 1.25
"""Times what 99 of 100 images of the class stay below: a picture farther from the prior is none of it."""


@dataclass(frozen=True)
class Damage:
    """What is known of damaged pictures.

    Attributes:
        damaged: y, [batch, channel, size, size] on the [0, 1] scale; at most `BATCH` pictures.
        noise_level: σ on the [0, 1] scale; 0 makes known pixels a constraint.
        clipped: Whether y was clipped to [0, 1], as files of integers are.
        known: 1 where a pixel is known, [batch, 1, size, size]; None: every pixel.
    """

    damaged: Tensor
    noise_level: float
    clipped: bool
    known: Tensor | None = None

    def term(self, loss: str, error: float = 0.0) -> L1 | L2 | Clipped:
        """The data term of this damage; `loss` "l2" of clipped noise is its likelihood.

        Args:
            loss: "l2" or "l1".
            error: What the prior misses of clean pictures, √ of a mean square: it counts as more noise.
        """
        level = max((self.noise_level**2 + error**2) ** 0.5, LEAST_NOISE)
        if loss == "l2" and self.clipped:
            return Clipped(self.damaged, level, self.known)
        return DATA_TERMS[loss](self.damaged, level, self.known)

    def padded(self) -> Damage:
        """`BATCH` pictures: the first one again in the places that are left."""
        known = None if self.known is None else padded(self.known)
        return Damage(padded(self.damaged), self.noise_level, self.clipped, known)

    def filled(self) -> Tensor:
        """y with its holes filled from around them, [batch, channel, size, size] in [0, 1]."""
        image = self.damaged.clamp(0, 1)
        return image if self.known is None else fill(image, self.known)

    def with_known(self, image: Tensor) -> Tensor:
        """Known pixels of y in an image [batch, channel, size, size], the others clipped to [0, 1]."""
        inside = image.clamp(0, 1)
        return self.damaged if self.known is None else torch.where(self.known > 0, self.damaged, inside)

    def beyond_noise(self, nearest: Tensor) -> Tensor:
        """How far each picture is from the prior beyond its noise, √ of a mean square, [batch].

        √ of what mean (G(z*) − y)² has beyond the noise and its chances, three standard errors. The variance
        of a clipped (σ n)² is at most 5/2 σ² times its mean; of one that is not, twice.

        Args:
            nearest: G(z*), [batch, channel, size, size] in [0, 1].
        """
        expected = torch.full_like(nearest, self.noise_level**2)
        if self.clipped and self.noise_level > 0:
            expected = expected_square(nearest, self.noise_level)
        squares = (nearest - self.damaged).square()
        known = torch.ones_like(squares) if self.known is None else self.known.expand_as(squares)
        count = known.flatten(1).sum(1).clamp(min=1)
        found, noise = ((known * one).flatten(1).sum(1) / count for one in (squares, expected))
        chance = 3 * (2.5 * self.noise_level**2 * noise / count).sqrt()
        return (found - noise - chance).clamp(min=0).sqrt()


@dataclass(frozen=True)
class Solution:
    """Restored pictures.

    Attributes:
        image: x, [batch, channel, size, size] in [0, 1].
        nearest: G(z), the image of the prior that fits the data best; the same shape and range.
        distance: How far each picture is from the prior beyond its noise, √ of a mean square, [batch].
    """

    image: Tensor
    nearest: Tensor
    distance: Tensor


def noise_level_around(clean: Tensor, image: Tensor, own_distance: float) -> float:
    """σ of one picture of the prior's class, clipped to the range of its file.

        mean E[(clip(x̂ + σ n) − x̂)²] + e² = mean (y − x̂)²

    e is the error that the prior makes without noise (its 99 % quantile, halved).

    Args:
        clean: x̂, what the prior makes of it, [1, channel, size, size] in [0, 1].
        image: y, the same shape, in [0, 1].
        own_distance: What 99 of 100 images of the class are nearer to the prior than.

    Returns:
        On the [0, 1] scale, from 1/255.
    """
    found = float((image - clean).square().mean()) - (own_distance / 2) ** 2
    low, high = 1 / 255, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if float(expected_square(clean, middle).mean()) < found:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def is_far(own_distance: float, distance: float) -> bool:
    """Whether a picture at this distance from the prior, √ of a mean square, is none of its class."""
    return distance > FAR * own_distance
