"""The training of a generator against a discriminator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from genrestore.errors import UsageError
from genrestore.models.dcgan import SIZES, Discriminator, Generator
from genrestore.runtime import Runtime
from genrestore.train.data.augment import AUGMENTATIONS
from genrestore.train.data.dataset import ImageSet, Reading, mix
from genrestore.train.kinds import encoder, losses
from genrestore.train.kinds.collapse import Alarm
from genrestore.train.kinds.distance import multi_scale
from genrestore.train.loop import distributed, optimisers
from genrestore.train.loop.epochs import Epochs
from genrestore.train.loop.session import Kind
from genrestore.train.loop.settings import LoopSettings, one_of, require
from genrestore.weights.header import Header, NetworkSpec

LOOP = LoopSettings(
    steps=10_000,
    batch_size=64,
    learning_rate=2e-4,
    warmup=0,
    schedule="trapezoid",
    cooldown=0.3,
    ema_decay=0.999,
    validate_every=1000,
    sample_every=1000,
)
"""The loop's settings, where the user says nothing else."""

NORMALISATIONS = ("batch", "spectral")
LAZY = 16
"""The gradient penalty is computed at every so many steps and counts so many times
(Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020, section 3.1)."""
COMPARED = 2048
"""At most so many images kept out are compared with as many samples."""
SHOWN = 64
"""Samples of fixed latents in a picture."""


@dataclass(frozen=True)
class GanSettings:
    """What makes one generator differ from another.

    Attributes:
        size: Side of the images in pixels, one of `models.dcgan.SIZES`.
        channels: 1 (grey) or 3 (RGB).
        latent_dim: Numbers in the latent.
        width: Feature maps of both networks are multiples of it.
        loss: A key of `losses.ADVERSARIAL`.
        d_steps: Updates of the discriminator for each of the generator.
        d_rate: Learning rate of the discriminator, as a multiple of the generator's.
        d_norm: The discriminator's normalisation, one of `NORMALISATIONS`.
        d_deeper: Whether the discriminator halves once more than the generator doubles.
        r1: γ: the discriminator's loss has γ/2 · R1 besides.
        momentum: β₁ of AdamW.
        augment: What the discriminator's images go through, keys of `augment.AUGMENTATIONS`.
        mirror: Whether real images are mirrored at random.
        encoder_steps: Updates of the encoder that is trained after the generator; 0 for no encoder.
        encoder_width: Feature maps of the encoder are multiples of it.
    """

    size: int = 28
    channels: int = 1
    latent_dim: int = 100
    width: int = 64
    loss: str = "non-saturating"
    d_steps: int = 1
    d_rate: float = 1.0
    d_norm: str = "batch"
    d_deeper: bool = True
    r1: float = 0.0
    momentum: float = 0.5
    augment: tuple[str, ...] = ()
    mirror: bool = False
    encoder_steps: int = 3000
    encoder_width: int = 32

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise UsageError(f"--size {self.size}: must be one of {', '.join(map(str, SIZES))}")
        if self.channels not in (1, 3):
            raise UsageError(f"--channels {self.channels}: must be 1 (grey) or 3 (RGB)")
        for name, low, high in (
            ("latent_dim", 1, 4096),
            ("width", 1, 4096),
            ("d_steps", 1, 100),
            ("d_rate", 1e-3, 1e3),
            ("r1", 0, 1e6),
            ("momentum", 0, 0.999),
            ("encoder_steps", 0, 10**9),
            ("encoder_width", 1, 4096),
        ):
            require(name, getattr(self, name), low, high)
        one_of("loss", self.loss, tuple(losses.ADVERSARIAL))
        one_of("d_norm", self.d_norm, NORMALISATIONS)
        for name in self.augment:
            one_of("augment", name, tuple(AUGMENTATIONS))

    @property
    def reading(self) -> Reading:
        """How the images are read."""
        return Reading(self.channels, self.size)


class Batch(NamedTuple):
    """What one step learns from.

    Attributes:
        images: For each update of the discriminator, [updates, batch, channel, size, size] in [0, 1].
        latents: For each of them, the last for the generator's update too, [updates, batch, latent], N(0, I).
        penalised: Whether the gradient penalty is due, a scalar.
    """

    images: Tensor
    latents: Tensor
    penalised: Tensor


