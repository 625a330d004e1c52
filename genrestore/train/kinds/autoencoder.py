"""The training of the autoencoder: reconstruction, and latents that cover [0, 1]^d."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genrestore.errors import UsageError
from genrestore.models.autoencoder import SIZES, Autoencoder
from genrestore.models.blocks import keep_scale
from genrestore.runtime import Runtime
from genrestore.study import coverage
from genrestore.train.data.dataset import ImageSet, Reading, mix, sample_generator
from genrestore.train.kinds import losses, restorer
from genrestore.train.kinds.outliers import Recent, outlier
from genrestore.train.kinds.reconstruction import farthest, mean_psnr
from genrestore.train.loop import distributed, optimisers
from genrestore.train.loop.epochs import Epochs
from genrestore.train.loop.session import Kind
from genrestore.train.loop.settings import LoopSettings, one_of, require
from genrestore.weights.header import Header, NetworkSpec

LOOP = LoopSettings(
    steps=8000,
    batch_size=64,
    learning_rate=3e-3,
    warmup=100,
    schedule="trapezoid",
    cooldown=0.8,
    optimiser="muon",
    ema_decay=0.99,
    validate_every=1000,
    sample_every=1000,
)
"""The loop's settings, where the user says nothing else."""

MEASURED = 5000
"""Images to train on, at most, whose latents tell where those of the class lie."""


@dataclass(frozen=True)
class AutoencoderSettings:
    """What makes one autoencoder differ from another.

    Attributes:
        size: Side of the images in pixels, one of `models.autoencoder.SIZES`.
        channels: 1 (grey) or 3 (RGB).
        latent_dim: Numbers in the latent.
        width: Feature maps at half the size.
        hidden: Numbers in the hidden layers beside the latent.
        loss: What a reconstruction is judged by, a key of `losses.RECONSTRUCTION`.
        cover: What is asked of the latents, a key of `coverage.COVERAGES`.
        cover_weight: Loss = reconstruction + cover_weight · coverage.
        outliers: Images of no class beside those of a batch, as a share of it: their latents are to lie
            among the class's, if those are to cover anything.
        restorer_steps: Updates of the restorer that is trained after the autoencoder; 0 for no restorer.
        restorer_width: Its feature maps at half the size.
    """

    size: int = 28
    channels: int = 1
    latent_dim: int = 10
    width: int = 24
    hidden: int = 192
    loss: str = "root-mean-square"
    cover: str = "mmd"
    cover_weight: float = 1.5
    outliers: float = 0.5
    restorer_steps: int = 3000
    restorer_width: int = 24

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise UsageError(f"--size {self.size}: must be one of {', '.join(map(str, SIZES))}")
        if self.channels not in (1, 3):
            raise UsageError(f"--channels {self.channels}: must be 1 (grey) or 3 (RGB)")
        for name in ("latent_dim", "width", "hidden", "restorer_width"):
            require(name, getattr(self, name), 1, 4096)
        require("cover_weight", self.cover_weight, 0, 1e6)
        require("outliers", self.outliers, 0, 1)
        require("restorer_steps", self.restorer_steps, 0, 10**9)
        one_of("loss", self.loss, tuple(losses.RECONSTRUCTION))
        one_of("cover", self.cover, tuple(coverage.COVERAGES))

    @property
    def reading(self) -> Reading:
        """How the images are read."""
        return Reading(self.channels, self.size)


REPORT_LOOP = {"batch_size": 48, "schedule": "constant", "warmup": 0, "optimiser": "adamw", "ema_decay": 0.0}


