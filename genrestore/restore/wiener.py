"""Wiener filter: the part of a residual from a prior's image that stands out of the noise."""

from __future__ import annotations

import torch
from torch import Tensor

BANDS = 8
"""Rings of frequencies, from the mean of the picture to its finest detail."""


def wiener_filter(residual: Tensor, noise: Tensor) -> Tensor:
    """Shrink each ring of frequencies by the share that noise has in it.

        d̂_k = max(0, 1 − c_k e / P_k) d_k,     c_k = 1 + 2 √(2 / n_k)

    P_k is the mean power of d in the n_k frequencies of the ring, e that of the noise, and c_k two standard
    errors of the mean of so many squares, so that chance is not taken for a residual.

    d = y − x̂ is what a prior's estimate x̂ misses of the picture, plus white noise. What a generator cannot
    say is mostly coarse, so there it stands out of the noise, and where it does not, nothing is taken over.
    Without c_k this is the a of least mean square error of all d̂ = a d in a ring, and it is what minimises
    ‖d̂ − d‖² / e + ‖d̂‖² / p for a residual of power p = P_k − e.
    Sources: Wiener, "Extrapolation, Interpolation, and Smoothing of Stationary Time Series", 1949; estimated
    from the rings themselves as in James and Stein, "Estimation with Quadratic Loss", 1961.

    Args:
        residual: d, [batch, channel, size, size] on the [0, 1] scale.
        noise: e, mean square of the noise in a pixel of each picture, [batch], on the [0, 1] scale.

    Returns:
        d̂, the same shape.
    """
    size = residual.shape[-1]
    basis = cosines(size).to(residual.device)
    spectrum = basis @ residual @ basis.T
    rings, count = _rings(size)
    weights = torch.nn.functional.one_hot(rings.to(residual.device).flatten(), count).to(spectrum)
    power = (spectrum.square().mean(1).flatten(1) @ weights) / weights.sum(0)
    chance = 1 + 2 * (2 / (residual.shape[1] * weights.sum(0))).sqrt()
    kept = (1 - chance * noise[:, None] / power.clamp(min=1e-12)).clamp(min=0)
    shares = (kept @ weights.T).unflatten(1, (size, size))[:, None]
    return basis.T @ (shares * spectrum) @ basis


def cosines(size: int) -> Tensor:
    """The orthonormal cosine transform of `size` samples: [frequency, sample]."""
    place = torch.arange(size, dtype=torch.float64)
    basis = torch.cos(torch.pi * (place + 0.5)[None] * place[:, None] / size) * (2 / size) ** 0.5
    basis[0] /= 2**0.5
    return basis.float()


def _rings(size: int) -> tuple[Tensor, int]:
    """The ring of each frequency, [size, size], and how many there are; the mean is one of its own."""
    place = torch.arange(size)
    radius = (place[:, None].square() + place[None].square()).sqrt() / size
    rings = 1 + (radius * BANDS).floor().long()
    rings[0, 0] = 0
    return torch.unique(rings, return_inverse=True)[1], int(torch.unique(rings).numel())
