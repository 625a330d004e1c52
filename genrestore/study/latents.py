"""Images to latents and back: the autoencoder or generator of a weights file, ready to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from genrestore.errors import WeightsError
from genrestore.models.autoencoder import Autoencoder
from genrestore.models.dcgan import Generator
from genrestore.runtime import Runtime
from genrestore.weights.header import Header
from genrestore.weights.load import Loaded, load

ENCODED, SAMPLED = 500, 16
"""Images at once; always as many, so that a result does not depend on what else is computed."""


@dataclass(frozen=True)
class Encoder:
    """An autoencoder.

    Attributes:
        header: Of its weights file.
        network: On the device.
        device: Where it runs.
    """

    header: Header
    network: Autoencoder
    device: str

    def encode(self, images: Tensor) -> Tensor:
        """E(x): [image, channel, size, size], uint8 or in [0, 1], to [image, latent] in [0, 1] on the CPU."""
        return _in_parts(to_unit(images), self.network.encode, ENCODED, self.device)

    def reconstruct(self, images: Tensor) -> Tensor:
        """AE(x) = G(E(x)): [image, channel, size, size], uint8 or in [0, 1], to the same in [0, 1]."""
        return _in_parts(to_unit(images), self.network, ENCODED, self.device)

    def decode(self, latents: Tensor) -> Tensor:
        """G(z): [image, latent] in [0, 1] to [image, channel, size, size] in [0, 1]."""
        return _in_parts(latents, self.network.decode, ENCODED, self.device)


@dataclass(frozen=True)
class Sampler:
    """Source of images of latents: a generator, or the decoder of an autoencoder.

    Attributes:
        header: Of its weights file.
        network: The generator or the autoencoder, on the device.
        device: Where it runs.
    """

    header: Header
    network: Autoencoder | Generator
    device: str

    @property
    def covers(self) -> bool:
        """Tell whether every latent that `draw` gives was trained to be one of an image."""
        training = self.header.training
        own = training.get("autoencoder", training)  # where a restorer was trained after it
        return isinstance(self.network, Generator) or own.get("cover", "none") != "none"

    def draw(self, count: int, draws: torch.Generator) -> Tensor:
        """Random latents, [count, latent]: N(0, I) for a generator, uniform in [0, 1] for an autoencoder.

        One after the other, since a large draw of torch does not begin as a small one does.
        """
        draw = torch.rand if isinstance(self.network, Autoencoder) else torch.randn
        return torch.stack([draw(self.network.latent, generator=draws) for _ in range(count)])

    def between(self, first: Tensor, last: Tensor, steps: int) -> Tensor:
        """Interpolate between latents in equal steps.

        Linear for an autoencoder. For a generator the angle and the length change evenly, since the middle of
        two normal draws is shorter than almost all of them (White, "Sampling Generative Networks", 2016).

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

    def render(self, latent: Tensor) -> Tensor:
        """Images of latents [images, latent]: [images, channel, size, size], uint8, rounded."""
        make = self.network.decode if isinstance(self.network, Autoencoder) else self.network
        return (_in_parts(latent, make, SAMPLED, self.device).clamp(0, 1) * 255).round().byte()


def encoder(weights: str, runtime: Runtime) -> Encoder:
    """Autoencoder of a name in the store or a path.

    Raises:
        WeightsError: The weights are missing, damaged, or of another kind.
    """
    loaded = load(weights, runtime)
    network = loaded.networks.get("autoencoder")
    if loaded.header.kind != "autoencoder" or not isinstance(network, Autoencoder):
        raise WeightsError(
            f"weights '{weights}' are of kind '{loaded.header.kind}'; latents need an autoencoder, "
            "which genrestore train ae makes"
        )
    return Encoder(loaded.header, network, runtime.device)


def sampler(loaded: Loaded, weights: str, runtime: Runtime) -> Sampler:
    """Generator or decoder of loaded weights; `weights` is what the user calls them, for messages.

    Raises:
        WeightsError: They are of another kind.
    """
    network = loaded.networks.get("generator", loaded.networks.get("autoencoder"))
    if isinstance(network, Generator | Autoencoder):
        return Sampler(loaded.header, network, runtime.device)
    raise WeightsError(
        f"weights '{weights}' are of kind '{loaded.header.kind}'; samples need a generator or an "
        "autoencoder, which genrestore train gan and train ae make"
    )


def to_unit(images: Tensor) -> Tensor:
    """Images [image, channel, height, width], uint8 or floating point, as float32 on the [0, 1] scale."""
    return images.float() / 255 if images.dtype == torch.uint8 else images.float()


@torch.inference_mode()
def _in_parts(stack: Tensor, function: Callable[[Tensor], Tensor], count: int, device: str) -> Tensor:
    """A function of every item of [item, ...], `count` at once, as float32 on the CPU."""
    results = []
    for piece in stack.split(count):
        padded = torch.cat([piece, piece[:1].expand(count - len(piece), *piece.shape[1:])]).to(device)
        results.append(function(padded)[: len(piece)].float().cpu())
    return torch.cat(results)
