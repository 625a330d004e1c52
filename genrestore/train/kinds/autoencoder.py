"""Training of the autoencoder: reconstruction, and latents that cover [0, 1]^d."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from genrestore.models.denoiser import keep_scale
from genrestore.study import coverage
from genrestore.train import distributed
from genrestore.train.data.draws import mix, sample_generator
from genrestore.train.data.out_of_class import out_of_class
from genrestore.train.kinds import AutoencoderSettings, losses
from genrestore.train.kinds.base import ClassTraining, evenly
from genrestore.weights.header import NetworkSpec

MEASURED = 5000
"""Images to train on, at most, whose latents tell where those of the class lie."""
REMEMBERED = 4096
"""Latents of the class that are kept to compare with."""


class Batch(NamedTuple):
    """Samples of one step.

    Attributes:
        images: [batch, channel, size, size] in [0, 1].
        seed: Of what the whole batch draws; the same in every process, a scalar.
        others: Out-of-class images, fewer or as many: [other, channel, size, size] in [0, 1].
    """

    images: Tensor
    seed: Tensor
    others: Tensor


class AutoencoderTraining(ClassTraining[AutoencoderSettings, Batch]):
    """Training of an autoencoder AE(x) = G(E(x)).

    reconstruction(AE(x), x)  +  w · coverage(E(x))  +  how much farther out-of-class latents are
    """

    PRIOR, COMMAND = "autoencoder", "ae"
    LEARNING: ClassVar = {"all": ("autoencoder",)}

    def specs(self) -> dict[str, NetworkSpec]:
        """The autoencoder."""
        chosen = self.settings
        arguments = {
            "size": chosen.size,
            "channels": chosen.channels,
            "latent": chosen.latent_dim,
            "width": chosen.width,
            "hidden": chosen.hidden,
            "bounded": chosen.hidden_norm and chosen.cover != "none",
        }
        return {"autoencoder": NetworkSpec("autoencoder", arguments)}

    def build(self) -> dict[str, nn.Module]:
        """The autoencoder, which begins at the mean image; and a memory of latents, if they are to cover."""
        self.factors["coverage"] = self.settings.cover_weight
        networks = super().build()
        network: Any = networks["autoencoder"]
        if self.loop.optimiser == "adamw":  # orthogonalised momentum finds the scale of a layer by itself
            network.apply(keep_scale)
        network.begin_at(evenly(self.images.pixels, MEASURED).float().mean((0, 2, 3)) / 255)
        if self.settings.cover != "none" and self.settings.outliers:
            networks["recent"] = LatentMemory(self.settings.latent_dim)
        return networks

    def record(self) -> dict[str, Any]:
        """The settings, and √ mean (AE(x) − x)² that 99 in 100 images kept out stay below, as "error_99"."""
        return {**super().record(), "error_99": self.error_99}

    @property
    def others(self) -> int:
        """Out-of-class images of a whole batch."""
        return math.ceil(self.settings.outliers * self.loop.batch_size)

    def batch(self, step: int, indices: Sequence[int]) -> Batch:
        """Images of one step, and out-of-class images made of some of them."""
        images = self.take(step, indices)
        some = self.others if "recent" in self.networks else 0
        outliers = [
            out_of_class(image, sample_generator(self.loop.seed, step, index))
            for image, index in zip(images, indices, strict=True)
            if index < some
        ]
        others = torch.stack(outliers) if outliers else images[:0]
        return Batch(images, torch.tensor(mix(self.loop.seed, step, -1)), others)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Update by "reconstruction", "coverage" if latents are to cover, and "outliers" (out-of-class)."""
        network: Any = self.networks["autoencoder"]
        images, others = self.on_device(batch.images, batch.others)
        with self.runtime.autocast():
            every = torch.cat([images, others]).contiguous(memory_format=torch.channels_last)
            latent, beyond = network.encode(every).split([len(images), len(others)])
            reconstruction = network.decode(latent)
        loss = losses.RECONSTRUCTION[self.settings.loss]
        found = {"reconstruction": loss(reconstruction.float(), images)}
        if self.settings.cover != "none":
            draws = torch.Generator().manual_seed(int(batch.seed))
            everyone = distributed.gather(latent.float())
            found["coverage"] = coverage.COVERAGES[self.settings.cover](everyone, draws)
            if "recent" in self.networks:
                memory: Any = self.networks["recent"]
                share = self.others / distributed.world_size()  # one process may have all of them
                found["outliers"] = memory.excess_distance(everyone, beyond.float()).sum() / share
        return self.learn(found)

    @torch.no_grad()
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """Reconstruction and coverage on the images kept out.

        Also lets the networks keep where the latents of the class lie (`Autoencoder.measure`).

        Returns:
            "score", the mean of the PSNR of every reconstruction in dB; the least and the largest variance of
            a coordinate of the latents; and the sliced Wasserstein distance of the latents to the uniform
            distribution.
        """
        network: Any = networks["autoencoder"]
        errors, latents = [], []
        for clean in self.parts(self.validation):
            latents.append(network.encode(clean))
            errors.append(losses.errors(network.decode(latents[-1]), clean))
        self._measure(network)
        latent = torch.cat(latents).cpu()
        variance = coverage.statistics(latent)["variance"]
        return {
            "variance_least": float(variance.min()),
            "variance_largest": float(variance.max()),
            "to_uniform": float(coverage.sliced_wasserstein(latent, torch.Generator().manual_seed(0))),
            **self.figures(errors),
        }

    def _measure(self, network: Any) -> None:
        """Both networks keep it: the average takes over what the one in training has."""
        some = evenly(self.images.pixels, MEASURED)
        latents = torch.cat([network.encode(part) for part in self.parts(some)])
        trained: Any = self.networks["autoencoder"]
        for one in (network, trained):
            one.measure(latents)

    @torch.no_grad()
    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        """Up to 16 images kept out, each with its reconstruction, then as many decoded uniform latents.

        Returns:
            [batch, channel, size, size] in [0, 1].
        """
        network: Any = networks["autoencoder"]
        (clean,) = self.on_device(self.validation[:16].float() / 255)
        draws = torch.rand(2 * len(clean), self.settings.latent_dim, generator=self.runtime.generator())
        pairs = torch.stack([clean, network(clean)], 1).flatten(0, 1)
        return torch.cat([pairs, network.decode(draws.to(clean.device))]).cpu()


class LatentMemory(nn.Module):
    """Memory bank of the last latents of the class, kept in checkpoints.

        max(0, d(o) − m),     d the distance to the nearest of them, m the class's own mean d

    A batch is too small to tell whether a latent lies among those of the class; thousands tell.

    Args:
        latent: Numbers in a latent.
    """

    latents: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.register_buffer("latents", torch.rand(REMEMBERED, latent))

    def excess_distance(self, latents: Tensor, others: Tensor) -> Tensor:
        """How much farther out-of-class latents are from the memory than the class is.

        Args:
            latents: Of the class, [batch, latent]; they are remembered from now on.
            others: Of out-of-class images, [other, latent], through which gradients flow.

        Returns:
            [other], 0 where one is among them.
        """
        there, latents = self.latents.clone(), latents.detach()[:REMEMBERED]
        usual = torch.cdist(latents, there).amin(1).mean()
        self.latents.copy_(torch.cat([there[len(latents) :], latents]))
        return (torch.cdist(others, there).amin(1) - usual).relu()
