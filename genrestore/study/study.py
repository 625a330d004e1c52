"""Where an autoencoder puts images of its class and others, and what can be said of it in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genrestore.study import coverage, neighbours
from genrestore.study.encode import Encoder, to_unit
from genrestore.study.outliers import OUTLIERS

DRAWS = 100
"""Images of each kind of outlier."""
LARGEST = 10_000
"""Latents that distances among all pairs are taken of."""


@dataclass(frozen=True)
class Study:
    """Images and their latents.

    Attributes:
        images: Of the data, [image, channel, size, size], uint8.
        latent: Of the data, [image, latent].
        outliers: Images of each kind of outlier, [image, channel, size, size], uint8 or in [0, 1].
        outlier_latents: Their latents, [image, latent].
    """

    images: Tensor
    latent: Tensor
    outliers: dict[str, Tensor]
    outlier_latents: dict[str, Tensor]


def draw_outliers(images: Tensor, seed: int) -> dict[str, Tensor]:
    """`DRAWS` images of every kind of outlier.

    Args:
        images: Of the data, [image, channel, size, size], uint8 or in [0, 1].
        seed: Of every random draw; each kind has its own sequence.

    Returns:
        [image, channel, size, size] in [0, 1], by kind.
    """
    return {name: make(images, DRAWS, torch.Generator().manual_seed(seed)) for name, make in OUTLIERS.items()}


def examine(encoder: Encoder, images: Tensor, outliers: Mapping[str, Tensor]) -> Study:
    """Encode the data and the outliers.

    Args:
        encoder: The autoencoder.
        images: Of the data, [image, channel, size, size], uint8.
        outliers: Of each kind, [image, channel, size, size], uint8 or in [0, 1].
    """
    latents = {name: encoder.encode(some) for name, some in outliers.items()}
    return Study(images, encoder.encode(images), dict(outliers), latents)


def examples(encoder: Encoder, study: Study) -> list[tuple[str, Tensor]]:
    """One of each kind of outlier, what the autoencoder makes of it, and the nearest image of the data.

    Returns:
        Kind and [3, channel, size, size] in [0, 1].
    """
    found = []
    for name, images in study.outliers.items():
        _, nearest = neighbours.nearest(study.outlier_latents[name][:1], study.latent)
        first = to_unit(images[:1])
        row = torch.cat([first, encoder.reconstruct(first), to_unit(study.images[nearest])])
        found.append((name, row))
    return found


def describe(study: Study, seed: int = 0) -> dict[str, Any]:
    """How the latents cover [0, 1]^d, and which outliers lie among them.

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
    some = study.latent[:LARGEST]
    reach = neighbours.reach(some)
    inside = {
        name: float((neighbours.nearest(points, some)[0] <= reach).double().mean())
        for name, points in study.outlier_latents.items()
    }
    return {
        "images": len(study.latent),
        **{name: values.tolist() for name, values in coverage.statistics(study.latent).items()},
        "occupied_cells": coverage.occupied(study.latent),
        "sliced_wasserstein": float(coverage.sliced_wasserstein(study.latent, draws).sqrt()),
        "reach": reach,
        "outliers": inside,
    }