class GanTraining:
    """One training of a generator, for `genrestore.train.loop.loop`.

    Args:
        settings: The networks and their losses.
        loop: Batch size, optimiser and seed.
        images: Images to train on, all of the settings' size and channels.
        validation: Images kept out.
        runtime: Device and precision.

    Raises:
        UsageError: Fewer images than a batch.
    """

    def __init__(
        self,
        settings: GanSettings,
        loop: LoopSettings,
        images: ImageSet,
        validation: ImageSet,
        runtime: Runtime,
    ) -> None:
        self.images = Epochs(images, loop.batch_size, loop.seed)
        torch.manual_seed(loop.seed)
        self.settings, self.loop, self.runtime = settings, loop, runtime
        self.validation = validation.stack()[:COMPARED]
        self.alarm = Alarm()
        shape = (settings.channels, settings.size, settings.width)
        networks = {
            "generator": Generator(**self.arguments),
            "discriminator": Discriminator(*shape, settings.d_norm == "spectral", settings.d_deeper),
        }
        self.networks: dict[str, nn.Module] = {
            name: network.to(device=runtime.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for name, network in networks.items()
        }
        rates = {"generator": loop.learning_rate, "discriminator": loop.learning_rate * settings.d_rate}
        self.optimisers: dict[str, Optimizer] = {
            name: optimisers.make(
                {name: network}, replace(loop, learning_rate=rates[name]), (settings.momentum, 0.999)
            )
            for name, network in self.networks.items()
        }

    @property
    def arguments(self) -> dict[str, int]:
        """Arguments of the generator."""
        chosen = self.settings
        return {
            "latent": chosen.latent_dim,
            "channels": chosen.channels,
            "size": chosen.size,
            "width": chosen.width,
        }

    def header(self) -> Header:
        """What the weights file says of itself; the discriminator stays in the checkpoint."""
        from genrestore import __version__

        return Header(
            kind="generator",
            networks={"generator": NetworkSpec("dcgan-generator", dict(self.arguments))},
            channels=self.settings.channels,
            size=self.settings.size,
            training=asdict(self.settings),
            data="",
            licence="",
            source="genrestore train gan",
            version=__version__,
        )

    def batch(self, step: int, indices: Sequence[int]) -> Batch:
        """Images and latents of one step: every epoch takes each image once, in an order of its own.

        Args:
            step: Steps done before this one.
            indices: Places of the samples in the whole batch.
        """
        updates, size, seed = self.settings.d_steps, self.loop.batch_size, self.loop.seed
        first = step * updates * size
        places = [first + update * size + index for update in range(updates) for index in indices]
        images = self.images.take(places).unflatten(0, (updates, -1))
        draws = torch.Generator().manual_seed(mix(seed, step, -1))
        latents = torch.randn(updates, size, self.settings.latent_dim, generator=draws)
        if self.settings.mirror:
            mirrored = torch.rand(updates, size, generator=draws)[:, list(indices)] < 0.5
            images = torch.where(mirrored[..., None, None, None], images.flip(-1), images)
        penalised = torch.tensor(self.settings.r1 > 0 and step % LAZY == 0)
        return Batch(images, latents[:, list(indices)], penalised)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """The updates of the discriminator, then one of the generator.

        Returns:
            "discriminator" and "generator", their losses, the first as a mean over its updates and without
            penalty; and the norm of the generator's gradient.

        Raises:
            Diverged: The discriminator is certain, and has been for long.
        """
        images, latents = (value.to(self.runtime.device) for value in (batch.images, batch.latents))
        last, parts = len(images) - 1, []
        for update, (real, latent) in enumerate(zip(images, latents, strict=True)):
            with self.runtime.autocast(), torch.set_grad_enabled(update == last):
                made = self.networks["generator"](latent)
            parts.append(self._discriminate(real, made.detach(), bool(batch.penalised)))
        loss = torch.stack(parts).mean()
        numbers = {"discriminator": loss, **self._generate(made)}
        self.alarm.watch(loss, numbers["generator_gradient"])
        return numbers

    def _discriminate(self, images: Tensor, made: Tensor, penalised: bool) -> Tensor:
        """One update of the discriminator; its loss, a scalar, without penalty."""
        discriminator = self.networks["discriminator"]
        with self.runtime.autocast():
            real, fake = discriminator(self._augment(images)), discriminator(self._augment(made))
        loss = losses.ADVERSARIAL[self.settings.loss].discriminator(real, fake)
        total = loss
        if penalised:
            inputs = self._augment(images).requires_grad_()
            penalty = losses.gradient_penalty(discriminator(inputs), inputs)
            total = loss + LAZY * self.settings.r1 / 2 * penalty
        self._update("discriminator", total)
        return loss.detach()

    def _generate(self, made: Tensor) -> dict[str, Tensor]:
        """One update of the generator, which made these images as it is now."""
        generator, discriminator = self.networks["generator"], self.networks["discriminator"]
        discriminator.requires_grad_(False)
        with self.runtime.autocast():
            logits = discriminator(self._augment(made))
        loss = losses.ADVERSARIAL[self.settings.loss].generator(logits)
        self._update("generator", loss)
        discriminator.requires_grad_(True)
        gradients = [parameter.grad for parameter in generator.parameters() if parameter.grad is not None]
        return {"generator": loss.detach(), "generator_gradient": get_total_norm(gradients)}

    def _augment(self, images: Tensor) -> Tensor:
        for name in self.settings.augment:
            images = AUGMENTATIONS[name](images)
        return images.contiguous(memory_format=torch.channels_last)

    def _update(self, name: str, loss: Tensor) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(self.networks[name].parameters())
        optimiser.step()

    @torch.no_grad()
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """How far samples are from images kept out.

        Args:
            networks: "generator", averaged weights.

        Returns:
            "score", minus the distance of `distance.multi_scale`; and "diversity", the standard deviation of
            a pixel over the samples, relative to that over the images.
        """
        real = self.validation.float() / 255
        made = torch.cat([part.cpu() for part in self._sample(networks["generator"], len(real))])
        score = -float(multi_scale(made, real, torch.Generator().manual_seed(0)))
        spread = [float(images.std(0).mean()) for images in (made, real)] if len(real) > 1 else [1.0, 1.0]
        return {"diversity": spread[0] / max(spread[1], 1e-9), "score": score}

    @torch.no_grad()
    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        """Images of the same latents every time.

        Returns:
            [batch, channel, size, size] in [0, 1].
        """
        return torch.cat(self._sample(networks["generator"], SHOWN)).cpu()

    def _sample(self, generator: nn.Module, count: int) -> list[Tensor]:
        draws = torch.Generator().manual_seed(mix(self.loop.seed, -3))
        latents = torch.randn(count, self.settings.latent_dim, generator=draws)
        return [generator(part.to(self.runtime.device)) for part in latents.split(256)]


def _encoder(settings: GanSettings, loop: LoopSettings, best: Path) -> Kind | None:
    """What is trained after the generator."""
    if settings.encoder_steps == 0:
        return None
    return encoder.kind(best, settings.encoder_steps, settings.encoder_width, loop)


KIND = Kind("generator", GanSettings(), GanTraining, LOOP, lambda settings: settings.reading, then=_encoder)
"""What `session.run` trains."""


def report() -> tuple[float, dict[str, Any], dict[str, Any]]:
    """The recipe that `--recipe report` stands for.

    Returns:
        Epochs, fields of the loop's settings, and fields of `GanSettings`.
    """
    loop = {
        "batch_size": 128,
        "learning_rate": 2e-4,
        "warmup": 0,
        "schedule": "constant",
        "optimiser": "adamw",
        "ema_decay": 0.0,
    }
    discriminator = {"d_norm": "batch", "d_deeper": False, "d_rate": 1.0, "r1": 0.0}
    model = {"latent_dim": 100, "width": 64, "momentum": 0.5, "augment": (), "mirror": False}
    return 15, loop, {**model, **discriminator}
