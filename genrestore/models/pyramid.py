"""Filling by a pyramid: what is known at the edge of a hole is carried into it, the farther the smoother."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

KERNEL = (1.0, 3.0, 3.0, 1.0)
"""Weights along each axis by which four pixels become one of the next coarser level."""


def fill(image: Tensor, known: Tensor) -> Tensor:
    """Fill what is missing with weighted means of what is known around it.

    Push: every level is the weighted mean of the known pixels of the finer one, and a pixel is known if any
    of these was. Pull: what is missing is interpolated from the coarser level.
    Source: Gortler et al., "The Lumigraph", 1996, section 3.4 (pull-push).

    Args:
        image: [batch, channel, height, width], any scale; what it holds in the hole counts for nothing.
        known: 1 where a pixel is known and 0 where it is missing, [batch, 1, height, width].

    Returns:
        Shape and scale of `image`; known pixels as they were, 0 everywhere if no pixel is known.
    """
    image = torch.where(known > 0, image, 0.0)
    if bool(known.all()):
        return image
    if max(image.shape[-2:]) == 1:
        return image
    weight = _halved(known)
    coarse = _halved(image) / weight.clamp(min=torch.finfo(image.dtype).tiny)
    filled = fill(coarse, (weight > 0).to(known.dtype))
    height, width = image.shape[-2:]
    smooth = functional.interpolate(filled, scale_factor=2, mode="bilinear", align_corners=False)
    return torch.where(known > 0, image, smooth[..., :height, :width])


def halved(image: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """A picture at half the size, of the means of the known pixels of every 2×2 block.

    Args:
        image: [batch, channel, height, width], any scale.
        known: 1 where a pixel is known and 0 where it is missing, [batch, 1, height, width].

    Returns:
        The picture, [batch, channel, ⌈height / 2⌉, ⌈width / 2⌉], and where any pixel of a block is known.
    """
    weight = functional.avg_pool2d(known, 2, ceil_mode=True)
    total = functional.avg_pool2d(torch.where(known > 0, image, 0.0), 2, ceil_mode=True)
    return total / weight.clamp(min=torch.finfo(image.dtype).tiny), (weight > 0).to(known.dtype)


def doubled(image: Tensor, size: Sequence[int]) -> Tensor:
    """The reverse of `halved`, as far as there is one: bicubic.

    Args:
        image: [batch, channel, ⌈height / 2⌉, ⌈width / 2⌉].
        size: Height and width.

    Returns:
        [batch, channel, height, width].
    """
    large = functional.interpolate(image, scale_factor=2, mode="bicubic", align_corners=False)
    return large[..., : size[0], : size[1]]


def _halved(planes: Tensor) -> Tensor:
    """Weighted sums over 4×4 pixels around each 2×2 block, [batch, plane, ⌈height / 2⌉, ⌈width / 2⌉]."""
    height, width = planes.shape[-2:]
    line = torch.tensor(KERNEL, dtype=planes.dtype, device=planes.device) / sum(KERNEL)
    kernel = (line[:, None] * line).expand(planes.shape[1], 1, 4, 4)
    padded = functional.pad(planes, (1, 1 + width % 2, 1, 1 + height % 2))
    return functional.conv2d(padded, kernel, stride=2, groups=planes.shape[1])
