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
from genrestore.train.data import camera
from genrestore.train.data.correlated import CorrelatedNoise, Spectrum, correlated_noise
from genrestore.train.data.dataset import ImageSet, Pixels, at_least, sample_generator
from genrestore.train.data.degradation import MARGIN, Mixture, Sample, degrade, local_level
from genrestore.train.data.draws import chance, uniform
from genrestore.train.kinds import losses
from genrestore.train.loop import distributed, optimisers
from genrestore.train.loop.settings import LoopSettings, one_of
from genrestore.weights.header import Header, NetworkSpec

LEAST_LEVEL = 0.25 / 255
"""Noise below a quarter of a grey level counts as this much: it keeps the logarithm finite."""

GRADIENT_LIMIT = 0.1
"""Largest norm of a network's gradient, about twice the usual one.

Without it a rare batch leads an optimiser of orthogonalised momentum astray for dozens of steps.
"""

COLOURED_QUANTILE = (0.7, 0.5)
"""Of the noise level of luma and of chroma that the estimator finds where noise is not white. Grain that is
missed stays, and the harm is greater than of a level too high; colour at too high a level is washed out."""

LEVELS = 2
"""Planes of noise levels: luma and chroma."""

MISTAKE = 0.45
"""Standard deviation of the error of log σ, where the denoiser is told a level that is not right."""

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
        estimated_share: Share of the samples of coloured noise whose noise level is the estimator's; of
            white ones a third of it.
        misled_share: Share of the samples of coloured noise whose noise level is one number, or one for luma
            and one for chroma, each with an error; of white ones half of it.
        only: "estimator" trains the estimator of the noise level alone, "" both networks.
        mixture: Shares of the kinds of noise.
    """

    patch_size: int = 64
    widths: tuple[int, ...] = (64, 96, 160, 256)
    blocks: tuple[int, ...] = (2, 1, 1, 2)
    estimator_width: int = 48
    loss: str = "absolute"
    estimated_share: float = 0.4
    misled_share: float = 0.5
    only: str = ""
    mixture: Mixture = field(default_factory=Mixture)

    def __post_init__(self) -> None:
        check_network(self.patch_size, self.widths, self.blocks)
        one_of("loss", self.loss, tuple(losses.RECONSTRUCTION))
        one_of("only", self.only, ("", "estimator"))


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
        level: True noise level of luma and chroma around every pixel, [batch, 2, height, width], on the
            [0, 1] scale.
        told: What the denoiser is told of it, the same shape.
        estimated: [batch, 1, 1, 1]: 1 where the denoiser is told the estimator's level around every pixel
            instead, 2 where it is told the middle of those.
        quantile: [batch, 2, 1, 1], which quantile of each level the estimator is to find.
    """

    noisy: Tensor
    clean: Tensor
    level: Tensor
    told: Tensor
    estimated: Tensor
    quantile: Tensor


