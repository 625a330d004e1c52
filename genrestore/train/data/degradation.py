"""Degradations of clean patches: white noise, a digital camera, correlated noise, JPEG, stuck pixels.

Every draw comes from the generator that is handed in, so a sample is a function of its seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from genrestore.train.data import camera
from genrestore.train.data.camera import save_and_open
from genrestore.train.data.correlated import OPPONENT, correlated_noise, draw_noise
from genrestore.train.data.draws import chance, log_uniform, uniform
from genrestore.train.settings import Mixture

MARGIN = 16
"""Pixels by which a patch for `degrade` is larger on both axes than the sample made of it."""


@dataclass(frozen=True)
class Sample:
    """One training sample.

    Attributes:
        noisy: [3, height, width], about [0, 1]; beyond where the noise was not clipped.
        clean: What a denoiser should give, [3, height, width] in [0, 1].
        level: Noise level of luma and of chroma around every pixel, [2, height, width], on the [0, 1] scale.
        white: Whether the noise is white and Gaussian, of one level everywhere.
        coded: Whether JPEG alone has damaged it.
    """

    noisy: Tensor
    clean: Tensor
    level: Tensor
    white: bool
    coded: bool = False


def degrade(patch: Tensor, mixture: Mixture, generator: torch.Generator) -> Sample:
    """Make a training sample from a clean patch.

    Args:
        patch: Clean RGB patch [3, height + 16, width + 16] in [0, 1].
        mixture: Shares of the kinds of noise.

    Returns:
        A sample of [3, height, width].
    """
    grey = chance(generator, mixture.grey)
    kind = uniform(generator)
    offsets = _offsets(generator)
    corner = offsets if chance(generator, mixture.aligned) else _corner(generator)
    noise_of_files = kind < mixture.camera + mixture.correlated
    if chance(generator, mixture.soft / (1 if mixture.camera <= kind and noise_of_files else 4)):
        patch = soften(patch, generator)
    if kind < mixture.camera:
        noisy, clean = camera.photograph(patch, camera.draw_settings(generator), generator, corner)
    elif kind < mixture.camera + mixture.correlated:
        clean = luminance(patch) if grey else patch
        noisy = clean + correlated_noise(clean, draw_noise(generator), generator)
        if chance(generator, mixture.processed):
            noisy, clean = process(noisy, clean, generator)
        noisy, clean = _as_file(noisy, generator, corner), clean.clamp(0, 1)
    elif kind < mixture.camera + mixture.correlated + mixture.jpeg:
        clean = luminance(patch) if grey else patch
        noisy = _coded(clean, generator, corner, finest=96, lean=1.2)
    else:
        return _gaussian(patch, grey, mixture, generator)
    if grey:
        noisy, clean = luminance(noisy), luminance(clean)
    level = local_level(noisy - clean)
    if chance(generator, mixture.impulses):
        noisy = _stuck(noisy, grey, generator)
    noisy, clean, level = (_trim(image, offsets) for image in (noisy, clean, level))
    return Sample(noisy, clean, level, white=False, coded=not noise_of_files)


def _gaussian(patch: Tensor, grey: bool, mixture: Mixture, generator: torch.Generator) -> Sample:
    clean = _trim(luminance(patch) if grey else patch, _offsets(generator))
    sigma = _draw_sigma(mixture.largest, generator)
    noisy = clean + sigma * torch.randn(clean[:1].shape if grey else clean.shape, generator=generator)
    if chance(generator, mixture.rounded):
        noisy = torch.round(noisy.clamp(0, 1) * 255) / 255
        if chance(generator, mixture.impulses * 2):
            noisy = _stuck(noisy, grey, generator)
    return Sample(noisy, clean, torch.full((2, *clean.shape[1:]), sigma), white=True)


def soften(patch: Tensor, generator: torch.Generator) -> Tensor:
    """Turn a scene into what a lens and a sensor show of one at full size: smooth, enlarged, blurred.

    Photographs to train on were reduced: sharp to the pixel and full of texture. Those of a camera at
    full size have little energy in the finest octave, and most of what is found there is noise.

    Args:
        patch: [3, height, width] in [0, 1].

    Returns:
        The same shape and range.
    """
    if chance(generator, 0.4):
        radius = int(torch.randint(2, 7, (), generator=generator))
        patch = guided_filter(patch, radius, log_uniform(generator, 0.02, 0.12) ** 2)
    kind = uniform(generator)
    if kind < 0.65:
        patch = camera.rescale(patch, uniform(generator, 1.3, 3.0))
    if kind > 0.4:
        patch = camera.blur(patch, log_uniform(generator, 0.5, 1.8))
    return patch.clamp(0, 1)


def process(noisy: Tensor, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Reduce noise as a camera does, and sharpen: surfaces lose more of it than edges and texture do.

    The clean picture loses the texture that the noisy one loses on average.

    Args:
        noisy: [3, height, width], about [0, 1].
        clean: The same shape.

    Returns:
        Both of them processed, of the same shape; about [0, 1].
    """
    planes, truth = (torch.einsum("ij,jhw->ihw", OPPONENT, image) for image in (noisy, clean))
    spread = (planes - truth).square().mean((1, 2), keepdim=True)
    radius = int(torch.randint(1, 5, (), generator=generator))
    strength = torch.tensor([uniform(generator, 0.5, 2)] + [uniform(generator, 0.5, 4)] * 2)[:, None, None]
    limit = strength.square() * spread + 1e-8
    share = uniform(generator, 0.3, 1)
    planes = torch.lerp(planes, guided_filter(planes, radius, limit), share)
    truth = torch.lerp(truth, guided_filter(truth, radius, limit, spread), share)
    noisy, clean = (torch.einsum("ji,jhw->ihw", OPPONENT, image) for image in (planes, truth))
    if chance(generator, 0.5):
        amount, width = uniform(generator, 0, 1.2), uniform(generator, 0.6, 1.3)
        noisy, clean = (image + amount * (image - camera.blur(image, width)) for image in (noisy, clean))
    return noisy, clean


