"""The autoencoder: images of one class and size to a few numbers in [0, 1], and back."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrestore.models.denoiser import ResidualBlock

SIZES = (28, 32, 64, 128)
"""Sides of the images that it can be built for: halved some times they are 7 or 8."""
COARSEST = 8
WIDEST = 4
"""Times `width`: feature maps at the coarsest scales."""
EDGE = 1e-3
"""A latent this near to 0 or 1 counts as this near: its logit stays finite."""
LOGISTIC = math.pi / math.sqrt(3)
"""Standard deviation of the logit of a uniform number."""


class Autoencoder(nn.Module):
    """AE(x) = G(E(x)): a convolutional encoder E, a sigmoid latent in [0, 1]^d, a decoder G.

    Both work on pixels folded into channels, and have a residual block at every scale from half the size
    down to 7 or 8 pixels, where one hidden layer joins the feature maps to the latent.

    It also knows where the latents of its class lie: their logits about μ + L a, with a from N(0, I)
    (`measure`; before that as if they were uniform). a are the latent's standard coordinates.

    Args:
        size: Side of the images in pixels, one of `SIZES`.
        channels: 1 (grey) or 3 (RGB).
        latent: Numbers in the latent, d.
        width: Feature maps at half the size; twice and then four times as many at the coarser scales.
        hidden: Numbers in the hidden layers beside the latent.
        bounded: Bring the encoder's hidden layer to a mean square of 1 (Zhang and Sennrich, "Root Mean Square
            Layer Normalization", 2019), so that images of no class do not drive all coordinates of the latent
            to 0 or 1 at once, where no image of the class lies.

    Raises:
        ValueError: A value that no autoencoder can have.
    """

    centre: Tensor
    spread: Tensor

    def __init__(
        self,
        size: int,
        channels: int,
        latent: int,
        width: int = 24,
        hidden: int = 256,
        bounded: bool = False,
    ) -> None:
        super().__init__()
        if size not in SIZES or channels not in (1, 3) or min(latent, width, hidden) < 1:
            raise ValueError(
                f"no autoencoder of size {size}, {channels} channels, latent {latent}, width {width}, "
                f"hidden {hidden}"
            )
        self.size, self.channels, self.latent, self.bounded = size, channels, latent, bounded
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
        self.register_buffer("centre", torch.zeros(latent))
        self.register_buffer("spread", LOGISTIC * torch.eye(latent))

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
        hidden = self.to_latent[:-1](functional.relu(features).flatten(1))
        if self.bounded:
            hidden = functional.rms_norm(hidden, hidden.shape[1:])
        return self.to_latent[-1](hidden).sigmoid()

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

    @torch.no_grad()
    def begin_at(self, level: Tensor) -> None:
        """Let every decoded image begin about as bright as the images are.

        Else the first thing to learn is how dark they are, which can drive every sigmoid to where it has no
        gradient any more.

        Args:
            level: Mean of each channel over the images, [channel] in [0, 1].
        """
        last: Any = self.grow[-1][1]  # type: ignore[index]
        logit = torch.logit(level.to(last.bias), EDGE)
        last.bias.copy_(logit.repeat_interleave(len(last.bias) // self.channels))

    @torch.no_grad()
    def measure(self, latent: Tensor) -> None:
        """Keep where the latents of the class lie: μ and L with L Lᵀ = (1 − s) C + s · mean(diag C) · I.

        C is the covariance of their logits, s = d / (n + d): few images say little of how coordinates go
        together.

        Args:
            latent: Of n images of the class, [image, latent] in [0, 1].
        """
        logit = torch.logit(latent.double(), EDGE)
        centred = logit - logit.mean(0)
        covariance = centred.T @ centred / len(logit)
        share = self.latent / (len(logit) + self.latent)
        level = covariance.diagonal().mean().clamp(min=EDGE**2)
        plain = level * torch.eye(self.latent, dtype=logit.dtype, device=logit.device)
        self.centre.copy_(logit.mean(0))
        self.spread.copy_(torch.linalg.cholesky((1 - share) * covariance + share * plain))

    def standard(self, latent: Tensor) -> Tensor:
        """a = L⁻¹ (logit z − μ) of latents [batch, latent] in [0, 1]: [batch, latent], about N(0, I)."""
        logit = torch.logit(latent, EDGE) - self.centre
        coordinates: Tensor = torch.linalg.solve_triangular(self.spread, logit.T, upper=False).T
        return coordinates

    def from_standard(self, coordinates: Tensor) -> Tensor:
        """z = sigmoid(μ + L a) of standard coordinates a, [batch, latent]: [batch, latent] in [0, 1]."""
        return (self.centre + coordinates @ self.spread.T).sigmoid()

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
