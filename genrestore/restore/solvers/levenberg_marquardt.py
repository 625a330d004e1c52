"""Levenberg–Marquardt descent whose Hessian approximation is computed once and updated as in BFGS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Objective = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Takes latents [candidate, n] and the picture of each, [candidate]; gives their energies F, [candidate],
and gradients g, [candidate, n]."""
Curvature = Callable[[Tensor, Tensor], Tensor]
"""Takes the same; gives a matrix near the curvature of F, [candidate, n, n], positive definite."""

FIRST_DAMPING, FAR_DAMPING = 1e-2, 0.3
"""μ of the first step, in means of the diagonal of H: where H is that of the start, and where of another."""
DAMPING = (1e-7, 1e8)
"""Least and most of it."""
DOUBTED = 16.0
"""Growth of μ, after three steps in vain, from which on H is made anew."""
SMALL, PATIENCE = 1e-5, 8
"""So many steps in a row that lower the energy by no more than this share of it are the end."""
KEPT = 0.2
"""Share of sᵀHs that a secant shows at least (Powell)."""


@dataclass
class Candidates:
    """Latents on their way; every one has its own steps, damping and end.

    Attributes:
        latent: z, [candidate, n].
        picture: The index of the picture that each is for, [candidate].
        energy: F(z), [candidate].
        gradient: g at z, [candidate, n].
        curvature: H, [candidate, n, n].
        damping: μ, [candidate].
        growth: By what μ grows at the next step that fails, [candidate].
        idle: Steps in a row that gained next to nothing, [candidate].
        active: Which go on, bool [candidate].
        doubted: Whose H is to be made anew, bool [candidate].
    """

    latent: Tensor
    picture: Tensor
    energy: Tensor
    gradient: Tensor
    curvature: Tensor
    damping: Tensor
    growth: Tensor
    idle: Tensor
    active: Tensor
    doubted: Tensor

    @classmethod
    def begin(
        cls,
        objective: Objective,
        start: Tensor,
        picture: Tensor,
        curvature: Tensor | None = None,
        damping: float = FIRST_DAMPING,
    ) -> Candidates:
        """Candidates at the start, [candidate, n], each for a picture of an index, [candidate].

        With H, [candidate, n, n], as far as it is known, else the first step makes it; and the first μ.
        """
        count, size = start.shape
        energy, gradient = objective(start, picture)
        ones, flags = torch.ones_like(energy), torch.ones_like(energy, dtype=torch.bool)
        doubted = flags if curvature is None else ~flags
        curvature = start.new_zeros(count, size, size) if curvature is None else curvature
        return cls(
            start,
            picture,
            energy,
            gradient,
            curvature,
            damping=damping * ones,
            growth=2 * ones,
            idle=0 * ones,
            active=flags,
            doubted=doubted,
        )

    def take(self, items: Tensor) -> Candidates:
        """Select items by their indices [candidate]."""
        return Candidates(*(getattr(self, name)[items] for name in self.__dataclass_fields__))

    def put(self, items: Tensor, others: Candidates) -> Candidates:
        """Replace some by others, by their indices [candidate]."""
        return Candidates(
            *(
                getattr(self, name).index_copy(0, items, getattr(others, name))
                for name in self.__dataclass_fields__
            )
        )