def guided_filter(image: Tensor, radius: int, limit: Tensor | float, spread: Tensor | float = 0.0) -> Tensor:
    """Take texture away and keep edges: the guided filter of an image by itself.

        q = mean(a) x + mean((1 − a) mean(x)),     a = (var(x) + s²) / (var(x) + s² + ε)

    Source: He, Sun and Tang, "Guided Image Filtering", 2013, equations 5, 6 and 8; with s² it is, nearly, the
    mean result over noise of this variance.

    Args:
        image: x, [channel, height, width], about [0, 1].
        radius: Half the side of the windows, in pixels.
        limit: ε: texture of a variance below it goes, a scalar or [channel, 1, 1].
        spread: s², a scalar or [channel, 1, 1].

    Returns:
        The same shape; beyond the range by little.
    """
    middle = _box_mean(image, radius)
    variance = (_box_mean(image.square(), radius) - middle.square()).clamp(min=0) + spread
    slope = variance / (variance + limit)
    return _box_mean(slope, radius) * image + _box_mean((1 - slope) * middle, radius)


def _as_file(image: Tensor, generator: torch.Generator, corner: tuple[int, int]) -> Tensor:
    """8 bits: without loss, or as JPEG, coded once or twice, the last time with its blocks at `corner`."""
    if chance(generator, 0.25):
        return save_and_open(image, None, 0)
    return _coded(image, generator, corner)


def _coded(
    image: Tensor, generator: torch.Generator, corner: tuple[int, int], finest: int = 100, lean: float = 2.5
) -> Tensor:
    """JPEG of a quality that `camera.draw_quality` draws; at times coded before, with other blocks."""
    corners = [_corner(generator), corner] if chance(generator, 0.25) else [corner]
    for place in corners:
        quality = camera.draw_quality(generator, finest, lean)
        image = save_and_open(image, quality, 2 if chance(generator, 0.6) else 0, place)
    return image


