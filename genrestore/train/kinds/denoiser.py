"""Training of the default prior: a denoiser and the estimator of its noise level, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrestore.models.denoiser import spread
from genrestore.train.data import camera
from genrestore.train.data.correlated import CorrelatedNoise, Spectrum, correlated_noise
from genrestore.train.data.dataset import Pixels, at_least
from genrestore.train.data.degradation import MARGIN, Sample, degrade, local_level
from genrestore.train.data.draws import chance, uniform
from genrestore.train.kinds import DenoiserSettings, losses
from genrestore.train.kinds.base import PhotoTraining, to_patch
from genrestore.weights.header import NetworkSpec

LEAST_LEVEL = 0.25 / 255
"""Noise below a quarter of a grey level counts as this much: it keeps the logarithm finite."""
COLOURED_QUANTILE = (0.85, 0.5)
"""Of the noise level of luma and of chroma that the estimator finds of a camera's noise. Grain that is
missed stays, and the harm is greater than of a level too high; colour at too high a level is washed out."""
LEVELS = 2
"""Planes of noise levels: luma and chroma."""
JITTER = 0.45
"""Standard deviation of log σ of a jittered noise level."""
VALIDATION_LEVELS = (15 / 255, 25 / 255, 50 / 255)


class Batch(NamedTuple):
    """Samples of one step.

    Attributes:
        noisy: [batch, 3, height, width], about [0, 1].
        clean: [batch, 3, height, width] in [0, 1].
        level: True noise level of luma and chroma around every pixel, [batch, 2, height, width], on the
            [0, 1] scale.
        condition: Noise level that the denoiser is conditioned on, the same shape.
        estimated: [batch, 1, 1, 1]: 1 where it is conditioned on the estimator's level around every pixel
            instead, 2 where on the median of those.
        quantile: [batch, 2, 1, 1], quantile of each level that the estimator is to find.
    """

    noisy: Tensor
    clean: Tensor
    level: Tensor
    condition: Tensor
    estimated: Tensor
    quantile: Tensor


class DenoiserTraining(PhotoTraining[DenoiserSettings, Batch]):
    """Training of the denoiser D(y, σ) and its estimator E(y) on noisy patches.

        E |D(y, σ̂) − x|  +  0.1 · 2 · pinball(log E(y), log σ)

    σ̂ is the true level, a jittered one, or the estimator's, through which no gradient flows.
    """

    PRIOR = COMMAND = "denoiser"

    def specs(self) -> dict[str, NetworkSpec]:
        """The U-Net and the estimator."""
        chosen = self.settings
        shape = {"widths": list(chosen.widths), "blocks": list(chosen.blocks)}
        estimator = {"channels": 3, "width": chosen.estimator_width, "levels": LEVELS}
        return {
            "denoiser": NetworkSpec("residual-unet", {"channels": 3, **shape, "levels": LEVELS}),
            "estimator": NetworkSpec("noise-estimator", estimator),
        }

    def build(self) -> dict[str, nn.Module]:
        """Both networks; the denoiser frozen where the estimator is trained alone."""
        self.factors["estimator"] = 0.1
        networks = super().build()
        networks["denoiser"].requires_grad_(not self.settings.only)
        return networks

    @property
    def learning(self) -> dict[str, dict[str, nn.Module]]:
        """Both networks, or the estimator alone."""
        only = self.settings.only
        return {"all": {only: self.networks[only]} if only else self.networks}

    def sample(self, generator: torch.Generator) -> Batch:
        """A patch made noisy, with the level that the denoiser is conditioned on."""
        patch = self.images.patch(generator, self.settings.patch_size + MARGIN)
        sample = degrade(patch, self.settings.mixture, generator)
        condition, estimated = self.condition(sample, generator)
        quantile = (0.5, 0.5) if sample.white or sample.coded else COLOURED_QUANTILE
        each = (torch.tensor(value).reshape(-1, 1, 1) for value in (estimated, quantile))
        return Batch(sample.noisy, sample.clean, sample.level, condition, *each)

    def condition(self, sample: Sample, generator: torch.Generator) -> tuple[Tensor, int]:
        """Noise level that the denoiser is conditioned on, [2, height, width], and which estimate instead.

        Returns:
            The level; and 0 for none, 1 for the estimator's around every pixel, 2 for the median of those.
        """
        estimated = self.settings.estimated_share / (3 if sample.white else 1)
        misled = self.settings.misled_share / (2 if sample.white else 1)
        kind = uniform(generator)
        if kind < estimated:
            return sample.level, 1 if chance(generator, 0.5) else 2
        if kind < estimated + misled:
            return jittered(sample.level, generator), 0
        return sample.level, 0

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Update by "estimator" (mean relative error), and "denoiser" (mean error) unless it is frozen."""
        noisy, clean, level, condition, estimated, quantile = self.on_device(*batch)
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        with self.runtime.autocast():
            log_level = self.networks["estimator"].log_level(noisy)  # type: ignore[operator]
        truth = functional.avg_pool2d(level, 8).clamp(min=LEAST_LEVEL).log()
        found = {"estimator": losses.relative_level(log_level, truth, quantile)}
        if self.settings.only:
            return self.learn(found)
        guess = log_level.detach()
        median = guess.flatten(2).median(2).values[..., None, None]
        guess = spread(torch.where(estimated == 2, median, guess), noisy.shape[-2:])
        with self.runtime.autocast():
            restored = self.networks["denoiser"](noisy, torch.where(estimated > 0, guess, condition))
        found["denoiser"] = losses.RECONSTRUCTION[self.settings.loss](restored.float(), clean)
        return self.learn(found)

    def examine(
        self, networks: Mapping[str, nn.Module], image: Pixels, index: int
    ) -> Iterator[tuple[str, float]]:
        """PSNR in dB of one image, noise level given and estimated.

        One number a level of white noise, given; "blind" (the same, estimated); "camera", "film" (correlated
        noise) and "jpeg", estimated; and "misled" (film, conditioned on twice its level).
        """
        for name, sample in _examinations(to_patch(image), index):
            yield "blind" if sample.white else name, self._psnr(networks, sample)
            if sample.white:
                yield name, self._psnr(networks, sample, sample.level)
            if name == "film":
                twice = torch.full_like(sample.level, 2 * float(overall(sample.level)))
                yield "misled", self._psnr(networks, sample, twice)

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
        self, networks: Mapping[str, nn.Module], sample: Sample, level: Tensor | None = None
    ) -> Tensor:
        """Estimate [3, height, width], of a level [2, height, width] or the estimator's."""
        noisy = sample.noisy[None].to(self.runtime.device).contiguous(memory_format=torch.channels_last)
        with self.runtime.autocast():
            condition = networks["estimator"](noisy) if level is None else level[None].to(noisy.device)
            restored: Tensor = networks["denoiser"](noisy, condition)
        return restored.float()[0]

    def _psnr(self, networks: Mapping[str, nn.Module], sample: Sample, level: Tensor | None = None) -> float:
        return losses.psnr(self._restore(networks, sample, level).clamp(0, 1), sample.clean)


def overall(level: Tensor) -> Tensor:
    """Root mean square over R, G and B, and over the picture, of a level of luma and chroma.

        σ² = (σ_L² + 2 σ_C²) / 3

    Args:
        level: [2, height, width], any scale.

    Returns:
        A scalar, the same scale.
    """
    return ((level[0].square() + 2 * level[1].square()) / 3).mean().sqrt()


def jittered(level: Tensor, generator: torch.Generator) -> Tensor:
    """Noise level with an error, as a user may give it: one number, or one for luma and one for chroma.

    Args:
        level: The true one, [2, height, width], on the [0, 1] scale.
        generator: Source of the error.

    Returns:
        The same shape, each plane one number.
    """
    errors = (JITTER * torch.randn(2, generator=generator)).exp()
    if chance(generator, 0.6):
        given = overall(level).expand(2) * errors[0]
    else:
        given = level.square().mean((1, 2)).sqrt() * errors
    return given[:, None, None].expand_as(level)


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
