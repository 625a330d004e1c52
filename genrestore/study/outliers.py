"""Images that an autoencoder of one class was never shown, to see where their latents fall."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

GREY = 192 / 255
"""0.5 on the scale from −1 to 1."""
NOISE = 0.25
"""Standard deviation of the noise on it on the [0, 1] scale: 0.5 on the scale from −1 to 1."""
SHIFT = 0.1
"""Largest shift of the figure along an axis, as a share of the side."""
FIGURE = Path(__file__).parent / "man.png"


def constant(data: Tensor, count: int, draws: torch.Generator) -> Tensor:  # noqa: ARG001
    """One grey level everywhere; data [image, channel, size, size] to [count, ...] in [0, 1]."""
    return torch.full((count, *data.shape[1:]), GREY)


def noise(data: Tensor, count: int, draws: torch.Generator) -> Tensor:
    """The constant with noise, clipped; data [image, channel, size, size] to [count, ...] in [0, 1]."""
    grey = constant(data, count, draws)
    return (grey + NOISE * torch.randn(grey.shape, generator=draws)).clamp(0, 1)


def negative(data: Tensor, count: int, draws: torch.Generator) -> Tensor:
    """1 − x of random images of the data [image, channel, size, size]: [count, ...] in [0, 1]."""
    return 1 - _some(data, count, draws)


def flip(data: Tensor, count: int, draws: torch.Generator) -> Tensor:
    """Random images of data [image, channel, size, size], mirrored: [count, ...] in [0, 1]."""
    return _some(data, count, draws).flip(-1)


def man(data: Tensor, count: int, draws: torch.Generator) -> Tensor:
    """A small drawn figure, the first in the middle and the others shifted a little at random.

    Args:
        data: [image, channel, size, size]; only its shape counts.
        count: How many.
        draws: Source of the shifts.

    Returns:
        [count, channel, size, size] in [0, 1], white on black.
    """
    with Image.open(FIGURE) as picture:
        drawn = torch.from_numpy(np.asarray(picture.convert("L"), dtype=np.float32) / 255)
    size = data.shape[-1]
    figure = functional.interpolate(drawn[None, None], (size, size), mode="area")[0, 0]
    most = max(1, round(SHIFT * size))
    shifts = torch.randint(-most, most + 1, (count, 2), generator=draws)
    shifts[0] = 0
    shifted = [figure.roll((int(down), int(right)), (0, 1)) for down, right in shifts]
    return torch.stack(shifted)[:, None].expand(-1, data.shape[1], -1, -1)


OUTLIERS: dict[str, Callable[[Tensor, int, torch.Generator], Tensor]] = {
    "constant": constant,
    "noise": noise,
    "negative": negative,
    "flip": flip,
    "man": man,
}
"""Kind of image, and what makes some of it: from data [image, channel, size, size], how many, and draws."""


def _some(data: Tensor, count: int, draws: torch.Generator) -> Tensor:
    chosen = data[torch.randint(len(data), (count,), generator=draws)]
    return chosen.float() / 255 if chosen.dtype == torch.uint8 else chosen
