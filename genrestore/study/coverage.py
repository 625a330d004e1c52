"""Distances of latents from covering [0, 1]^d evenly: one formula a function, 0 is best.

Each is a loss to train with and a figure to read: a scalar of latents [batch, latent] in [0, 1] and a source
of random draws. z is a batch of latents, z_bj its entries, b = 1..n, j = 1..d; means and moments over the
batch are written over b, over the coordinates over j.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

VARIANCE, KURTOSIS, MEAN = 1 / 12, 9 / 5, 1 / 2
"""Of the uniform distribution on [0, 1]; kurtosis is E(z − μ)⁴ / (E(z − μ)²)², not excess."""
PROJECTIONS = 128
"""Directions of the sliced distances."""
REFERENCE = 512
"""Draws from the uniform distribution that `mmd` compares with."""
LEAST = 1e-8
"""Keeps quotients and logarithms finite."""

Coverage = Callable[[Tensor, torch.Generator], Tensor]
"""Latents [batch, latent] and the source of random draws to a scalar."""


def none(latent: Tensor, draws: torch.Generator) -> Tensor:  # noqa: ARG001
    """Nothing is asked of the latents, [batch, latent]: a scalar 0."""
    return latent.new_zeros(())


def moments(latent: Tensor, draws: torch.Generator) -> Tensor:  # noqa: ARG001
    """Variance and kurtosis of every coordinate of [batch, latent] against the uniform distribution's.

        mean_j [ (v_j − 1/12)² + (k_j − 9/5)² ]

        v_j = mean_b (z_bj − μ_j)²,     k_j = mean_b (z_bj − μ_j)⁴ / v_j²

    The mean is left free: coordinates that are spread evenly in [0, 1] have it at 1/2 of themselves.
    """
    _, variance, kurtosis = _moments(latent, 0)
    return ((variance - VARIANCE).square() + (kurtosis - KURTOSIS).square()).mean()


def moments_with_mean(latent: Tensor, draws: torch.Generator) -> Tensor:
    """`moments` of [batch, latent], and the mean of every coordinate: + mean_j (μ_j − 1/2)²."""
    return moments(latent, draws) + (latent.mean(0) - MEAN).square().mean()


def moments_within(latent: Tensor, draws: torch.Generator) -> Tensor:
    """Mean, variance and kurtosis over each latent of [batch, latent] against the uniform distribution's.

        mean_b [ (μ_b − 1/2)² + (v_b − 1/12)² + (k_b − 9/5)² ],     moments over j

    It can be met by one and the same latent for every image: coordinate 1 near 1, coordinate 2 near 0.
    """
    return moments_with_mean(latent.T, draws)


def kl_within(latent: Tensor, draws: torch.Generator) -> Tensor:  # noqa: ARG001
    """Kullback–Leibler divergence of each latent of [batch, latent], as shares of its sum, from equal ones.

        mean_b Σ_j p_bj log (p_bj · d),     p_bj = z_bj / Σ_j z_bj

    It is 0 for every latent with equal coordinates, and draws all of them to that line.
    """
    share = latent / (latent.sum(1, keepdim=True) + LEAST)
    return (share * (share * latent.shape[1] + LEAST).log()).sum(1).mean()


def kl_batch(latent: Tensor, draws: torch.Generator) -> Tensor:  # noqa: ARG001
    """Σ_j s_j log (100 s_j), s_j = Σ_b z_bj: sums of [batch, latent] against [1/100, ...], not normalised.

    No divergence, since s does not add up to 1; kept as it was tried.
    """
    total = latent.sum(0)
    return (total * (100 * total + LEAST).log()).sum()


def sliced_wasserstein(latent: Tensor, draws: torch.Generator) -> Tensor:
    """Squared sliced Wasserstein distance of [batch, latent] to as many draws from U[0, 1]^d, times d.

        d · mean_θ mean_b ( sort(z θ)_b − sort(u θ)_b )²,     u_b ~ U[0, 1]^d,  θ uniform on the sphere

    It is of the joint distribution: 0 in the limit only if all coordinates are uniform and independent.
    Source: Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures", 2015; as a regulariser of
    autoencoders: Kolouri et al., "Sliced-Wasserstein Auto-Encoders", 2019.
    The draws give u and θ.
    """
    uniform = torch.rand(latent.shape, generator=draws).to(latent.device)
    return latent.shape[1] * sliced_distance(latent, uniform, draws)


def sliced_distance(first: Tensor, second: Tensor, draws: torch.Generator) -> Tensor:
    """Squared sliced Wasserstein distance of two sets of vectors, a scalar.

        mean_θ mean_i ( sort(a θ)_i − sort(b θ)_i )²,     θ uniform on the sphere

    Source: Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures", 2015.

    Args:
        first: a, [vectors, dimension].
        second: b, the same shape.
        draws: Gives θ.
    """
    directions = torch.randn(first.shape[1], PROJECTIONS, generator=draws).to(first.device)
    directions = functional.normalize(directions, dim=0)
    return ((first @ directions).sort(0).values - (second @ directions).sort(0).values).square().mean()


def mmd(latent: Tensor, draws: torch.Generator) -> Tensor:
    """Energy distance of [batch, latent] to U[0, 1]^d: the squared maximum mean discrepancy of −‖a − b‖.

        2 E‖z − u‖ − E‖z − z'‖ − E‖u − u'‖,     u, u' ~ U[0, 1]^d

    The means are over pairs of different samples, so its gradient has no bias, however small the batch.
    Sources: Székely and Rizzo, "Energy statistics", 2013; Gretton et al., "A Kernel Two-Sample Test", 2012.
    The draws give u. It is below 0 at times, by chance.
    """
    count, dimension = latent.shape
    uniform = torch.rand(max(count, REFERENCE), dimension, generator=draws).to(latent.device)
    return 2 * _distances(latent, uniform).mean() - _mean_of_pairs(latent) - _mean_of_pairs(uniform)


COVERAGES: dict[str, Coverage] = {
    "none": none,
    "moments": moments,
    "moments-with-mean": moments_with_mean,
    "moments-within": moments_within,
    "kl-within": kl_within,
    "kl-batch": kl_batch,
    "sliced-wasserstein": sliced_wasserstein,
    "mmd": mmd,
}
"""Losses of latents by the name that `--cover` takes."""


def statistics(latent: Tensor) -> dict[str, Tensor]:
    """Mean, variance and kurtosis of every coordinate over the batch.

    Args:
        latent: [batch, latent].

    Returns:
        "mean", "variance" and "kurtosis", each [latent].
    """
    return dict(zip(("mean", "variance", "kurtosis"), _moments(latent, 0), strict=True))


def occupied(latent: Tensor, cells: int = 10) -> float:
    """Share of the cells×cells squares of [0, 1]² that latents fall into, mean of all pairs of coordinates.

    Args:
        latent: [batch, latent] in [0, 1].
        cells: Squares along an axis.

    Returns:
        From 0 to 1; one coordinate makes no pair: the share of the cells of [0, 1].
    """
    place = (latent * cells).long().clamp(0, cells - 1)
    pairs = [(i, j) for i in range(latent.shape[1]) for j in range(i)] or [(0, 0)]
    filled = [len((place[:, i] * cells + place[:, j]).unique()) for i, j in pairs]
    return sum(filled) / len(pairs) / (cells if pairs == [(0, 0)] else cells**2)


def _moments(latent: Tensor, axis: int) -> tuple[Tensor, Tensor, Tensor]:
    mean = latent.mean(axis, keepdim=True)
    variance = (latent - mean).square().mean(axis)
    kurtosis = (latent - mean).pow(4).mean(axis) / (variance.square() + LEAST)
    return mean.squeeze(axis), variance, kurtosis


def _distances(first: Tensor, second: Tensor) -> Tensor:
    """Euclidean distances [first, second], with a gradient also where two points coincide."""
    return ((first[:, None] - second[None]).square().sum(2) + LEAST).sqrt()


def _mean_of_pairs(points: Tensor) -> Tensor:
    """Mean distance of two different points of [count, latent]."""
    count = len(points)
    distances = _distances(points, points)
    return (distances.sum() - distances.diagonal().sum()) / max(1, count * (count - 1))
