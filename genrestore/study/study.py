"""Latents of a class and of out-of-class images, and figures of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from genrestore.study import coverage
from genrestore.study.latents import Encoder, to_unit

DRAWS = 100
"""Out-of-class images of each kind."""
LARGEST = 10_000
"""Latents whose nearest ones tell how near those of the data lie; of more an even choice is taken."""
CHUNK = 1000
QUANTILE = 0.99
"""Of the data's own distances: nearer than this counts as inside."""
GREY = 192 / 255
"""0.5 on the scale from −1 to 1."""
NOISE = 0.25
"""Standard deviation of the noise on it on the [0, 1] scale: 0.5 on the scale from −1 to 1."""
SHIFT = 0.1
"""Largest shift of the figure along an axis, as a share of the side."""
FIGURE = Path(__file__).parent / "man.png"

Make = Callable[[Tensor, int, torch.Generator], Tensor]


@dataclass(frozen=True)
class Study:
    """Images and their latents.

    Attributes:
        images: Of the data, [image, channel, size, size], uint8.
        latent: Of the data, [image, latent].
        outliers: Out-of-class images by kind, [image, channel, size, size], uint8 or in [0, 1].
        outlier_latents: Their latents, [image, latent].
    """

    images: Tensor
    latent: Tensor
    outliers: dict[str, Tensor]
    outlier_latents: dict[str, Tensor]


def examine(encoder: Encoder, images: Tensor, outliers: Mapping[str, Tensor]) -> Study:
    """Encode the data [image, channel, size, size], uint8, and out-of-class images by kind."""
    latents = {name: encoder.encode(some) for name, some in outliers.items()}
    return Study(images, encoder.encode(images), dict(outliers), latents)


def examples(encoder: Encoder, study: Study) -> list[tuple[str, Tensor]]:
    """Kinds of out-of-class images, each with an image, its reconstruction and the nearest of the data.

    Returns:
        Kind and [3, channel, size, size] in [0, 1].
    """
    found = []
    for name, images in study.outliers.items():
        _, closest = nearest(study.outlier_latents[name][:1], study.latent)
        first = to_unit(images[:1])
        row = torch.cat([first, encoder.reconstruct(first), to_unit(study.images[closest])])
        found.append((name, row))
    return found


def describe(study: Study, seed: int = 0) -> dict[str, Any]:
    """Figures of how the latents cover [0, 1]^d, and of which out-of-class latents lie among them.

    Args:
        study: The latents.
        seed: Of the directions and uniform draws.

    Returns:
        JSON values: "images"; "mean", "variance" and "kurtosis" of every coordinate; "occupied_cells", the
        share of 10×10 cells, mean of all pairs of coordinates; "sliced_wasserstein", distance to the uniform
        distribution, times √d; "reach", the 99th percentile of the data's own nearest-neighbour distances;
        "outliers", the share of each kind nearer to the data than that.
    """
    draws = torch.Generator().manual_seed(seed)
    inside = reach(study.latent)
    return {
        "images": len(study.latent),
        **{name: values.tolist() for name, values in coverage.statistics(study.latent).items()},
        "occupied_cells": coverage.occupied(study.latent),
        "sliced_wasserstein": float(coverage.sliced_wasserstein(study.latent, draws).sqrt()),
        "reach": inside,
        "outliers": {
            name: float((nearest(points, study.latent)[0] <= inside).double().mean())
            for name, points in study.outlier_latents.items()
        },
    }


def nearest(points: Tensor, data: Tensor, own: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Nearest neighbour of each of points [point, latent] in data [image, latent].

    With `own` the points are those of the data at these indices [point], and each one's nearest other is
    found.

    Returns:
        Euclidean distances and indices into `data`, [point] each.
    """
    distances, indices = [], []
    for start in range(0, len(points), CHUNK):
        apart = torch.cdist(points[start : start + CHUNK], data)
        if own is not None:
            apart[torch.arange(len(apart)), own[start : start + CHUNK]] = torch.inf
        least = apart.min(1)
        distances.append(least.values)
        indices.append(least.indices)
    return torch.cat(distances), torch.cat(indices)


def reach(data: Tensor) -> float:
    """Distance from the data [image, latent] up to which a latent counts as inside; a scalar."""
    count = min(len(data), LARGEST)
    chosen = torch.arange(count) * len(data) // count
    own = nearest(data[chosen], data, chosen)[0]
    return float(torch.quantile(own, QUANTILE)) if len(data) > 1 else 0.0


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
    """A small drawn figure, white on black, the first in the middle and the others shifted at random.

    Only the shape of data [image, channel, size, size] counts; [count, channel, size, size] in [0, 1].
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


OUT_OF_CLASS: dict[str, Make] = {
    "constant": constant,
    "noise": noise,
    "negative": negative,
    "flip": flip,
    "man": man,
}
"""Kinds of out-of-class images: from data [image, channel, size, size], a count, and draws."""


def draw_out_of_class(images: Tensor, seed: int) -> dict[str, Tensor]:
    """`DRAWS` out-of-class images of every kind, each from its own sequence of random draws.

    Args:
        images: Of the data, [image, channel, size, size], uint8 or in [0, 1].
        seed: Of every random draw.

    Returns:
        [image, channel, size, size] in [0, 1], by kind.
    """
    kinds = OUT_OF_CLASS.items()
    return {name: make(images, DRAWS, torch.Generator().manual_seed(seed)) for name, make in kinds}


def _some(data: Tensor, count: int, draws: torch.Generator) -> Tensor:
    return to_unit(data[torch.randint(len(data), (count,), generator=draws)])
