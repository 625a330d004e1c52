"""The eight ways to turn and mirror a picture, and the mean of what a network makes of it in some of them.

Source: Timofte et al., "Seven Ways to Improve Example-Based Single Image Super Resolution", 2016, section 3.4
(enhanced prediction).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Turn = tuple[bool, tuple[int, ...]]
"""Whether rows and columns change places, and which axes are flipped then."""

TURNS: tuple[Turn, ...] = tuple(
    (transposed, axes)
    for pair in (((), (2, 3)), ((2,), (3,)))
    for transposed in (False, True)
    for axes in pair
)
"""All eight, in such an order that the first two, and the first four, differ most."""

COUNTS = (1, 2, 4, 8)
"""How many of them can be asked for."""


def mean_over(turns: int, network: Callable[..., Tensor], image: Tensor, *others: Tensor | None) -> Tensor:
    """The mean of a network's estimates of an image turned in the first ways of `TURNS`.

        x̂ = 1/n Σ_k T_kᵀ D(T_k y)

    Args:
        turns: n, one of `COUNTS`.
        network: Takes the image and the others, and gives the image's shape.
        image: [batch, channel, height, width].
        others: What is turned with it, [batch, any, height, width] each, or None.

    Returns:
        The image's shape.
    """
    total = torch.zeros_like(image)
    for turn in TURNS[:turns]:
        turned = (None if other is None else _turned(other, turn) for other in others)
        total += _turned_back(network(_turned(image, turn), *turned), turn)
    return total / turns


def _turned(image: Tensor, turn: Turn) -> Tensor:
    transposed, axes = turn
    return (image.transpose(2, 3) if transposed else image).flip(axes)


def _turned_back(image: Tensor, turn: Turn) -> Tensor:
    transposed, axes = turn
    image = image.flip(axes)
    return image.transpose(2, 3) if transposed else image
