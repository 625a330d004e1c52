"""The autoencoder: images of one class and size to a few numbers in [0, 1], and back."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional

from genrestore.models.blocks import ResidualBlock

SIZES = (28, 32, 64, 128)
"""Sides of the images that it can be built for: halved some times they are 7 or 8."""
COARSEST = 8
WIDEST = 4
"""Times `width`: feature maps at the coarsest scales."""


class Autoencoder(nn.Module):
    """AE(x) = G(E(x)): a convolutional encoder E, a sigmoid latent in [0, 1]^d, a decoder G.

    Both work on pixels folded into channels, and have a residual block at every scale from half the size
    down to 7 or 8 pixels, where one hidden layer joins the feature maps to the latent.

    Args:
        size: Side of the images in pixels, one of `SIZES`.
        channels: 1 (grey) or 3 (RGB).
        latent: Numbers in the latent, d.
        width: Feature maps at half the size; twice and then four times as many at the coarser scales.
        hidden: Numbers in the hidden layers beside the latent.

    Raises:
        ValueError: A value that no autoencoder can have.
    """

    def __init__(self, size: int, channels: int, latent: int, width: int = 24, hidden: int = 256) -> None:
        super().__init__()
        if size not in SIZES or channels not in (1, 3) or min(latent, width, hidden) < 1:
            raise ValueError(
                f"no autoencoder of size {size}, {channels} channels, latent {latent}, width {width}, "
                f"hidden {hidden}"
            )
        self.size, self.channels, self.latent = size, channels, latent
        scales = math.ceil(math.log2(size / COARSEST))
        widths = [width * min(WIDEST, 2**scale) for scale in range(scales)]
        coarse = size >> scales
        self._coarsest = (widths[-1], coarse, coarse)
        flat = widths[-1] * coarse**2
        pairs = list(zip([channels, *widths[:-1]], widths, strict=True))
        self.shrink = nn.ModuleList(_halve(before, after) for before, after in pairs)
        self.to_latent = _perceptron(flat, hidden, latent)
        self.from_latent = _perceptron(latent, hidden, flat)
        self.grow = nn.ModuleList(_double(after, before) for before, after in reversed(pairs))

    def encode(self, image: Tensor) -> Tensor:
        """E(x).

        Args:
            image: [batch, channel, size, size], about [0, 1].

        Returns:
            [batch, latent] in [0, 1].
        """
        features = 2 * image - 1
        for stage in self.shrink:
            features = stage(features)
        return self.to_latent(functional.relu(features).flatten(1)).sigmoid()

    def decode(self, latent: Tensor) -> Tensor:
        """G(z).

        Args:
            latent: [batch, latent] in [0, 1].

        Returns:
            [batch, channel, size, size] in [0, 1].
        """
        features = self.from_latent(2 * latent - 1).unflatten(1, self._coarsest)
        for stage in self.grow:
            features = stage(features)
        return features.sigmoid()

    def forward(self, image: Tensor) -> Tensor:
        """AE(x) = G(E(x)); image [batch, channel, size, size] to the same, in [0, 1]."""
        return self.decode(self.encode(image))


def _halve(before: int, after: int) -> nn.Sequential:
    fold = nn.Conv2d(4 * before, after, 3, padding=1)
    return nn.Sequential(nn.PixelUnshuffle(2), fold, ResidualBlock(after))


def _double(before: int, after: int) -> nn.Sequential:
    unfold = nn.Conv2d(before, 4 * after, 3, padding=1)
    return nn.Sequential(ResidualBlock(before), unfold, nn.PixelShuffle(2))


def _perceptron(before: int, hidden: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, after))
