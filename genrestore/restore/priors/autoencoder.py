"""The autoencoder as a prior: images of one class and size are those that it gives back."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from genrestore.models.autoencoder import Autoencoder
from genrestore.restore.priors.padding import BATCH
from genrestore.runtime import Runtime
from genrestore.weights.load import Loaded

SAMPLES = 16 * BATCH
"""Images of its own making that the prior is measured by, where nothing else is told."""
FARTHEST = 0.99
"""Quantile of their distances that a picture of its class stays below."""


class AutoencoderPrior:
    """R(x) = ‖AE(x) − x‖²: 0 where the autoencoder gives x back.

    Sources: Bigdeli and Zwicker, "Image Restoration using Autoencoding Priors", 2017.

    Args:
        loaded: Network "autoencoder".
        runtime: Device and seed.

    Raises:
        ValueError: A network that is missing or of another class.

    Attributes:
        channels: Channels of the images.
        size: Their side in pixels.
        runtime: Device and seed.
    """

    def __init__(self, loaded: Loaded, runtime: Runtime) -> None:
        network = loaded.networks.get("autoencoder")
        if not isinstance(network, Autoencoder):
            raise ValueError("no network 'autoencoder' of the class Autoencoder")
        self.network = network
        self.channels, self.size = network.channels, network.size
        self.runtime = runtime
        self._training = loaded.header.training

    def value(self, image: Tensor) -> Tensor:
        """R(x) = ‖AE(x) − x‖² of each picture [batch, channel, size, size] in [0, 1]: [batch]."""
        return (self.network(image) - image).square().flatten(1).sum(1)

    def reconstruct(self, image: Tensor) -> Tensor:
        """AE(x) of [batch, channel, size, size] in [0, 1]; the same shape and range."""
        reconstruction: Tensor = self.network(image)
        return reconstruction

    def decode(self, coordinates: Tensor) -> Tensor:
        """G(z) of standard coordinates [batch, latent]: [batch, channel, size, size] in [0, 1]."""
        return self.network.decode(self.network.from_standard(coordinates))

    def coordinates(self, image: Tensor) -> Tensor:
        """Standard coordinates of E(x), x [batch, channel, size, size] in [0, 1]: [batch, latent]."""
        return self.network.standard(self.network.encode(image))

    @cached_property
    def own_distance(self) -> float:
        """√ mean (AE(x) − x)² that 99 of 100 images of its class stay below.

        Measured in training on images kept out; for weights that do not tell it, on images of its own making,
        G(z) with the class's z.
        """
        told = self._training.get("error_99")
        return told if isinstance(told, float) else self._distance_of_samples()

    def _distance_of_samples(self) -> float:
        draws = torch.randn(SAMPLES, self.network.latent, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            made = [self.decode(some.to(self.runtime.device)) for some in draws.split(BATCH)]
            distances = torch.cat([self.distance(image) for image in made])
        return float(torch.quantile(distances.float(), FARTHEST))

    def distance(self, image: Tensor) -> Tensor:
        """√ mean (AE(x) − x)² of each picture [batch, channel, size, size] in [0, 1]: [batch]."""
        return (self.value(image) / image[0].numel()).sqrt()
