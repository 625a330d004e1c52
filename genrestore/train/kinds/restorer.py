"""The training of a restorer for an autoencoder that stays as it is: what damaged images were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genrestore.models.autoencoder import Autoencoder
from genrestore.models.restorer import STRONGEST, Restorer
from genrestore.runtime import Runtime
from genrestore.train.data import holes
from genrestore.train.data.dataset import ImageSet, Reading, mix, sample_generator
from genrestore.train.data.draws import uniform
from genrestore.train.kinds import losses
from genrestore.train.kinds.reconstruction import mean_psnr
from genrestore.train.loop import distributed, optimisers
from genrestore.train.loop.epochs import Epochs
from genrestore.train.loop.session import Kind
from genrestore.train.loop.settings import LoopSettings
from genrestore.weights import load
from genrestore.weights.header import Header, NetworkSpec
from genrestore.weights.load import Loaded

WITH_HOLES = 1 / 3
"""Share of the images that have missing pixels."""
CLEAN = 0.7
"""Share of those whose known pixels have no noise."""
LEVELS = {"strong": 63.75 / 255, "weak": 12.75 / 255}
"""σ of the noise that validation has."""
MISSING = 0.5
"""Share of the pixels that validation takes away."""
SHOWN = 8


@dataclass(frozen=True)
class RestorerSettings:
    """What makes one restorer differ from another.

    Attributes:
        width: Feature maps at half the size of the images.
    """

    width: int = 24


class Batch(NamedTuple):
    """What one step learns from.

    Attributes:
        clean: [batch, channel, size, size] in [0, 1].
        damaged: The same with noise as an 8-bit file has it, the same shape and range.
        known: 1 where a pixel is known, 0 where it is missing, [batch, 1, size, size].
        level: σ on the [0, 1] scale, [batch].
    """

    clean: Tensor
    damaged: Tensor
    known: Tensor
    level: Tensor


class RestorerTraining:
    """One training of a restorer (R, C) for an autoencoder's decoder G, for `genrestore.train.loop.loop`.

        E √ mean (x̂ − x)²  +  E √ mean (G(a) − x)²,     a, f = R(y, M, σ),  x̂ = C(f, G(a))

    y is x with noise of σ up to `STRONGEST`, clipped and rounded to 8 bits, or with missing pixels, or with
    both.

    Args:
        settings: The restorer.
        loop: Batch size, optimiser and seed.
        images: Images to train on, of the autoencoder's size and channels.
        validation: Images kept out.
        runtime: Device and precision.
        weights: The autoencoder.

    Raises:
        UsageError: Fewer images than a batch.
    """

    def __init__(
        self,
        settings: RestorerSettings,
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
        networks = {"autoencoder": weights.networks["autoencoder"], "restorer": Restorer(**self.arguments)}
        self.networks: dict[str, nn.Module] = {
            name: network.to(device=runtime.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for name, network in networks.items()
        }
        self.optimisers: dict[str, Optimizer] = {
            "restorer": optimisers.make({"restorer": self.networks["restorer"]}, loop)
        }

    @property
    def arguments(self) -> dict[str, int]:
        """Arguments of the restorer."""
        autoencoder = self.weights.header.networks["autoencoder"].arguments
        same = {name: autoencoder[name] for name in ("size", "channels", "latent")}
        return {**same, "width": self.settings.width}

    def header(self) -> Header:
        """What the weights file says of itself; "autoencoder" in `training` is what its file said."""
        from genrestore import __version__

        before = self.weights.header
        restorer = NetworkSpec("restorer", dict(self.arguments))
        return Header(
            kind="autoencoder",
            networks={"autoencoder": before.networks["autoencoder"], "restorer": restorer},
            channels=before.channels,
            size=before.size,
            training={
                **asdict(self.settings),
                "autoencoder": before.training,
                "error_99": before.training.get("error_99"),
            },
            data=before.data,
            licence=before.licence,
            source=before.source,
            version=__version__,
        )

    def batch(self, step: int, indices: Sequence[int]) -> Batch:
        """The samples of one step: every epoch takes each image once, in an order of its own.

        Args:
            step: Steps done before this one.
            indices: Places of the samples in the whole batch.
        """
        clean = self.images.take(step * self.loop.batch_size + index for index in indices)
        draws = [sample_generator(self.loop.seed, step, index) for index in indices]
        samples = [damage(image, generator) for image, generator in zip(clean, draws, strict=True)]
        damaged, known, level = (torch.stack(parts) for parts in zip(*samples, strict=True))
        return Batch(clean, damaged, known, level)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """One update.

        Returns:
            The parts of the loss: "restored" and "made" (by the decoder alone).
        """
        clean, *seen = (value.to(self.runtime.device) for value in batch)
        with self.runtime.autocast():
            made, restored = _restored(self.networks, *seen)
        numbers = {
            "restored": losses.root_mean_square(restored.float(), clean),
            "made": losses.root_mean_square(made.float(), clean),
        }
        optimiser = self.optimisers["restorer"]
        optimiser.zero_grad(set_to_none=True)
        (numbers["restored"] + numbers["made"]).backward()
        distributed.average_gradients(self.networks["restorer"].parameters())
        optimiser.step()
        return {name: value.detach() for name, value in numbers.items()}

    @torch.no_grad()
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """PSNR of images kept out that were damaged, always by the same draws.

        Args:
            networks: "autoencoder", and "restorer" with averaged weights.

        Returns:
            "strong" and "weak" (noise of `LEVELS`), "missing" (half of the pixels; known ones put back), in
            dB, and their mean "score".
        """
        clean = self.validation.float() / 255
        generator = torch.Generator().manual_seed(mix(self.loop.seed, -3))
        whole = torch.ones_like(clean[:, :1])
        scores = {}
        for name, level in LEVELS.items():
            damaged = noisy(clean, torch.full((len(clean),), level), generator)
            scores[name] = self._score(
                networks, Batch(clean, damaged, whole, torch.full((len(clean),), level))
            )
        known = (torch.rand(whole.shape, generator=generator) >= MISSING).float()
        scores["missing"] = self._score(networks, Batch(clean, clean, known, torch.zeros(len(clean))))
        return {**scores, "score": sum(scores.values()) / len(scores)}

    def _score(self, networks: Mapping[str, nn.Module], batch: Batch) -> float:
        errors = []
        for parts in zip(*(value.split(500) for value in batch), strict=True):
            clean, damaged, known, level = (value.to(self.runtime.device) for value in parts)
            _, restored = _restored(networks, damaged, known, level)
            if not bool(level.any()):
                restored = torch.where(known > 0, damaged, restored)
            errors.append((restored.clamp(0, 1) - clean).square().flatten(1).mean(1))
        return mean_psnr(torch.cat(errors))

    @torch.no_grad()
    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        """Up to 8 images kept out, each damaged, as the decoder alone makes it, restored, and clean.

        Returns:
            [batch, channel, size, size] in [0, 1].
        """
        clean = self.validation[:SHOWN].float() / 255
        draws = [sample_generator(self.loop.seed, -3, index) for index in range(len(clean))]
        parts = zip(*(damage(image, draw) for image, draw in zip(clean, draws, strict=True)), strict=True)
        damaged, known, level = (torch.stack(part).to(self.runtime.device) for part in parts)
        made, restored = _restored(networks, damaged, known, level)
        images = [damaged * known, made, restored.clamp(0, 1), clean.to(self.runtime.device)]
        return torch.stack(images, 1).flatten(0, 1).cpu()


def damage(clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Damage an image at random.

    Args:
        clean: [channel, size, size] in [0, 1].
        generator: Source of every random draw.

    Returns:
        Damaged, of the same shape and range; what is known, [1, size, size]; σ on the [0, 1] scale, a scalar.
    """
    size, level = clean.shape[-1], STRONGEST * torch.rand((), generator=generator)
    known = torch.ones(1, size, size)
    if uniform(generator) < WITH_HOLES:
        known = holes.draw(size, generator)
        level = level * (uniform(generator) >= CLEAN)
    return noisy(clean[None], level[None], generator)[0], known, level