class DenoiserTraining:
    """One training of the denoiser and its estimator, for `genrestore.train.loop.loop`.

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
        self.denoiser = ResidualUNet(3, settings.widths, settings.blocks, LEVELS)
        self.estimator = NoiseEstimator(3, width=settings.estimator_width, levels=LEVELS)
        self.networks: dict[str, nn.Module] = {"denoiser": self.denoiser, "estimator": self.estimator}
        for network in self.networks.values():
            network.to(device=runtime.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if settings.only:
            self.denoiser.requires_grad_(False)
        self.learning = {
            name: self.networks[name] for name in (settings.only and [settings.only]) or self.networks
        }
        self.optimisers: dict[str, Optimizer] = {"all": optimisers.make(self.learning, loop)}

    def header(self) -> Header:
        """What the weights file says of itself."""
        from genrestore import __version__

        widths, blocks = list(self.settings.widths), list(self.settings.blocks)
        shape = {"channels": 3, "widths": widths, "blocks": blocks, "levels": LEVELS}
        estimator = {"channels": 3, "width": self.settings.estimator_width, "levels": LEVELS}
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
        samples, told, estimated = [], [], []
        for index in indices:
            generator = sample_generator(self.loop.seed, step, index)
            patch = self.images.patch(generator, self.settings.patch_size + MARGIN)
            sample = degrade(patch, self.settings.mixture, generator)
            level, guessed = self._tell(sample, generator)
            samples.append(sample)
            told.append(level)
            estimated.append(guessed)
        return Batch(
            torch.stack([sample.noisy for sample in samples]),
            torch.stack([sample.clean for sample in samples]),
            torch.stack([sample.level for sample in samples]),
            torch.stack(told),
            torch.tensor(estimated).reshape(-1, 1, 1, 1),
            torch.tensor([(0.5, 0.5) if s.white else COLOURED_QUANTILE for s in samples])[..., None, None],
        )

    def _tell(self, sample: Sample, generator: torch.Generator) -> tuple[Tensor, int]:
        """The noise level that the denoiser is told, and which of the estimator's it is instead, if any."""
        estimated = self.settings.estimated_share / (3 if sample.white else 1)
        misled = self.settings.misled_share / (2 if sample.white else 1)
        kind = uniform(generator)
        if kind < estimated:
            return sample.level, 1 if chance(generator, 0.5) else 2
        if kind < estimated + misled:
            return mistaken(sample.level, generator), 0
        return sample.level, 0

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """One update of the networks that learn.

        Returns:
            The losses: "estimator" (mean relative error), and "denoiser" (mean error) unless it is at rest.
        """
        noisy, clean, level, told, estimated, quantile = (tensor.to(self.runtime.device) for tensor in batch)
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        with self.runtime.autocast():
            log_level = self.estimator.log_level(noisy)
        truth = functional.avg_pool2d(level, 8).clamp(min=LEAST_LEVEL).log()
        found = {"estimator": losses.relative_level(log_level, truth, quantile)}
        total = 0.1 * found["estimator"]
        if "denoiser" in self.learning:
            guess = log_level.detach()
            middle = guess.flatten(2).median(2).values[..., None, None]
            guess = spread(torch.where(estimated == 2, middle, guess), noisy.shape[-2:])
            with self.runtime.autocast():
                restored = self.denoiser(noisy, torch.where(estimated > 0, guess, told))
            found["denoiser"] = losses.RECONSTRUCTION[self.settings.loss](restored.float(), clean)
            total = total + found["denoiser"]
        optimiser = self.optimisers["all"]
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        distributed.average_gradients(
            parameter for network in self.learning.values() for parameter in network.parameters()
        )
        for network in self.learning.values():
            nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_LIMIT)
        optimiser.step()
        return {name: loss.detach() for name, loss in found.items()}

    @torch.no_grad()
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """PSNR in dB on the images kept out, noise level given and estimated.

        Args:
            networks: "denoiser" and "estimator", averaged weights.

        Returns:
            One number a level of white noise, given; "blind" (the same, estimated, all levels); "camera",
            "film" (correlated noise) and "jpeg", estimated; "misled" (film, told twice its level); and the
            mean of them, "score".
        """
        sums: dict[str, list[float]] = {}
        for index, image in enumerate(self.validation.images):
            for name, sample in _examinations(to_patch(image), index):
                blind = self._psnr(networks, sample)
                sums.setdefault("blind" if sample.white else name, []).append(blind)
                if sample.white:
                    sums.setdefault(name, []).append(self._psnr(networks, sample, sample.level))
                if name == "film":
                    twice = torch.full_like(sample.level, 2 * float(overall(sample.level)))
                    sums.setdefault("misled", []).append(self._psnr(networks, sample, twice))
        numbers = {name: sum(values) / len(values) for name, values in sums.items()}
        return {**numbers, "score": sum(numbers.values()) / len(numbers)}

    @torch.no_grad()
    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        """Noisy and restored in turn, of up to six images kept out: [batch, 3, height, width] in [0, 1]."""
        pictures = []
        for index, image in enumerate(self.validation.images[:6]):
            for name, sample in _examinations(to_patch(at_least(image, 128), 128), index):
                if name in ("50", "camera"):
                    restored = self._restore(networks, sample)
                    pictures += [sample.noisy.clamp(0, 1), restored.clamp(0, 1).cpu()]
        return torch.stack(pictures)

    def _restore(
        self, networks: Mapping[str, nn.Module], sample: Sample, told: Tensor | None = None
    ) -> Tensor:
        """The estimate [3, height, width], told a level [2, height, width] or the estimator's."""
        noisy = sample.noisy[None].to(self.runtime.device).contiguous(memory_format=torch.channels_last)
        with self.runtime.autocast():
            level = networks["estimator"](noisy) if told is None else told[None].to(noisy.device)
            restored: Tensor = networks["denoiser"](noisy, level)
        return restored.float()[0]

    def _psnr(self, networks: Mapping[str, nn.Module], sample: Sample, told: Tensor | None = None) -> float:
        restored = self._restore(networks, sample, told).clamp(0, 1)
        error = (restored - sample.clean.to(restored.device)).square().mean()
        return -10 * math.log10(max(float(error), 1e-10))


