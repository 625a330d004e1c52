"""What is done alike to real and made images before the discriminator sees them, so that it cannot learn few
images by heart; every change is differentiable.

Source: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SHIFT = 1 / 8
"""Of the side: the farthest that an image is moved."""
HOLE = 1 / 2
"""Of the side: the square that is cut out."""


def translate(image: Tensor) -> Tensor:
    """Move each image by up to `SHIFT` of its side in both directions; what comes in is black.

    Args:
        image: [batch, channel, size, size] in [0, 1].

    Returns:
        The same shape.
    """
    size, farthest = image.shape[-1], round(image.shape[-1] * SHIFT)
    padded = functional.pad(image, (farthest,) * 4)
    starts = torch.randint(0, 2 * farthest + 1, (2, len(image), 1))
    rows, columns = (start + torch.arange(size) for start in starts.to(image.device))
    each = torch.arange(len(image), device=image.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cut_out(image: Tensor) -> Tensor:
    """Make a square of `HOLE` of the side grey in each image, anywhere, partly outside too.

    Args:
        image: [batch, channel, size, size] in [0, 1].

    Returns:
        The same shape.
    """
    size = image.shape[-1]
    half = size * HOLE / 2
    centre = torch.rand(2, len(image), 1).to(image.device) * size
    position = torch.arange(size, device=image.device) + 0.5
    rows, columns = ((position - one).abs() < half for one in centre)
    hole = (rows[:, None, :, None] & columns[:, None, None, :]).to(image)
    return image + hole * (0.5 - image)


def recolour(image: Tensor) -> Tensor:
    """Change brightness by up to ½, contrast by a factor from ½ to 1½, and saturation from 0 to twofold.

    Args:
        image: [batch, channel, size, size] in [0, 1].

    Returns:
        The same shape; leaves [0, 1].
    """
    brightness, contrast, saturation = torch.rand(3, len(image), 1, 1, 1).to(image.device)
    image = image + (brightness - 0.5)
    if image.shape[1] > 1:
        grey = image.mean(1, keepdim=True)
        image = grey + 2 * saturation * (image - grey)
    mean = image.mean((1, 2, 3), keepdim=True)
    return mean + (contrast + 0.5) * (image - mean)


AUGMENTATIONS = {"translate": translate, "cut-out": cut_out, "recolour": recolour}
"""Name to change; each draws from torch's global generator, which the loop seeds every step."""
