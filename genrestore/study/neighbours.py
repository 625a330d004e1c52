"""Whether a latent lies among those of the data: distances to the nearest of them."""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK = 1000
QUANTILE = 0.99
"""Of the data's own distances: nearer than this counts as inside."""


def nearest(points: Tensor, data: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest latent of the data to each point.

    Args:
        points: [point, latent].
        data: [image, latent].

    Returns:
        Euclidean distances and indices into `data`, [point] each.
    """
    return _nearest(points, data, own=False)


def own_distances(data: Tensor) -> Tensor:
    """Distance of each latent of the data, [image, latent], to the nearest other one: [image]."""
    return _nearest(data, data, own=True)[0]


def reach(data: Tensor) -> float:
    """How far a latent may be from those of the data, [image, latent], to count as inside; a scalar."""
    return float(torch.quantile(own_distances(data), QUANTILE)) if len(data) > 1 else 0.0


def _nearest(points: Tensor, data: Tensor, *, own: bool) -> tuple[Tensor, Tensor]:
    distances, indices = [], []
    for start in range(0, len(points), CHUNK):
        apart = torch.cdist(points[start : start + CHUNK], data)
        if own:
            rows = torch.arange(len(apart))
            apart[rows, start + rows] = torch.inf
        least = apart.min(1)
        distances.append(least.values)
        indices.append(least.indices)
    return torch.cat(distances), torch.cat(indices)
