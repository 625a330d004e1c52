"""Images to latents and back, with the autoencoder of a weights file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from genrestore.errors import WeightsError
from genrestore.models.autoencoder import Autoencoder
from genrestore.runtime import Runtime
from genrestore.weights.header import Header
from genrestore.weights.load import load

Function = Callable[[Tensor], Tensor]

BATCH = 500
"""Images at once; always as many, so that a latent does not depend on what else is encoded."""


@dataclass(frozen=True)
class Encoder:
    """An autoencoder, ready to run.

    Attributes:
        header: What its weights file says of itself.
        network: On the runtime's device.
        device: Where it runs.
    """

    header: Header
    network: Autoencoder
    device: str

    @property
    def size(self) -> int:
        """Side of its images in pixels."""
        return self.network.size

    @property
    def channels(self) -> int:
        """Channels of its images."""
        return self.network.channels

    @property
    def dimensions(self) -> int:
        """Numbers in a latent."""
        return self.network.latent

    def encode(self, images: Tensor) -> Tensor:
        """E(x).

        Args:
            images: [image, channel, size, size], uint8, or floating point in [0, 1].

        Returns:
            [image, latent] in [0, 1], float32 on the CPU.
        """
        return self._map(images, self.network.encode)

    def reconstruct(self, images: Tensor) -> Tensor:
        """AE(x) = G(E(x)).

        Args:
            images: [image, channel, size, size], uint8, or floating point in [0, 1].

        Returns:
            The same shape, float32 in [0, 1] on the CPU.
        """
        return self._map(images, self.network)

    def decode(self, latents: Tensor) -> Tensor:
        """G(z): [image, latent] in [0, 1] to [image, channel, size, size] in [0, 1]."""
        return self._map(latents, self.network.decode)

    @torch.inference_mode()
    def _map(self, stack: Tensor, function: Function) -> Tensor:
        results = []
        for piece in stack.split(BATCH):
            batch = to_unit(piece).to(self.device)
            padded = torch.cat([batch, batch[:1].expand(BATCH - len(batch), *batch.shape[1:])])
            results.append(function(padded)[: len(batch)].float().cpu())
        return torch.cat(results)


def to_unit(images: Tensor) -> Tensor:
    """Images [image, channel, height, width], uint8 or floating point, as float32 on the [0, 1] scale."""
    return images.float() / 255 if images.dtype == torch.uint8 else images.float()


def load_encoder(weights: str, runtime: Runtime) -> Encoder:
    """Load an autoencoder.

    Args:
        weights: A name in the store or a path.
        runtime: Gives the device.

    Raises:
        WeightsError: The weights are missing, corrupted, or of another kind.
    """
    loaded = load(weights, runtime)
    network = loaded.networks.get("autoencoder")
    if loaded.header.kind != "autoencoder" or not isinstance(network, Autoencoder):
        raise WeightsError(
            f"weights '{weights}' are of kind '{loaded.header.kind}'; latents need an autoencoder, "
            "which genrestore train ae makes"
        )
    return Encoder(loaded.header, network, runtime.device)
