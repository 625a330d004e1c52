"""Self-ensembles: the mean of a network's estimates of a picture turned and mirrored, or moved by a pixel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Turn = tuple[bool, tuple[int, ...]]
"""A transposition or none, and the axes that are flipped then."""

TURNS: tuple[Turn, ...] = tuple(
    (transposed, axes)
    for pair in (((), (2, 3)), ((2,), (3,)))
    for transposed in (False, True)
    for axes in pair
)
"""All eight, in such an order that the first two, and the first four, differ most."""


def mean_over(turns: int, network: Callable[..., Tensor], image: Tensor, *others: Tensor | None) -> Tensor:
    """The mean of a network's estimates of an image turned in the first ways of `TURNS`.

        x̂ = 1/n Σ_k T_kᵀ D(T_k y)

    Source: Timofte et al., "Seven Ways to Improve Example-Based Single Image Super Resolution", 2016, section
    3.4 (enhanced prediction).

    Args:
        turns: n, one of `settings.COUNTS`.
        network: Takes the image and the others, and gives the image's shape.
        image: [batch, channel, height, width].
        others: What is turned with it, [batch, any, height, width] each, or None.

    Returns:
        The image's shape.
    """
    if turns == 1:
        return network(image, *others)
    total = torch.zeros_like(image)
    for turn in TURNS[:turns]:
        turned = (None if other is None else _turned(other, turn) for other in others)
        total += _turned_back(network(_turned(image, turn), *turned), turn)
    return total / turns


SHIFTS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
"""Rows and columns by which the window on a picture is moved."""


def cycle_spinning(network: Callable[[Tensor, Tensor], Tensor], image: Tensor, known: Tensor) -> Tensor:
    """The mean of a network's estimates of pictures seen through windows moved by `SHIFTS`.

        x̂ = Σ_k S_kᵀ D(S_k y)  /  how many windows show the pixel

    Beyond its edges a picture goes on as it ends there.
    Source: Coifman and Donoho, "Translation-Invariant De-Noising", 1995.

    Args:
        network: Takes pictures and what is known of them, and gives the pictures' shape.
        image: [batch, channel, height, width].
        known: [batch, 1, height, width].

    Returns:
        The picture's shape.
    """
    wide, wide_known = (functional.pad(one, (1, 1, 1, 1), mode="replicate") for one in (image, known))
    total, count = torch.zeros_like(wide), torch.zeros_like(wide)
    height, width = image.shape[2:]
    for down, right in SHIFTS:
        window = (..., slice(1 + down, 1 + down + height), slice(1 + right, 1 + right + width))
        total[window] += network(wide[window], wide_known[window])
        count[window] += 1
    inside = (..., slice(1, 1 + height), slice(1, 1 + width))
    return total[inside] / count[inside]


def _turned(image: Tensor, turn: Turn) -> Tensor:
    transposed, axes = turn
    return (image.transpose(2, 3) if transposed else image).flip(axes)


def _turned_back(image: Tensor, turn: Turn) -> Tensor:
    transposed, axes = turn
    image = image.flip(axes)
    return image.transpose(2, 3) if transposed else image
