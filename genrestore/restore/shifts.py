"""The mean of what a network makes of pictures that are moved by a pixel.

Source: Coifman and Donoho, "Translation-Invariant De-Noising", 1995 (cycle spinning).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

SHIFTS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
"""Rows and columns by which the window on a picture is moved."""


def mean_over_shifts(network: Callable[[Tensor, Tensor], Tensor], image: Tensor, known: Tensor) -> Tensor:
    """The mean of a network's estimates of pictures seen through windows moved by `SHIFTS`.

        x̂ = Σ_k S_kᵀ D(S_k y)  /  how many windows show the pixel

    Beyond its edges a picture goes on as it ends there.

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
