"""The training of an encoder for a generator that stays as it is: where the inversion of an image starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genrestore.models.dcgan import LatentEncoder
from genrestore.runtime import Runtime
from genrestore.train.data.dataset import ImageSet, Reading, mix
from genrestore.train.kinds import losses
from genrestore.train.kinds.reconstruction import farthest, mean_psnr
from genrestore.train.loop import distributed, optimisers
from genrestore.train.loop.epochs import Epochs
from genrestore.train.loop.session import Kind
from genrestore.train.loop.settings import LoopSettings
from genrestore.weights import load
from genrestore.weights.header import Header, NetworkSpec
from genrestore.weights.load import Loaded

IMAGE_WEIGHT = 10.0
"""Loss = latents + `IMAGE_WEIGHT` · images: squares of latents are near 1, of pixels near a tenth."""
SHOWN = 16


@dataclass(frozen=True)
class EncoderSettings:
    """What makes one encoder differ from another.

    Attributes:
        width: Feature maps are multiples of it.
    """

    width: int = 32


class Batch(NamedTuple):
    """What one step learns from.

    Attributes:
        images: Real ones, [batch, channel, size, size] in [0, 1].
        latent: Of as many images that the generator makes, [batch, latent], N(0, I).
    """

    images: Tensor
    latent: Tensor


class EncoderTraining:
    """One training of an encoder E for a generator G, for `genrestore.train.loop.loop`.

        E ‖E(G(z)) − z‖² / d  +  w ( E ‖G(E(x)) − x‖² + E ‖G(E(G(z))) − G(z)‖² ) / pixels,     z ~ N(0, I)

    The generator's own images tell the latent, and there are as many as one likes; real ones x, which no
    latent gives exactly, are learned from by what becomes of them.

    Args:
        settings: The encoder.
        loop: Batch size, optimiser and seed.
        images: Images to train on, of the generator's size and channels.
        validation: Images kept out.
        runtime: Device and precision.
        weights: The generator.

    Raises:
        UsageError: Fewer images than a batch.
    """

    def __init__(
        self,
        settings: EncoderSettings,
        loop: LoopSettings,
        images: ImageSet,
        validation: ImageSet,
        runtime: Runtime,
        *,
        weights: Loaded,
    ) -> None:
        self.images = Epochs(images, loop.batch_size, loop.seed)
        torch.manual_seed(loop.seed)
        self.settings, self.loop, self.runtime = settings, loop, runtime
        self.validation = validation.stack()
        self.weights = weights
        self.error_99: float | None = None
        networks = {"generator": weights.networks["generator"], "encoder": LatentEncoder(**self.arguments)}
        self.networks: dict[str, nn.Module] = {
            name: network.to(device=runtime.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for name, network in networks.items()
        }
        self.optimisers: dict[str, Optimizer] = {
            "encoder": optimisers.make({"encoder": self.networks["encoder"]}, loop)
        }

    @property
    def arguments(self) -> dict[str, int]:
        """Arguments of the encoder: the generator's, but for its width."""
        generator = self.weights.header.networks["generator"].arguments
        return {**generator, "width": self.settings.width}

    def header(self) -> Header:
        """What the weights file says of itself; "generator" in `training` is what its file said.

        "error_99" is `reconstruction.farthest` of √ mean (G(E(x)) − x)², as of the last validation.
        """
        from genrestore import __version__

        before = self.weights.header
        encoder = NetworkSpec("latent-encoder", dict(self.arguments))
        return Header(
            kind="generator",
            networks={"generator": before.networks["generator"], "encoder": encoder},
            channels=before.channels,
            size=before.size,
            training={**asdict(self.settings), "generator": before.training, "error_99": self.error_99},
            data=before.data,
            licence=before.licence,
            source=before.source,
            version=__version__,
        )

    def batch(self, step: int, indices: Sequence[int]) -> Batch:
        """Images and latents of one step: every epoch takes each image once, in an order of its own.

        Args:
            step: Steps done before this one.
            indices: Places of the samples in the whole batch.
        """
        size = self.loop.batch_size
        draws = torch.Generator().manual_seed(mix(self.loop.seed, step, -1))
        latent = torch.randn(size, self.arguments["latent"], generator=draws)
        return Batch(self.images.take(step * size + index for index in indices), latent[list(indices)])

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """One update.

        Returns:
            The parts of the loss: "latent", "own" (the generator's images) and "real", squares.
        """
        generator, encoder = self.networks["generator"], self.networks["encoder"]
        latent, real = (value.to(self.runtime.device) for value in (batch.latent, batch.images))
        with self.runtime.autocast():
            with torch.no_grad():
                made = generator(latent)
            images = torch.cat([made, real]).contiguous(memory_format=torch.channels_last)
            found = encoder(images)
            again = generator(found)
        count = len(made)
        numbers = {
            "latent": losses.mean_square(found[:count], latent),
            "own": losses.mean_square(again[:count], made),
            "real": losses.mean_square(again[count:], real),
        }
        loss = numbers["latent"] + IMAGE_WEIGHT * (numbers["own"] + numbers["real"])
        optimiser = self.optimisers["encoder"]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(encoder.parameters())
        optimiser.step()
        return {name: value.detach() for name, value in numbers.items()}

    @torch.no_grad()
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """What becomes of images kept out.

        Args:
            networks: "generator", and "encoder" with averaged weights.

        Returns:
            "score", the mean PSNR of G(E(x)) in dB.
        """
        errors = []
        for images in self.validation.split(500):
            clean = (images.float() / 255).to(self.runtime.device)
            errors.append((_there_and_back(networks, clean) - clean).square().flatten(1).mean(1))
        self.error_99 = farthest(torch.cat(errors))
        return {"score": mean_psnr(torch.cat(errors))}

    @torch.no_grad()
    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        """Up to 16 images kept out, each with what becomes of it, and as many of the generator's own.

        Returns:
            [batch, channel, size, size] in [0, 1].
        """
        real = (self.validation[:SHOWN].float() / 255).to(self.runtime.device)
        draws = torch.Generator().manual_seed(mix(self.loop.seed, -3))
        latent = torch.randn(len(real), self.arguments["latent"], generator=draws)
        clean = torch.cat([real, networks["generator"](latent.to(self.runtime.device))])
        return torch.stack([clean, _there_and_back(networks, clean)], 1).flatten(0, 1).cpu()


def _there_and_back(networks: Mapping[str, nn.Module], images: Tensor) -> Tensor:
    """G(E(x)) of images [batch, channel, size, size] in [0, 1]."""
    result: Tensor = networks["generator"](networks["encoder"](images))
    return result


def kind(generator: Path, steps: int, width: int, settings: LoopSettings) -> Kind:
    """What `session.run` trains, for one generator.

    Args:
        generator: Its weights file.
        steps: Updates.
        width: Of the encoder.
        settings: Of the generator's training; batch size and seed are taken from it.

    Raises:
        WeightsError: The file is not there or damaged.
    """
    weights = load.load_file(generator)
    header = weights.header
    loop = LoopSettings(
        steps=steps,
        batch_size=settings.batch_size,
        learning_rate=1e-3,
        warmup=min(100, steps // 10),
        schedule="trapezoid",
        cooldown=0.5,
        seed=settings.seed,
        log_every=settings.log_every,
        validate_every=settings.validate_every,
        sample_every=settings.sample_every,
        save_every=settings.save_every,
        save_minutes=settings.save_minutes,
        workers=settings.workers,
    )
    build: Any = partial(EncoderTraining, weights=weights)
    reading = Reading(header.channels, header.size)
    return Kind("encoder", EncoderSettings(width), build, loop, lambda _: reading)
