"""The training of the default prior: a denoiser and the estimator of its noise level, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from genrestore.errors import UsageError
from genrestore.models.denoiser import ResidualUNet
from genrestore.models.noise_estimator import NoiseEstimator, spread
from genrestore.runtime import Runtime
from genrestore.training import camera, distributed, losses, optimisers
from genrestore.training.dataset import ImageSet, Pixels, at_least, sample_generator
from genrestore.training.degradation import MARGIN, Mixture, Sample, degrade, local_level, uniform
from genrestore.training.settings import LoopSettings, one_of
from genrestore.weights.header import Header, NetworkSpec

LEAST_LEVEL = 0.25 / 255
"""Noise below a quarter of a grey level counts as this much: it keeps the logarithm finite."""

GRADIENT_LIMIT = 0.1
"""Largest norm of a network's gradient, about twice the usual one.

Without it a rare batch leads an optimiser of orthogonalised momentum astray for dozens of steps.
"""

CAMERA_QUANTILE = 0.85
"""Of the noise level that the estimator finds for camera noise: coarse noise that is missed stays."""

VALIDATION_LEVELS = (15 / 255, 25 / 255, 50 / 255)


@dataclass(frozen=True)
class DenoiserSettings:
    """What makes one denoiser differ from another.

    Attributes:
        patch_size: Side of a training patch in pixels.
        widths: Feature maps of the U-Net at each scale, finest first.
        blocks: Residual blocks at each scale.
        estimator_width: Feature maps of the noise estimator at quarter resolution.
        loss: What a restored picture is judged by, a key of `losses.RECONSTRUCTION`.
        estimated_share: Share of the samples with camera noise whose noise level is the estimator's
            instead of the true one; of Gaussian samples a third of it.
        mixture: Shares of the kinds of noise.
    """

    patch_size: int = 64
    widths: tuple[int, ...] = (64, 96, 160, 256)
    blocks: tuple[int, ...] = (2, 1, 1, 2)
    estimator_width: int = 48
    loss: str = "absolute"
    estimated_share: float = 0.5
    mixture: Mixture = field(default_factory=Mixture)

    def __post_init__(self) -> None:
        check_network(self.patch_size, self.widths, self.blocks)
        one_of("loss", self.loss, tuple(losses.RECONSTRUCTION))


def check_network(patch_size: int, widths: Sequence[int], blocks: Sequence[int]) -> None:
    """Whether a U-Net can be built so, and patches of this side in pixels go through it.

    Raises:
        UsageError: One of them cannot be.
    """
    if patch_size < 16 or patch_size % 8:
        raise UsageError(f"--patch-size {patch_size}: must be a multiple of 8 and at least 16")
    if len(widths) != len(blocks):
        raise UsageError(f"--widths {list(widths)} and --blocks {list(blocks)} must have the same length")


class Batch(NamedTuple):
    """Tensors of one step, each [batch, ...] with the sample index first.

    Attributes:
        noisy: [batch, 3, height, width], about [0, 1].
        clean: [batch, 3, height, width] in [0, 1].
        level: True noise level around every pixel, [batch, 1, height, width], on the [0, 1] scale.
        estimated: [batch, 1, 1, 1], 1 where the denoiser gets the estimator's level.
        quantile: [batch, 1, 1, 1], which quantile of the level the estimator is to find.
    """

    noisy: Tensor
    clean: Tensor
    level: Tensor
    estimated: Tensor
    quantile: Tensor


class DenoiserTraining:
    """One training of the denoiser and its estimator, for `genrestore.training.loop`.

    Args:
        settings: The network and the noise.
        loop: Batch size, optimiser and seed.
        images: Clean photographs to train on.
        validation: Clean photographs kept out.
        runtime: Device and precision.
    """

    def __init__(
        self,
        settings: DenoiserSettings,
        loop: LoopSettings,
        images: ImageSet,
        validation: ImageSet,
        runtime: Runtime,
    ) -> None:
        torch.manual_seed(loop.seed)
        self.settings = settings
        self.loop = loop
        self.images = images
        self.validation = validation
        self.runtime = runtime
        self.denoiser = ResidualUNet(3, settings.widths, settings.blocks)
        self.estimator = NoiseEstimator(3, width=settings.estimator_width)
        self.networks: dict[str, nn.Module] = {"denoiser": self.denoiser, "estimator": self.estimator}
        for network in self.networks.values():
            network.to(device=runtime.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimisers: dict[str, Optimizer] = {"all": optimisers.make(self.networks, loop)}

    def header(self) -> Header:
        """What the weights file says of itself."""
        from genrestore import __version__

        shape = {"channels": 3, "widths": list(self.settings.widths), "blocks": list(self.settings.blocks)}
        estimator = {"channels": 3, "width": self.settings.estimator_width}
        return Header(
            kind="denoiser",
            networks={
                "denoiser": NetworkSpec("residual-unet", shape),
                "estimator": NetworkSpec("noise-estimator", estimator),
            },
            channels=3,
            size=None,
            training=asdict(self.settings),
            data="",
            licence="",
            source="genrestore train denoiser",
            version=__version__,
        )

    def batch(self, step: int, indices: Sequence[int]) -> Batch:
        """The samples of one step; a function of the seed, the step and each sample's index alone.

        Args:
            step: Steps done before this one.
            indices: Places of the samples in the whole batch.
        """
        samples, estimated, quantiles = [], [], []
        for index in indices:
            generator = sample_generator(self.loop.seed, step, index)
            patch = self.images.patch(generator, self.settings.patch_size + MARGIN)
            sample = degrade(patch, self.settings.mixture, generator)
            share = self.settings.estimated_share / (1 if sample.camera else 3)
            estimated.append(float(uniform(generator) < share))
            quantiles.append(CAMERA_QUANTILE if sample.camera else 0.5)
            samples.append(sample)
        return Batch(
            torch.stack([sample.noisy for sample in samples]),
            torch.stack([sample.clean for sample in samples]),
            torch.stack([sample.level for sample in samples]),
            torch.tensor(estimated).reshape(-1, 1, 1, 1),
            torch.tensor(quantiles).reshape(-1, 1, 1, 1),
        )

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """One update of both networks.

        Returns:
            The losses: "denoiser" (mean absolute error) and "estimator" (mean relative error).
        """
        noisy, clean, level, estimated, quantile = (tensor.to(self.runtime.device) for tensor in batch)
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        with self.runtime.autocast():
            log_level = self.estimator.log_level(noisy)
            guess = spread(log_level.detach(), noisy.shape[-2:])
            restored = self.denoiser(noisy, torch.where(estimated > 0, guess, level))
        truth = functional.avg_pool2d(level, 8).clamp(min=LEAST_LEVEL).log()
        estimator_loss = losses.relative_level(log_level, truth, quantile)
        denoiser_loss = losses.RECONSTRUCTION[self.settings.loss](restored.float(), clean)
        optimiser = self.optimisers["all"]
        optimiser.zero_grad(set_to_none=True)
        (denoiser_loss + 0.1 * estimator_loss).backward()
        distributed.average_gradients(
            parameter for network in self.networks.values() for parameter in network.parameters()
        )
        for network in self.networks.values():
            nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_LIMIT)
        optimiser.step()
        return {"denoiser": denoiser_loss.detach(), "estimator": estimator_loss.detach()}

    @torch.no_grad()
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """PSNR in dB on the images kept out, noise level given and estimated, and with camera noise.

        Args:
            networks: "denoiser" and "estimator", averaged weights.

        Returns:
            One number a noise level, "blind" (estimated, all levels), "camera", and their mean "score".
        """
        sums: dict[str, list[float]] = {}
        for index, image in enumerate(self.validation.images):
            for name, sample in _examinations(to_patch(image), index):
                given = self._psnr(networks, sample, estimated=name == "camera")
                sums.setdefault(name, []).append(given)
                if name != "camera":
                    sums.setdefault("blind", []).append(self._psnr(networks, sample, estimated=True))
        numbers = {name: sum(values) / len(values) for name, values in sums.items()}
        return {**numbers, "score": sum(numbers.values()) / len(numbers)}

    @torch.no_grad()
    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        """Noisy and restored in turn, of up to six images kept out: [batch, 3, height, width] in [0, 1]."""
        pictures = []
        for index, image in enumerate(self.validation.images[:6]):
            for name, sample in _examinations(to_patch(at_least(image, 128), 128), index):
                if name in ("50", "camera"):
                    restored = self._restore(networks, sample, estimated=True)
                    pictures += [sample.noisy.clamp(0, 1), restored.clamp(0, 1).cpu()]
        return torch.stack(pictures)

    def _restore(self, networks: Mapping[str, nn.Module], sample: Sample, *, estimated: bool) -> Tensor:
        noisy = sample.noisy[None].to(self.runtime.device).contiguous(memory_format=torch.channels_last)
        with self.runtime.autocast():
            level = networks["estimator"](noisy) if estimated else sample.level[None].to(noisy.device)
            restored: Tensor = networks["denoiser"](noisy, level)
        return restored.float()[0]

    def _psnr(self, networks: Mapping[str, nn.Module], sample: Sample, *, estimated: bool) -> float:
        restored = self._restore(networks, sample, estimated=estimated).clamp(0, 1)
        error = (restored - sample.clean.to(restored.device)).square().mean()
        return -10 * math.log10(max(float(error), 1e-10))


def to_patch(image: Pixels, side: int = 256) -> Tensor:
    """The middle of an image: uint8 [height, width, 3] to [3, ≤ side, ≤ side] in [0, 1].

    Sides are multiples of 16; an image below 16 pixels is continued by reflection.
    """
    image = at_least(image, 16)
    height, width = (min(side, length) // 16 * 16 for length in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    crop = image[top : top + height, left : left + width].transpose(2, 0, 1)
    return torch.from_numpy(crop.copy()).float() / 255


def _examinations(clean: Tensor, index: int) -> Iterator[tuple[str, Sample]]:
    """The same noise at every validation: each Gaussian level, then a camera at high sensitivity."""
    for sigma in VALIDATION_LEVELS:
        generator = torch.Generator().manual_seed(index)
        noisy = clean + sigma * torch.randn(clean.shape, generator=generator)
        yield f"{255 * sigma:.0f}", Sample(noisy, clean, torch.full_like(clean[:1], sigma), camera=False)
    generator = torch.Generator().manual_seed(index)
    noisy, rendered = camera.photograph(clean, camera.CameraSettings(), generator)
    yield "camera", Sample(noisy, rendered, local_level(noisy - rendered), camera=True)
