"""Out-of-class images, made of images of the class: their latents are to lie among the class's.

Each function takes an image [channel, size, size] in [0, 1] and a source of random draws, and gives an
image of the same shape and range.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from genrestore.train.data.draws import log_uniform, uniform

STRONGEST = 0.5
"""Largest standard deviation of the noise on the [0, 1] scale."""
STEEPNESS = (1.0, 20.0)
"""Of a shape's edge: from soft to sharp."""
COARSE = (3, 8)
"""Least and largest number of blots along a side."""
THIN = (0.1, 0.6)
"""Half of a line's width, in standard deviations of the field that it runs along."""


def grey(image: Tensor, draws: torch.Generator) -> Tensor:
    """One grey level everywhere, of the shape of the image."""
    return torch.full_like(image, uniform(draws))


def noise(image: Tensor, draws: torch.Generator) -> Tensor:
    """Noise of any level about any grey, of the shape of the image."""
    level = uniform(draws, 0, STRONGEST)
    return (uniform(draws) + level * torch.randn(image.shape, generator=draws)).clamp(0, 1)


def negative(image: Tensor, draws: torch.Generator) -> Tensor:  # noqa: ARG001
    """1 − x, the same shape."""
    return 1 - image


def mirrored(image: Tensor, draws: torch.Generator) -> Tensor:
    """Mirror image, every other time also turned by a quarter: the same shape."""
    found = image.flip(-1)
    return found if uniform(draws) < 0.5 else found.transpose(-1, -2)


def blots(image: Tensor, draws: torch.Generator) -> Tensor:
    """Random blots with soft or sharp edges, of the shape of the image."""
    field = _field(image, draws)
    return (log_uniform(draws, *STEEPNESS) * field + torch.randn((), generator=draws)).sigmoid()


def lines(image: Tensor, draws: torch.Generator) -> Tensor:
    """Bright lines that run and meet at random, of the shape of the image."""
    field = _field(image, draws)
    return (STEEPNESS[1] * (uniform(draws, *THIN) - field.abs())).sigmoid()


def doubled(image: Tensor, draws: torch.Generator) -> Tensor:
    """Maximum of the image and its mirror image: the same shape."""
    return torch.maximum(image, mirrored(image, draws))


KINDS: tuple[Callable[[Tensor, torch.Generator], Tensor], ...] = (
    grey,
    noise,
    negative,
    mirrored,
    blots,
    lines,
    doubled,
)


def out_of_class(image: Tensor, draws: torch.Generator) -> Tensor:
    """Out-of-class image by one of `KINDS`, of the shape of an image [channel, size, size] in [0, 1]."""
    return KINDS[int(torch.randint(len(KINDS), (), generator=draws))](image, draws)


def _field(image: Tensor, draws: torch.Generator) -> Tensor:
    """Smooth random field of the shape of an image [channel, size, size], about N(0, 1) in every pixel."""
    cells = int(torch.randint(COARSE[0], COARSE[1] + 1, (), generator=draws))
    coarse = torch.randn(1, len(image), cells, cells, generator=draws)
    return functional.interpolate(coarse, image.shape[-2:], mode="bicubic", align_corners=False)[0]
