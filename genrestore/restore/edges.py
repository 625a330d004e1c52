"""The edge of what was marked by hand: soft, in parts outside of the mark, and ringing from JPEG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from genrestore.models.pyramid import fill
from genrestore.restore.pieces import as_tensor, depth
from genrestore.restore.tiling import Pixels, Region, to_float
from genrestore.restore.wide import all_holes

FURTHEST, AROUND = 12, 24
"""Pixels outside a hole up to which its edge may reach, and up to which its surroundings are looked at."""
INSIDE = 3
"""Pixels inside a hole from which on its content is what goes, and nothing else."""
SHARE, SURE, OUTER = 0.04, 4.0, 7
"""Of what goes, what a ring of the edge has more than it should, at least; that in deviations of the outer
rings; and how many these are."""
STEEPER = 1.6
"""Times that the picture is steeper where JPEG rings than it is around."""


def with_edges(pixels: Pixels, missing: Pixels) -> Pixels:
    """Let each hole grow over the edge of what was marked, ring by ring, as long as that is seen.

    A ring has a share a of what goes (F, from inside) over what lies behind (B, from further away), or is
    steeper than the rings further away, as JPEG makes it:

        y = B + a (F − B) + noise,     a = Σ (y − B)(F − B) / Σ (F − B)²

    Source: Smith and Blinn, "Blue Screen Matting", 1996, for the first line; a is its least squares.

    Args:
        pixels: [1, channel, height, width]; integers, or floating point on the [0, 1] scale.
        missing: bool [height, width].

    Returns:
        Missing pixels, bool [height, width].
    """
    grown = missing.copy()
    for hole in all_holes(~missing[None, None]):
        area = _around(hole.area, missing.shape)
        image, here = to_float(pixels[(..., *area)]), as_tensor(missing[None, None][(..., *area)])
        far = depth(here, AROUND)
        reach = max(_mixed(image, far, depth(1 - here, INSIDE)), _ringing(image, far))
        grown[area] |= far[0, 0].numpy() <= reach
    return grown


def _around(area: Region, shape: Sequence[int]) -> Region:
    rows, columns = (
        slice(max(0, side.start - AROUND), min(length, side.stop + AROUND))
        for side, length in zip(area, shape, strict=True)
    )
    return rows, columns


def _mixed(image: Tensor, far: Tensor, inside: Tensor) -> int:
    """Rings around a hole that have more of what goes than a straight line through the outer ones says.

    Args:
        image: [1, channel, height, width], about [0, 1].
        far: Distance to the hole, [1, 1, height, width].
        inside: Distance to what is known, inside, of the same shape.
    """
    behind, goes = (far > FURTHEST).float(), (inside >= min(INSIDE, int(inside.max()))).float()
    if not bool(behind.any()):
        return 0
    background = fill(image, behind)
    difference = fill(image, goes) - background
    along, square = ((other * difference).sum(1, keepdim=True) for other in (image - background, difference))
    rings = [far == ring for ring in range(1, FURTHEST + 1)]
    shares = np.array([float(along[ring].sum() / square[ring].sum().clamp(min=1e-6)) for ring in rings])
    outer = np.arange(FURTHEST - OUTER, FURTHEST)
    line = np.polyfit(outer, shares[outer], 1)
    over = shares - np.polyval(line, np.arange(FURTHEST))
    least = max(SHARE, SURE * float(over[outer].std()))
    return int((over < least).argmax())


def _ringing(image: Tensor, far: Tensor) -> int:
    """Rings around a hole, of an image as in `_mixed`, in which it is steeper than further away."""
    steps = [
        functional.pad(image.diff(dim=3).abs().mean(1, keepdim=True), (0, 1)),
        functional.pad(image.diff(dim=2).abs().mean(1, keepdim=True), (0, 0, 0, 1)),
    ]
    both = [functional.pad(far[..., 1:], (0, 1)), functional.pad(far[..., 1:, :], (0, 0, 0, 1))]
    near = [torch.minimum(far, other) for other in both]
    rings = [
        torch.cat([step[place == ring] for step, place in zip(steps, near, strict=True)])
        for ring in range(1, AROUND + 1)
    ]
    mean = np.array([float(ring.mean()) if len(ring) else np.nan for ring in rings])
    usual = np.nanmedian(mean[FURTHEST:]) if np.isfinite(mean[FURTHEST:]).any() else np.inf
    calm = ~(mean[:FURTHEST] > STEEPER * usual + 1e-4)
    return int(calm.argmax()) if calm.any() else FURTHEST
