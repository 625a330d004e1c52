"""How clean patches get their noise: Gaussian, or the path of light through a digital camera.

Every draw comes from the generator that is handed in, so a sample is a function of its seed alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from genrestore.training import camera

MARGIN = 16
"""Pixels by which a patch for `degrade` is larger on both axes than the sample made of it."""


@dataclass(frozen=True)
class Mixture:
    """What share of the training samples gets which noise.

    Attributes:
        largest: Upper end of the Gaussian σ, on the [0, 1] scale.
        camera: Share of samples with camera noise; the others are Gaussian.
        rounded: Share of the Gaussian samples that are clipped and rounded to 8 bits, as in a file.
        grey: Share of all samples turned to grey, replicated to three channels.
    """

    largest: float = 75 / 255
    camera: float = 0.5
    rounded: float = 0.25
    grey: float = 0.35


@dataclass(frozen=True)
class Sample:
    """One training sample.

    Attributes:
        noisy: [3, height, width], about [0, 1]; beyond where the noise was not clipped.
        clean: What a denoiser should give, [3, height, width] in [0, 1].
        level: Root mean square of the noise around every pixel, [1, height, width], on the [0, 1] scale.
        camera: Whether the noise came from the camera model.
    """

    noisy: Tensor
    clean: Tensor
    level: Tensor
    camera: bool


def degrade(patch: Tensor, mixture: Mixture, generator: torch.Generator) -> Sample:
    """Make a training sample from a clean patch.

    Args:
        patch: Clean RGB patch [3, height + 16, width + 16] in [0, 1].
        mixture: Shares of the kinds of noise.
        generator: Source of every random draw.

    Returns:
        A sample of [3, height, width].
    """
    grey = uniform(generator) < mixture.grey
    if uniform(generator) < mixture.camera:
        noisy, clean = camera.photograph(patch, camera.draw_settings(generator), generator)
        if grey:
            noisy, clean = luminance(noisy), luminance(clean)
        level = local_level(noisy - clean)
        offsets = _offsets(generator)
        noisy, clean, level = (_trim(image, offsets) for image in (noisy, clean, level))
        return Sample(noisy, clean, level, camera=True)
    clean = luminance(patch) if grey else patch
    clean = _trim(clean, _offsets(generator))
    sigma = _draw_sigma(mixture.largest, generator)
    noise = torch.randn(clean[:1].shape if grey else clean.shape, generator=generator)
    noisy = clean + sigma * noise
    if uniform(generator) < mixture.rounded:
        noisy = torch.round(noisy.clamp(0, 1) * 255) / 255
    return Sample(noisy, clean, torch.full_like(clean[:1], sigma), camera=False)


def uniform(generator: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    """One uniform draw from [low, high)."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def log_uniform(generator: torch.Generator, low: float, high: float) -> float:
    """One draw from [low, high) whose logarithm is uniform."""
    return math.exp(uniform(generator, math.log(low), math.log(high)))


def local_level(noise: Tensor, window: int = 17) -> Tensor:
    """Root mean square of the noise around every pixel, over all channels.

    Args:
        noise: Noisy minus clean, [channel, height, width], on the [0, 1] scale.
        window: Side of the square that is averaged over, odd.

    Returns:
        [1, height, width], on the [0, 1] scale.
    """
    energy = noise.square().mean(0, keepdim=True)[None]
    energy = functional.pad(energy, [window // 2] * 4, mode="reflect")
    return functional.avg_pool2d(energy, window, stride=1)[0].sqrt()


def _draw_sigma(largest: float, generator: torch.Generator) -> float:
    """Most draws from the lower two thirds, where photographs are, a tenth almost clean, some wholly.

    A denoiser that has hardly seen clean pictures harms them.
    """
    kind = uniform(generator)
    if kind < 0.04:
        return 0.0
    if kind < 0.14:
        return log_uniform(generator, 0.2 / 255, 5 / 255)
    if kind < 0.8:
        return uniform(generator, 0, largest * 2 / 3)
    return uniform(generator, largest * 2 / 3, largest)


def luminance(image: Tensor) -> Tensor:
    """The brightness of an RGB image [3, height, width] (ITU-R BT.601), in all three channels; same range."""
    weights = torch.tensor([0.299, 0.587, 0.114]).reshape(3, 1, 1)
    return (image * weights).sum(0, keepdim=True).expand(3, -1, -1)


def _offsets(generator: torch.Generator) -> tuple[int, int]:
    """Rows and columns cut off at the top left: at random, so JPEG's blocks begin anywhere."""
    quarter = MARGIN // 4
    top, left = torch.randint(quarter, MARGIN - quarter + 1, (2,), generator=generator).tolist()
    return top, left


def _trim(image: Tensor, offsets: tuple[int, int]) -> Tensor:
    """An image without the margin that filters may have touched, [channel, height - 16, width - 16]."""
    top, left = offsets
    height, width = (length - MARGIN for length in image.shape[-2:])
    return image[:, top : top + height, left : left + width]