def report(cover: str) -> tuple[float, dict[str, Any], dict[str, Any]]:
    """The recipe that `--recipe report` stands for.

    Args:
        cover: What is asked of the latents.

    Returns:
        Epochs, fields of the loop's settings, and fields of `AutoencoderSettings`. Its mean squared error is
        on [−1, 1], four times ours; 20 · 4 · error + coverage is error + coverage / 80 but for a factor that
        Adam does not see.
    """
    model = {
        "loss": "mean-square",
        "cover": cover,
        "cover_weight": 1 / 80,
        "outliers": 0.0,
        "restorer_steps": 0,
    }
    if cover == "none":
        return 50, {**REPORT_LOOP, "learning_rate": 1e-3}, model
    return 100, {**REPORT_LOOP, "learning_rate": 5e-4}, {**model, "latent_dim": 10}


class Batch(NamedTuple):
    """What one step learns from.

    Attributes:
        images: [batch, channel, size, size] in [0, 1].
        seed: Of what the whole batch draws; the same in every process, a scalar.
        outliers: Images of no class, fewer or as many: [outlier, channel, size, size] in [0, 1].
    """

    images: Tensor
    seed: Tensor
    outliers: Tensor


class AutoencoderTraining:
    """One training of an autoencoder, for `genrestore.train.loop.loop`.

    Args:
        settings: The network and its losses.
        loop: Batch size, optimiser and seed.
        images: Images to train on, all of the settings' size and channels.
        validation: Images kept out.
        runtime: Device and precision.

    Raises:
        UsageError: Fewer images than a batch.
    """

    def __init__(
        self,
        settings: AutoencoderSettings,
        loop: LoopSettings,
        images: ImageSet,
        validation: ImageSet,
        runtime: Runtime,
    ) -> None:
        self.images = Epochs(images, loop.batch_size, loop.seed)
        torch.manual_seed(loop.seed)
        self.settings, self.loop, self.runtime = settings, loop, runtime
        self.validation = validation.stack()
        self.error_99: float | None = None
        network = Autoencoder(**self.arguments)
        if loop.optimiser == "adamw":  # orthogonalised momentum finds the scale of a layer by itself
            network.apply(keep_scale)
        network.begin_at(self.images.pixels[:MEASURED].float().mean((0, 2, 3)) / 255)
        self.networks: dict[str, nn.Module] = {
            "autoencoder": network.to(device=runtime.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        }
        self.optimisers: dict[str, Optimizer] = {"all": optimisers.make(self.networks, loop)}
        if settings.cover != "none" and settings.outliers:
            self.networks["recent"] = Recent(settings.latent_dim).to(runtime.device)

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the network."""
        chosen = self.settings
        return {
            "size": chosen.size,
            "channels": chosen.channels,
            "latent": chosen.latent_dim,
            "width": chosen.width,
            "hidden": chosen.hidden,
            "bounded": chosen.cover != "none",
        }

    def header(self) -> Header:
        """What the weights file says of itself.

        "error_99" is `reconstruction.farthest` of √ mean (AE(x) − x)², as of the last validation.
        """
        from genrestore import __version__

        return Header(
            kind="autoencoder",
            networks={"autoencoder": NetworkSpec("autoencoder", dict(self.arguments))},
            channels=self.settings.channels,
            size=self.settings.size,
            training={**asdict(self.settings), "error_99": self.error_99},
            data="",
            licence="",
            source="genrestore train ae",
            version=__version__,
        )

    def batch(self, step: int, indices: Sequence[int]) -> Batch:
        """The images of one step: every epoch takes each image once, in an order of its own.

        Args:
            step: Steps done before this one.
            indices: Places of the samples in the whole batch.
        """
        images = self.images.take(step * self.loop.batch_size + index for index in indices)
        some = self.settings.outliers * self.loop.batch_size if "recent" in self.networks else 0
        made = [
            outlier(image, sample_generator(self.loop.seed, step, index))
            for image, index in zip(images, indices, strict=True)
            if index < some
        ]
        others = torch.stack(made) if made else images[:0]
        return Batch(images, torch.tensor(mix(self.loop.seed, step, -1)), others)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """One update.

        Returns:
            The losses: "reconstruction", and "coverage" if the latents are to cover anything; of images of no
            class "outliers".
        """
        network, images = self.networks["autoencoder"], batch.images.to(self.runtime.device)
        every = torch.cat([images, batch.outliers.to(images.device)])
        with self.runtime.autocast():
            latents = network.encode(every.contiguous(memory_format=torch.channels_last))  # type: ignore[operator]
            latent, others = latents.split([len(images), len(batch.outliers)])
            reconstruction = network.decode(latent)  # type: ignore[operator]
        numbers = {
            "reconstruction": losses.RECONSTRUCTION[self.settings.loss](reconstruction.float(), images)
        }
        loss = numbers["reconstruction"]
        if self.settings.cover != "none":
            draws = torch.Generator().manual_seed(int(batch.seed))
            everyone = distributed.gather(latent.float())
            numbers["coverage"] = coverage.COVERAGES[self.settings.cover](everyone, draws)
            loss = loss + self.settings.cover_weight * numbers["coverage"]
            if "recent" in self.networks:
                recent: Any = self.networks["recent"]
                numbers["outliers"] = recent.beyond(everyone, others.float())
                loss = loss + numbers["outliers"]
        optimiser = self.optimisers["all"]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(network.parameters())
        optimiser.step()
        return {name: value.detach() for name, value in numbers.items()}

    @torch.no_grad()
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """Reconstruction and coverage on the images kept out.

        Also lets the networks keep where the latents of the class lie (`Autoencoder.measure`).

        Args:
            networks: "autoencoder", averaged weights.

        Returns:
            "score", the mean of the PSNR of every reconstruction in dB; the least and the largest variance of
            a coordinate of the latents; and the sliced Wasserstein distance of the latents to the uniform
            distribution.
        """
        errors, latents = [], []
        for images in self.validation.split(500):
            clean = (images.float() / 255).to(self.runtime.device)
            latent = networks["autoencoder"].encode(clean)  # type: ignore[operator]
            result = networks["autoencoder"].decode(latent)  # type: ignore[operator]
            errors.append((result - clean).square().flatten(1).mean(1))
            latents.append(latent)
        self._measure(networks["autoencoder"])
        latent = torch.cat(latents).cpu()
        self.error_99 = farthest(torch.cat(errors))
        variance = coverage.statistics(latent)["variance"]
        return {
            "variance_least": float(variance.min()),
            "variance_largest": float(variance.max()),
            "to_uniform": float(coverage.sliced_wasserstein(latent, torch.Generator().manual_seed(0))),
            "score": mean_psnr(torch.cat(errors)),
        }

    def _measure(self, network: Any) -> None:
        """Both networks keep it: the average takes over what the one in training has."""
        pixels = self.images.pixels
        some = pixels[:: -(-len(pixels) // MEASURED)]
        latents = [network.encode((part.float() / 255).to(self.runtime.device)) for part in some.split(500)]
        trained: Any = self.networks["autoencoder"]
        for one in (network, trained):
            one.measure(torch.cat(latents))

    @torch.no_grad()
    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        """Up to 16 images kept out, each with its reconstruction, then as many decoded uniform latents.

        Returns:
            [batch, channel, size, size] in [0, 1].
        """
        network: Any = networks["autoencoder"]
        clean = (self.validation[:16].float() / 255).to(self.runtime.device)
        draws = torch.rand(2 * len(clean), self.settings.latent_dim, generator=self.runtime.generator())
        pairs = torch.stack([clean, network(clean)], 1).flatten(0, 1)
        return torch.cat([pairs, network.decode(draws.to(clean.device))]).cpu()


def _restorer(settings: AutoencoderSettings, loop: LoopSettings, best: Path) -> Kind | None:
    """What is trained after an autoencoder."""
    if settings.restorer_steps == 0:
        return None
    return restorer.kind(best, settings.restorer_steps, settings.restorer_width, loop)


KIND = Kind(
    "autoencoder",
    AutoencoderSettings(),
    AutoencoderTraining,
    LOOP,
    lambda settings: settings.reading,
    then=_restorer,
)
"""What `session.run` trains."""