def overall(level: Tensor) -> Tensor:
    """Root mean square over R, G and B, and over the picture, of a level of luma and chroma.

        σ² = (σ_L² + 2 σ_C²) / 3

    Args:
        level: [2, height, width], any scale.

    Returns:
        A scalar, the same scale.
    """
    return ((level[0].square() + 2 * level[1].square()) / 3).mean().sqrt()


def mistaken(level: Tensor, generator: torch.Generator) -> Tensor:
    """What a user may say of a noise level: one number, or one for luma and one for chroma, not quite right.

    Args:
        level: The true one, [2, height, width], on the [0, 1] scale.
        generator: Source of the error.

    Returns:
        The same shape, each plane one number.
    """
    errors = (MISTAKE * torch.randn(2, generator=generator)).exp()
    if chance(generator, 0.6):
        said = overall(level).expand(2) * errors[0]
    else:
        said = level.square().mean((1, 2)).sqrt() * errors
    return said[:, None, None].expand_as(level)


def to_patch(image: Pixels, side: int = 256) -> Tensor:
    """The middle of an image: uint8 [height, width, 3] to [3, ≤ side, ≤ side] in [0, 1].

    Sides are multiples of 16; an image below 16 pixels is continued by reflection.
    """
    image = at_least(image, 16)
    height, width = (min(side, length) // 16 * 16 for length in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    crop = image[top : top + height, left : left + width].transpose(2, 0, 1)
    return torch.from_numpy(crop.copy()).float() / 255


FILM = CorrelatedNoise(
    10 / 255,
    5 / 255,
    Spectrum(fine=0.4, edge=0.12),
    Spectrum(fine=0.1, edge=0.06),
    (-0.4, 0.0, 0.1, 0.0, -0.6),
)
"""Soft, and rather grey: about what a camera leaves at high sensitivity."""


def _examinations(clean: Tensor, index: int) -> Iterator[tuple[str, Sample]]:
    """The same noise at every validation: each Gaussian level, a camera, correlated noise, JPEG alone."""
    for sigma in VALIDATION_LEVELS:
        generator = torch.Generator().manual_seed(index)
        noisy = clean + sigma * torch.randn(clean.shape, generator=generator)
        level = torch.full((LEVELS, *clean.shape[1:]), sigma)
        yield f"{255 * sigma:.0f}", Sample(noisy, clean, level, white=True)
    generator = torch.Generator().manual_seed(index)
    noisy, rendered = camera.photograph(clean, camera.CameraSettings(), generator)
    yield "camera", Sample(noisy, rendered, local_level(noisy - rendered), white=False)
    noisy = camera.save_and_open(clean + correlated_noise(clean, FILM, generator), 85, 2)
    yield "film", Sample(noisy, clean, local_level(noisy - clean), white=False)
    noisy = camera.save_and_open(clean, 30, 2)
    yield "jpeg", Sample(noisy, clean, local_level(noisy - clean), white=False)