def noisy(clean: Tensor, level: Tensor, generator: torch.Generator) -> Tensor:
    """Images [batch, channel, size, size] in [0, 1] with noise of σ [batch], as 8-bit files hold them."""
    noise = level[:, None, None, None] * torch.randn(clean.shape, generator=generator)
    return (255 * (clean + noise)).round().clamp(0, 255) / 255


def _restored(
    networks: Mapping[str, nn.Module], damaged: Tensor, known: Tensor, level: Tensor
) -> tuple[Tensor, Tensor]:
    """G(a) and x̂ of damaged images [batch, channel, size, size]."""
    autoencoder, restorer = networks["autoencoder"], networks["restorer"]
    assert isinstance(autoencoder, Autoencoder)
    assert isinstance(restorer, Restorer)
    coordinates, features = restorer.look(damaged, known, level)
    made = autoencoder.decode(autoencoder.from_standard(coordinates))
    return made, restorer.correct(features, made)


def kind(autoencoder: Path, steps: int, width: int, settings: LoopSettings) -> Kind:
    """What `session.run` trains, for one autoencoder.

    Args:
        autoencoder: Its weights file.
        steps: Updates.
        width: Of the restorer.
        settings: Of the autoencoder's training; what is not about its length is taken from it.

    Raises:
        WeightsError: The file is not there or damaged.
    """
    weights = load.load_file(autoencoder)
    header = weights.header
    loop = replace(
        settings,
        steps=steps,
        learning_rate=3e-3,
        warmup=min(100, steps // 10),
        schedule="trapezoid",
        cooldown=0.8,
        optimiser="muon",
        ema_decay=0.99,
    )
    build: Any = partial(RestorerTraining, weights=weights)
    reading = Reading(header.channels, header.size)
    return Kind("restorer", RestorerSettings(width), build, loop, lambda _: reading)
