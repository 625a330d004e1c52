"""How far made images are from real ones: the score of a training that has no right answers."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

COARSEST = 14
"""Pixels: the side at which whole images are compared."""
PATCH = 7
PATCHES = 32
"""Drawn from every image at every scale."""
DIRECTIONS = 128


def multi_scale(made: Tensor, real: Tensor, draws: torch.Generator) -> Tensor:
    """Sliced Wasserstein distance between two sets of images: of their patches at every scale, and as wholes.

    The root mean square over the scales of a Laplacian pyramid, where patches tell sharpness and texture, and
    of the whole images, scaled down, where poses and classes that are missing show. Of real images against
    other real ones it is small, but not 0.
    Source: Karras et al., "Progressive Growing of GANs", 2018, section 5; patches are not normalised here.

    Args:
        made: [images, channel, size, size] in [0, 1].
        real: The same shape.
        draws: Gives places and directions.

    Returns:
        A scalar, 0 or more, in units of [0, 1].
    """
    squares = []
    while made.shape[-1] >= 2 * PATCH:
        coarse = [functional.avg_pool2d(images, 2) for images in (made, real)]
        if made.shape[-1] // 2 < COARSEST:
            squares.append(sliced_wasserstein(made.flatten(1), real.flatten(1), draws))
        details = [
            images - functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
            for images, small in zip((made, real), coarse, strict=True)
        ]
        places = _places(details[0].shape, draws)
        first, second = (_patches(detail, places) for detail in details)
        squares.append(sliced_wasserstein(first, second, draws))
        made, real = coarse
    return torch.stack(squares).mean().sqrt()


def sliced_wasserstein(first: Tensor, second: Tensor, draws: torch.Generator) -> Tensor:
    """Squared sliced Wasserstein distance of two sets of vectors.

        mean_θ mean_i ( sort(a θ)_i − sort(b θ)_i )²,     θ uniform on the sphere

    Source: Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures", 2015.

    Args:
        first: a, [vectors, dimension].
        second: b, the same shape.
        draws: Gives θ.

    Returns:
        A scalar.
    """
    directions = torch.randn(first.shape[1], DIRECTIONS, generator=draws).to(first.device)
    directions = functional.normalize(directions, dim=0)
    gap = (first @ directions).sort(0).values - (second @ directions).sort(0).values
    return gap.square().mean()


def _places(shape: torch.Size, draws: torch.Generator) -> Tensor:
    """Where patches begin, rows and columns: [2, images, patches]."""
    reach = shape[-1] - PATCH + 1
    count = min(PATCHES, math.ceil(reach**2 / 2))
    return torch.randint(0, reach, (2, shape[0], count), generator=draws)


def _patches(images: Tensor, places: Tensor) -> Tensor:
    """Squares of the images at these places: [images · patches, channel · side²]."""
    rows, columns = (start[..., None] + torch.arange(PATCH) for start in places)
    each = torch.arange(len(images))[:, None, None, None]
    squares = images.permute(0, 2, 3, 1)[each, rows[..., :, None], columns[..., None, :]]
    return squares.flatten(2).flatten(0, 1)
