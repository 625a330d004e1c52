"""The restorer: what a damaged image of an autoencoder's class was, in one pass."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrestore.models.autoencoder import COARSEST, SIZES, WIDEST
from genrestore.models.denoiser import ResidualBlock, as_noise_map

STRONGEST = 100 / 255
"""σ of the strongest noise that it is trained on, on the [0, 1] scale."""
SQUEEZED = 16
"""Feature maps that the latent is told from."""
SCALE = 4.0
"""σ is shown so many times as large: noise of 64 grey levels is about 1."""


class Restorer(nn.Module):
    """An encoder for damaged images, and what corrects the decoder's answer to it.

        a, features = R(y, M, σ),     x̂ = C(features, G(a))

    A U-shaped network on pixels folded into channels, with a residual block at every scale on the way down,
    two at the coarsest, and on the way up one at every scale but two at the finest. At the coarsest scale it
    tells the latent's standard coordinates a; what the decoder makes of them is shown to it on its way up, so
    that it keeps what both y and the decoder know. Source of the shape: Ronneberger et al., "U-Net", 2015.

    Args:
        size: Side of the images in pixels, one of `SIZES`.
        channels: 1 (grey) or 3 (RGB).
        latent: Numbers in the latent.
        width: Feature maps at half the size; twice and then four times as many at the coarser scales.

    Raises:
        ValueError: A value that no restorer can have.
    """

    def __init__(self, size: int, channels: int, latent: int, width: int = 24) -> None:
        super().__init__()
        if size not in SIZES or channels not in (1, 3) or min(latent, width) < 1:
            raise ValueError(
                f"no restorer of size {size}, {channels} channels, latent {latent}, width {width}"
            )
        self.size, self.channels, self.latent = size, channels, latent
        scales = math.ceil(math.log2(size / COARSEST))
        widths = [width * min(WIDEST, 2**scale) for scale in range(scales)]
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.head = nn.Conv2d(4 * (channels + 1) + 1, width, 3, padding=1)
        self.down = nn.ModuleList(_halve(before, after) for before, after in pairs)
        self.middle = nn.Sequential(ResidualBlock(widths[-1]), ResidualBlock(widths[-1]), nn.ReLU())
        self.squeeze = nn.Conv2d(widths[-1], SQUEEZED, 1)
        self.to_latent = nn.Linear(SQUEEZED * (size >> scales) ** 2, latent)
        self.up = nn.ModuleList(_double(after, before) for before, after in reversed(pairs))
        self.mix = nn.Conv2d(width + 4 * channels, width, 3, padding=1)
        self.tail = nn.Sequential(
            ResidualBlock(width),
            ResidualBlock(width),
            nn.ReLU(),
            nn.Conv2d(width, 4 * channels, 3, padding=1),
        )

    def look(self, damaged: Tensor, known: Tensor, noise_level: Tensor) -> tuple[Tensor, Tensor]:
        """R(y, M, σ).

        Args:
            damaged: y, [batch, channel, size, size], about [0, 1]; what stands in missing pixels is not seen.
            known: M, 1 where a pixel is known and 0 where it is missing, [batch, 1, size, size].
            noise_level: σ on the [0, 1] scale, [batch] or a scalar.

        Returns:
            Standard coordinates of the latent, [batch, latent], and features [batch, width, size/2, size/2].
        """
        seen = torch.cat([(2 * damaged - 1) * known, known], 1)
        folded = functional.pixel_unshuffle(seen, 2)
        features = self.head(torch.cat([folded, as_noise_map(SCALE * noise_level, folded)], 1))
        ways = []
        for stage in self.down:
            ways.append(features)
            features = stage(features)
        features = self.middle(features)
        coordinates = self.to_latent(functional.relu(self.squeeze(features)).flatten(1))
        for stage, way in zip(self.up, reversed(ways), strict=True):
            features = stage(features) + way
        return coordinates, features

    def correct(self, features: Tensor, decoded: Tensor) -> Tensor:
        """C, the estimate.

        Args:
            features: As `look` gives them, [batch, width, size/2, size/2].
            decoded: What the decoder makes of the coordinates, [batch, channel, size, size] in [0, 1].

        Returns:
            x̂, [batch, channel, size, size], about [0, 1].
        """
        shown = functional.pixel_unshuffle(2 * decoded - 1, 2)
        estimate: Tensor = self.tail(self.mix(torch.cat([features, shown], 1)))
        return functional.pixel_shuffle(estimate, 2)


def _halve(before: int, after: int) -> nn.Sequential:
    fold = nn.Conv2d(4 * before, after, 3, padding=1)
    return nn.Sequential(ResidualBlock(before), nn.ReLU(), nn.PixelUnshuffle(2), fold)


def _double(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, 4 * after, 3, padding=1), nn.PixelShuffle(2))
