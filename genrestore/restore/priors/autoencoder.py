"""The autoencoder as a prior: images of one class and size are those that it gives back."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from genrestore.models.autoencoder import Autoencoder
from genrestore.models.restorer import STRONGEST, Restorer
from genrestore.restore.priors.padding import BATCH
from genrestore.restore.shifts import mean_over_shifts
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
        loaded: Network "autoencoder", and where there is one "restorer".
        runtime: Device and seed.

    Raises:
        ValueError: A network that is missing, of another class, or not made for the other one.

    Attributes:
        channels: Channels of the images.
        size: Their side in pixels.
        runtime: Device and seed.
    """

    def __init__(self, loaded: Loaded, runtime: Runtime) -> None:
        network = loaded.networks.get("autoencoder")
        if not isinstance(network, Autoencoder):
            raise ValueError("no network 'autoencoder' of the class Autoencoder")
        restorer = loaded.networks.get("restorer")
        if restorer is not None:
            if not isinstance(restorer, Restorer):
                raise ValueError("its network 'restorer' is not of the class Restorer")
            for name in ("size", "channels", "latent"):
                if getattr(network, name) != getattr(restorer, name):
                    raise ValueError(f"its networks 'autoencoder' and 'restorer' differ in {name}")
        self.network, self._restorer = network, restorer
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

    def restores(self, noise_level: float) -> bool:
        """Whether there is a restorer, and one for noise of this σ on the [0, 1] scale."""
        return self._restorer is not None and noise_level <= STRONGEST

    @torch.no_grad()
    def restored(self, damaged: Tensor, known: Tensor | None, noise_level: float) -> tuple[Tensor, Tensor]:
        """What the restorer says of damaged pictures; only where `restores`.

        The latent is that of the picture as it is, the estimate the mean over pictures moved by a pixel.

        Args:
            damaged: y, [batch, channel, size, size] on the [0, 1] scale.
            known: 1 where a pixel is known, [batch, 1, size, size]; None: every pixel.
            noise_level: σ on the [0, 1] scale.

        Returns:
            Standard coordinates of the latent, [batch, latent]; the estimate, of y's shape, in [0, 1].
        """
        image = damaged.clamp(0, 1)
        there = torch.ones_like(image[:, :1]) if known is None else known
        coordinates, _ = self._see(image, there, noise_level)
        estimate = mean_over_shifts(lambda y, m: self._see(y, m, noise_level)[1], image, there)
        return coordinates, estimate.clamp(0, 1)

    def _see(self, image: Tensor, known: Tensor, noise_level: float) -> tuple[Tensor, Tensor]:
        """What the restorer says once: coordinates and estimate, as `restored` gives them."""
        assert self._restorer is not None
        level = torch.full_like(image[:, 0, 0, 0], noise_level)
        coordinates, features = self._restorer.look(image, known, level)
        estimate: Tensor = self._restorer.correct(features, self.decode(coordinates))
        return coordinates, estimate

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
