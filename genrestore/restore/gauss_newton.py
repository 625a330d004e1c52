"""Second-order search for latents: few steps, each with a whole matrix of slopes, a batch at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Energy = Callable[[Tensor, Tensor], Tensor]
"""Takes latents [candidate, n] and the picture of each, [candidate]; gives their energies, [candidate]."""
Model = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Takes the same; gives slope g [candidate, n] and curvature H [candidate, n, n] of the energy of each."""

FIRST_DAMPING = 1e-2
"""μ of the first step, in means of the diagonal of H."""
DAMPING = (1e-7, 1e8)
"""Least and most of it: at the most one has come to its end."""
SMALL = 1e-5
"""A step that lowers the energy by less than this share of it is the last of a candidate."""


@dataclass
class Candidates:
    """Latents on their way; every one has its own steps, damping and end.

    Attributes:
        latent: z, [candidate, n].
        picture: The index of the picture that each is for, [candidate].
        energy: F(z), [candidate].
        damping: μ, [candidate].
        growth: By what μ grows at the next step that fails, [candidate].
        active: Which items go on, bool [candidate].
        slope: g at z, [candidate, n].
        curvature: H at z, [candidate, n, n].
        moved: Whose g and H are of an earlier z, bool [candidate].
    """

    latent: Tensor
    picture: Tensor
    energy: Tensor
    damping: Tensor
    growth: Tensor
    active: Tensor
    slope: Tensor
    curvature: Tensor
    moved: Tensor

    @classmethod
    def begin(cls, energy: Energy, start: Tensor, picture: Tensor) -> Candidates:
        """At the start, [candidate, n], each for a picture of an index, [candidate]."""
        count, size = start.shape
        first = energy(start, picture)
        ones, flags = torch.ones_like(first), torch.ones_like(first, dtype=torch.bool)
        curvature = start.new_zeros(count, size, size)
        return cls(
            start,
            picture,
            first,
            FIRST_DAMPING * ones,
            2 * ones,
            flags,
            torch.zeros_like(start),
            curvature,
            flags,
        )

    def take(self, items: Tensor) -> Candidates:
        """Only some items, by their indices [candidate]."""
        return Candidates(*(getattr(self, name)[items] for name in self.__dataclass_fields__))

    def put(self, items: Tensor, others: Candidates) -> Candidates:
        """All, with others in the places of some, by their indices [candidate]."""
        return Candidates(
            *(
                getattr(self, name).index_copy(0, items, getattr(others, name))
                for name in self.__dataclass_fields__
            )
        )


def levenberg_marquardt(
    energy: Energy,
    model: Model,
    state: Candidates,
    *,
    steps: int,
    on_step: Callable[[Candidates], None] | None = None,
) -> Candidates:
    """Minimise the energy of every candidate by Gauss–Newton steps that are damped as each needs it.

        (H + μ h I) s = −g,   h = mean diag H
        z ← z + s where F(z + s) < F(z), and μ ← μ max(1/3, 1 − (2ρ − 1)³)
        elsewhere μ ← ν μ, ν ← 2 ν;     ρ: the fall of F over the one that g and H foretold

    They do not see one another. g and H are asked for only where z has moved.
    Sources: Marquardt, "An Algorithm for Least-Squares Estimation of Nonlinear Parameters", 1963; μ as in
    Nielsen, "Damping Parameter in Marquardt's Method", 1999.

    Args:
        energy: F, of [candidate, n].
        model: Gives g and H.
        state: Where it begins.
        steps: At most so many.
        on_step: Is told where they stand after each.

    Returns:
        Where they stand at the end: the energy of none is above that of its start.
    """
    for _ in range(steps):
        if not bool(state.active.any()):
            break
        items = state.active.nonzero()[:, 0]
        state = state.put(items, _stepped(energy, model, state.take(items)))
        if on_step is not None:
            on_step(state)
    return state


def _stepped(energy: Energy, model: Model, now: Candidates) -> Candidates:
    """One step of every candidate."""
    places = now.moved.nonzero()[:, 0]
    if len(places):
        slope, curvature = model(now.latent[places], now.picture[places])
        now.slope = now.slope.index_copy(0, places, slope)
        now.curvature = now.curvature.index_copy(0, places, curvature)
    scale = now.curvature.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-12)
    damped = now.curvature + torch.diag_embed((now.damping * scale)[:, None].expand_as(now.latent))
    factor, failed = torch.linalg.cholesky_ex(damped)
    step = -torch.cholesky_solve(now.slope[..., None], factor)
    curved = (step.transpose(1, 2) @ now.curvature @ step)[:, 0, 0]
    step = step[..., 0]
    foretold = -(now.slope * step).sum(1) - curved / 2
    latent = now.latent + step
    found = energy(latent, now.picture)
    better = (found < now.energy) & (failed == 0)
    fall = torch.where(better, now.energy - found, 0.0)
    share = fall / foretold.clamp(min=1e-30)
    damping = now.damping * torch.where(better, (1 - (2 * share - 1) ** 3).clamp(1 / 3, 2), now.growth)
    ended = (better & (fall < SMALL * now.energy)) | (damping > DAMPING[1])
    return Candidates(
        torch.where(better[:, None], latent, now.latent),
        now.picture,
        torch.where(better, found, now.energy),
        damping.clamp(*DAMPING),
        torch.where(better, 2.0, 2 * now.growth),
        now.active & ~ended,
        now.slope,
        now.curvature,
        better,
    )