def descend(
    objective: Objective,
    curvature: Curvature,
    state: Candidates,
    *,
    steps: int,
    small: float = SMALL,
    on_step: Callable[[Candidates], None] | None = None,
) -> Candidates:
    """Minimise the energy of every candidate by damped steps, with a quasi-Newton matrix.

        (H + μ h I) s = −g,   h = mean diag H
        z ← z + s where F(z + s) < F(z), and μ ← μ max(1/3, 1 − (2ρ − 1)³)
        elsewhere μ ← ν μ, ν ← 2 ν;     ρ: the fall of F over the one that g and H predict
        H ← H − H s sᵀ H / sᵀ H s + r rᵀ / sᵀ r,     r = θ (g' − g) + (1 − θ) H s

    H is `curvature` at the start, and again where three steps in a row were in vain; every step, also one
    that is not taken, brings it nearer to what the gradients say. θ is 1 unless sᵀ (g' − g) is below a fifth
    of sᵀ H s, and then as near to it as keeps H positive. Candidates do not see one another.
    Sources: Marquardt, "An Algorithm for Least-Squares Estimation of Nonlinear Parameters", 1963; μ as in
    Nielsen, "Damping Parameter in Marquardt's Method", 1999; H of Broyden, Fletcher, Goldfarb and Shanno,
    1970, as in Powell, "A Fast Algorithm for Nonlinearly Constrained Optimization Calculations", 1978.

    Args:
        objective: F and g, of [candidate, n].
        curvature: H.
        state: Where it begins.
        steps: At most so many.
        small: Share of the energy that a step has to gain, lest it counts towards the end.
        on_step: Is told where they stand after each.

    Returns:
        Where they stand at the end: the energy of none is above that of its start.
    """
    for _ in range(steps):
        if not bool(state.active.any()):
            break
        if bool(state.active.all()):
            state = _step(objective, curvature, state, small)
        else:
            items = state.active.nonzero()[:, 0]
            state = state.put(items, _step(objective, curvature, state.take(items), small))
        if on_step is not None:
            on_step(state)
    return state


def _step(objective: Objective, curvature: Curvature, now: Candidates, small: float) -> Candidates:
    """One step of every candidate."""
    places = now.doubted.nonzero()[:, 0]
    matrix = now.curvature
    if len(places):
        matrix = matrix.index_copy(0, places, curvature(now.latent[places], now.picture[places]))
    scale = matrix.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-12)
    damped = matrix.clone()
    damped.diagonal(dim1=1, dim2=2).add_((now.damping * scale)[:, None])
    factor, failed = torch.linalg.cholesky_ex(damped)
    step = -torch.cholesky_solve(now.gradient[..., None], factor)[..., 0]
    along = (matrix @ step[..., None])[..., 0]
    predicted = -(now.gradient * step).sum(1) - (step * along).sum(1) / 2
    latent = now.latent + step
    energy, gradient = objective(latent, now.picture)
    better = (energy < now.energy) & (failed == 0)
    fall = torch.where(better, now.energy - energy, 0.0)
    ratio = fall / predicted.clamp(min=1e-30)
    damping = now.damping * torch.where(better, (1 - (2 * ratio - 1) ** 3).clamp(1 / 3, 2), now.growth)
    growth = torch.where(better, 2.0, 2 * now.growth)
    idle = torch.where(fall <= small * now.energy, now.idle + 1, 0.0)
    return Candidates(
        torch.where(better[:, None], latent, now.latent),
        now.picture,
        torch.where(better, energy, now.energy),
        torch.where(better[:, None], gradient, now.gradient),
        _secant_update(matrix, step, along, gradient - now.gradient),
        damping.clamp(*DAMPING),
        growth,
        idle,
        now.active & (idle < PATIENCE),
        growth == DOUBTED,
    )


def _secant_update(matrix: Tensor, step: Tensor, along: Tensor, change: Tensor) -> Tensor:
    """H after a step s, along which the gradient changed by g' − g; with s, H s, g' − g [candidate, n]."""
    expected, seen = (step * along).sum(1), (step * change).sum(1)
    share = (1 - KEPT) * expected / (expected - seen).clamp(min=1e-30)
    share = torch.where(seen >= KEPT * expected, 1.0, share)[:, None]
    shown = share * change + (1 - share) * along
    gained, lost = shown / (step * shown).sum(1).sqrt()[:, None], along / expected.sqrt()[:, None]
    terms = torch.stack([gained, lost], 2)
    sound = terms.square().sum((1, 2), keepdim=True).isfinite()  # and so is each of their products
    terms = torch.where(sound, terms, 0.0)
    return torch.baddbmm(matrix, terms * terms.new_tensor([1.0, -1.0]), terms.mT)