def _corner(generator: torch.Generator) -> tuple[int, int]:
    """A row and a column at which the blocks of JPEG begin, 16×16 pixels with reduced chroma."""
    row, column = torch.randint(16, (2,), generator=generator).tolist()
    return row, column


def _stuck(image: Tensor, grey: bool, generator: torch.Generator) -> Tensor:
    """An image with pixels that say nothing: hot and dead ones of a sensor, or salt and pepper."""
    density = log_uniform(generator, 3e-4, 0.04)
    alike = grey or chance(generator, 0.5)
    shape = (1 if alike else 3, *image.shape[1:])
    hit = torch.rand(shape, generator=generator) < density / (1 if alike else 2)
    value = torch.rand(shape, generator=generator)
    if chance(generator, 0.6):
        value = (value < uniform(generator)).float()
    elif chance(generator, 0.7):
        value = 0.5 + 0.5 * value
    return torch.where(hit, value, image)


def local_level(noise: Tensor, window: int = 17) -> Tensor:
    """Root mean square of the noise around every pixel, of luma and of chroma.

        σ_L² = mean Y²,     σ_C² = mean (R² + G² + B² − Y²) / 2,     Y = (R + G + B) / √3

    Convention: for white noise both are σ. A grey picture has one level, σ, told twice.

    Args:
        noise: Noisy minus clean, [3, height, width], on the [0, 1] scale.
        window: Side of the square that is averaged over, odd.

    Returns:
        [2, height, width], on the [0, 1] scale.
    """
    planes = torch.einsum("ij,jhw->ihw", OPPONENT, noise)
    energy = torch.stack([planes[0].square(), planes[1:].square().mean(0)])
    if bool((noise == noise[:1]).all()):
        energy = (energy[:1] / 3).expand(2, -1, -1)
    return _box_mean(energy, window // 2).sqrt()


def _box_mean(planes: Tensor, radius: int) -> Tensor:
    """Means over squares of 2 · radius + 1 pixels, mirrored outside, [channel, height, width]."""
    side = 2 * radius + 1
    padded = functional.pad(planes[None], [radius] * 4, mode="reflect")
    return functional.avg_pool2d(functional.avg_pool2d(padded, (side, 1), 1), (1, side), 1)[0]


def _draw_sigma(largest: float, generator: torch.Generator) -> float:
    """Most draws from the lower two thirds, where photographs are, a tenth almost clean, some wholly.

    A denoiser that has hardly seen clean pictures harms them.
    """
    kind = uniform(generator)
    if kind < 0.05:
        return 0.0
    if kind < 0.15:
        return log_uniform(generator, 0.2 / 255, 5 / 255)
    if kind < 0.8:
        return uniform(generator, 0, largest * 2 / 3)
    return uniform(generator, largest * 2 / 3, largest)


def luminance(image: Tensor) -> Tensor:
    """The brightness of an RGB image [3, height, width] (ITU-R BT.601), in all three channels; same range."""
    weights = torch.tensor([0.299, 0.587, 0.114]).reshape(3, 1, 1)
    return (image * weights).sum(0, keepdim=True).expand(3, -1, -1)


def _offsets(generator: torch.Generator) -> tuple[int, int]:
    """Rows and columns cut off at the top left, at random."""
    quarter = MARGIN // 4
    top, left = torch.randint(quarter, MARGIN - quarter + 1, (2,), generator=generator).tolist()
    return top, left


def _trim(image: Tensor, offsets: tuple[int, int]) -> Tensor:
    """An image without the margin that filters may have touched, [channel, height - 16, width - 16]."""
    top, left = offsets
    height, width = (length - MARGIN for length in image.shape[-2:])
    return image[:, top : top + height, left : left + width]
