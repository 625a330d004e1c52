"""Missing pixels as a denoiser is shown them: as a pixel so noisy that it tells nothing."""

from __future__ import annotations

from torch import Tensor

from genrestore.models.denoiser import as_noise_map
from genrestore.models.pyramid import fill

UNKNOWN_LEVEL = 1.0
"""Noise level of a missing pixel, on the [0, 1] scale: as large as the scale itself."""
GUESS_LEVEL = 0.5
"""Noise level of a missing pixel that the network has estimated once already."""


def shown(
    image: Tensor, known: Tensor, noise_level: Tensor, guess: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """A picture with holes as a noisy picture and its noise level.

    Args:
        image: [batch, channel, height, width], about [0, 1]; what it holds in the hole counts for nothing.
        known: 1 where a pixel is known and 0 where it is missing, [batch, 1, height, width].
        noise_level: σ of the known pixels on the [0, 1] scale: a scalar, [batch], or a map
            [batch, 1, height, width].
        guess: What the network made of it before, of the shape of `image`; None where it was not asked yet.

    Returns:
        The picture with its holes filled, from around them or from the guess, of its shape and scale, and σ
        of every pixel, [batch, 1, height, width].
    """
    level = as_noise_map(noise_level, image) * known
    if guess is None:
        return fill(image, known), level + UNKNOWN_LEVEL * (1 - known)
    return image * known + guess * (1 - known), level + GUESS_LEVEL * (1 - known)
