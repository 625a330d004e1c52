"""Images of latents: drawn at random, on the way from one to another, or given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrestore.errors import WeightsError
from genrestore.models.autoencoder import Autoencoder
from genrestore.models.dcgan import Generator
from genrestore.runtime import Runtime
from genrestore.weights.header import Header
from genrestore.weights.load import Loaded

BATCH = 16
"""Images at once; always as many, so that an image does not depend on what else is made."""


@dataclass(frozen=True)
class Sampler:
    """What makes images of latents: a generator, or the decoder of an autoencoder.

    Attributes:
        header: What its weights file says of itself.
        network: The generator or the autoencoder.
        make: Latents [batch, latent] to images [batch, channel, size, size] in [0, 1].
        device: Where it runs.
    """

    header: Header
    network: Autoencoder | Generator
    make: Callable[[Tensor], Tensor]
    device: str

    @property
    def covers(self) -> bool:
        """Whether every latent that `draw` gives was trained to be one of an image."""
        training = self.header.training
        told = training.get("autoencoder", training)  # where a restorer was trained after it
        return isinstance(self.network, Generator) or told.get("cover", "none") != "none"

    def draw(self, count: int, draws: torch.Generator) -> Tensor:
        """Random latents, [count, latent]: N(0, I) for a generator, uniform in [0, 1] for an autoencoder.

        One after the other, since a large draw of torch does not begin as a small one does.
        """
        draw = torch.rand if isinstance(self.network, Autoencoder) else torch.randn
        return torch.stack([draw(self.network.latent, generator=draws) for _ in range(count)])

    def between(self, first: Tensor, last: Tensor, steps: int) -> Tensor:
        """The way from one latent to another in equal steps.

        A straight line for an autoencoder. For a generator the angle and the length change evenly, since
        the middle of two normal draws is shorter than almost all of them
        (White, "Sampling Generative Networks", 2016).

        Args:
            first: [rows, latent].
            last: [rows, latent].
            steps: Latents on each way, both ends included; at least 2.

        Returns:
            [rows · steps, latent], row by row.
        """
        share = torch.linspace(0, 1, steps)[None, :, None]
        if isinstance(self.network, Autoencoder):
            return torch.lerp(first[:, None], last[:, None], share).flatten(0, 1)
        start, end = (functional.normalize(one, dim=1)[:, None] for one in (first, last))
        angle = (start * end).sum(-1, keepdim=True).clamp(-1, 1).acos().clamp(min=1e-4)
        direction = (((1 - share) * angle).sin() * start + (share * angle).sin() * end) / angle.sin()
        length = torch.lerp(first.norm(dim=1)[:, None, None], last.norm(dim=1)[:, None, None], share)
        return (direction * length).flatten(0, 1)

    @torch.inference_mode()
    def render(self, latent: Tensor) -> Tensor:
        """Images of latents.

        Args:
            latent: [images, latent].

        Returns:
            [images, channel, size, size], uint8, rounded.
        """
        results = []
        for piece in latent.split(BATCH):
            batch = torch.cat([piece, piece[:1].expand(BATCH - len(piece), -1)]).to(self.device)
            results.append(self.make(batch)[: len(piece)].float().cpu())
        return (torch.cat(results).clamp(0, 1) * 255).round().byte()


def sampler(loaded: Loaded, weights: str, runtime: Runtime) -> Sampler:
    """What makes images with these weights.

    Args:
        loaded: A generator's or an autoencoder's.
        weights: What the user calls them, for messages.
        runtime: Gives the device.

    Raises:
        WeightsError: They are of another kind.
    """
    network: nn.Module | None = loaded.networks.get("generator", loaded.networks.get("autoencoder"))
    if isinstance(network, Generator):
        return Sampler(loaded.header, network, network, runtime.device)
    if isinstance(network, Autoencoder):
        return Sampler(loaded.header, network, network.decode, runtime.device)
    raise WeightsError(
        f"weights '{weights}' are of kind '{loaded.header.kind}'; samples need a generator or an "
        "autoencoder, which genrestore train gan and train ae make"
    )
