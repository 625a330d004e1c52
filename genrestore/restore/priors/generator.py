"""The generator as a prior: images of one class and size are those that it makes, x = G(z)."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from genrestore.models.dcgan import Generator, LatentEncoder
from genrestore.restore.priors.padding import by_batches
from genrestore.restore.priors.tangents import along
from genrestore.runtime import Runtime
from genrestore.weights.load import Loaded

SAMPLES = 256
"""Images of its own making that the prior is measured by, where nothing else is told."""
FARTHEST = 0.99
"""Quantile of their distances that an image of its class stays below."""


class GeneratorPrior:
    """x = G(z) with z from N(0, I): an image is one that the generator makes, or none.

    Source: Bora et al., "Compressed Sensing using Generative Models", 2017.

    Args:
        loaded: Networks "generator", and "encoder", which tells where a search for z begins.
        runtime: Device and seed.

    Raises:
        ValueError: A network that is missing, of another class, or not made for the other one.

    Attributes:
        generator: G.
        channels: Channels of the images.
        size: Their side in pixels.
        latent: Numbers in z.
        runtime: Device and seed.
    """

    def __init__(self, loaded: Loaded, runtime: Runtime) -> None:
        generator, encoder = loaded.networks.get("generator"), loaded.networks.get("encoder")
        if not isinstance(generator, Generator):
            raise ValueError("no network 'generator' of the class Generator")
        if not isinstance(encoder, LatentEncoder):
            raise ValueError("no network 'encoder' of the class LatentEncoder")
        for name in ("size", "channels", "latent"):
            if getattr(generator, name) != getattr(encoder, name):
                raise ValueError(f"its networks 'generator' and 'encoder' differ in {name}")
        self.generator, self._encoder = generator, encoder
        self.channels, self.size, self.latent = generator.channels, generator.size, generator.latent
        self.runtime = runtime
        self._training = loaded.header.training

    def generate(self, latent: Tensor) -> Tensor:
        """G(z) of [batch, latent]: [batch, channel, size, size] in [0, 1]."""
        return by_batches(self.generator, latent)

    def encode(self, image: Tensor) -> Tensor:
        """E(x), of which G makes about x: [batch, channel, size, size] in [0, 1] to [batch, latent]."""
        return by_batches(self._encoder, image)

    def jacobian(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """An image and its slopes, forward through the network in all directions of z at once.

        Args:
            latent: z, [1, latent].

        Returns:
            G(z), [1, channel, size, size], and ∂G/∂z, [channel · size · size, latent].
        """
        start = latent[:, :, None, None]
        directions = torch.eye(self.latent, device=latent.device)[:, :, None, None]
        value, slopes = along(self.generator.layers, start, directions)
        image = (value.tanh() + 1) / 2
        return image, (2 * image * (1 - image) * slopes).flatten(1).T

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """z from N(0, I), [count, latent], the same on every device."""
        return torch.randn(count, self.latent, generator=generator).to(self.runtime.device)

    @cached_property
    @torch.no_grad()
    def own_distance(self) -> float:
        """√ mean (G(E(x)) − x)² that 99 of 100 images of its class stay below.

        Measured in training on images kept out; for weights that do not tell it, on images of its own making.
        """
        told = self._training.get("error_99")
        if isinstance(told, float):
            return told
        made = self.generate(self.draw(SAMPLES, torch.Generator().manual_seed(0)))
        distance = (self.generate(self.encode(made)) - made).square().flatten(1).mean(1).sqrt()
        return float(torch.quantile(distance, FARTHEST))
