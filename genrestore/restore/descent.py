"""Descent: a solver that needs nothing of its terms but their slopes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Energy = Callable[[Tensor], Tensor]
"""Takes [batch, ...], gives the energy of each item, [batch]."""

DECAYS = (0.9, 0.99)
"""Of Adam's means of the slope and its square."""


@dataclass(frozen=True)
class Descended:
    """One step of a descent.

    Attributes:
        index: From 0, the start.
        value: Where every item stands, [batch, ...].
        energies: Of each item there, [batch], one tensor a term.
        active: Which items go on, bool [batch].
    """

    index: int
    value: Tensor
    energies: tuple[Tensor, ...]
    active: Tensor

    def only(self, place: int) -> Descended:
        """That of one item alone, as a batch of one."""
        one = slice(place, place + 1)
        energies = tuple(energy[one] for energy in self.energies)
        return Descended(self.index, self.value[one], energies, self.active[one])


def minimise(
    energy: Energy,
    start: Tensor,
    *,
    steps: int,
    step_size: float,
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    """Minimise the energy of every item by Adam, with steps that shrink to nothing.

        m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,   x ← x − η m̂ / √v̂,   η falls as a cosine

    Items do not see one another: each one's slope and steps are its own.
    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015.

    Args:
        energy: What is minimised.
        start: [batch, ...].
        steps: How many.
        step_size: η of the first step.
        on_step: Is told the number of steps done.

    Returns:
        Where the energy of each item was least, [batch, ...].
    """
    value, best = start.clone(), start.clone()
    least = torch.full_like(start.flatten(1)[:, 0], torch.inf)
    first, second = torch.zeros_like(start), torch.zeros_like(start)
    for index in range(steps + 1):
        energies, slope = _slope(energy, value)
        better = energies < least
        least = torch.where(better, energies, least)
        best = torch.where(_like(better, best), value, best)
        if index == steps:
            break
        first = torch.lerp(slope, first, DECAYS[0])
        second = torch.lerp(slope.square(), second, DECAYS[1])
        mean, square = first / (1 - DECAYS[0] ** (index + 1)), second / (1 - DECAYS[1] ** (index + 1))
        rate = step_size * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * index / steps)))
        value = value - rate * mean / (square.sqrt() + 1e-8)
        if on_step is not None:
            on_step(index + 1)
    return best


def _to_unit_range(image: Tensor) -> Tensor:
    return image.clamp(0, 1)


def descend_until_near(
    data_term: Energy,
    prior: Energy,
    start: Tensor,
    *,
    weight: float,
    steps: int,
    step_size: float,
    reached: Callable[[Tensor], Tensor],
    constrain: Callable[[Tensor], Tensor] = _to_unit_range,
    on_step: Callable[[Descended], None] | None = None,
) -> Tensor:
    """Minimise D(x; y) + λ R(x) by gradient steps on x, each picture until it is near enough to the data.

        x ← P(x − η ∇ [D(x; y) + λ R(x)])

    Args:
        data_term: D(·; y).
        prior: R.
        start: First estimate, [batch, channel, height, width] in [0, 1].
        weight: λ.
        steps: At most so many.
        step_size: η; below 2 over the largest curvature of the sum the energy falls.
        reached: Which pictures are near enough to the data, bool [batch]; they stay as they are.
        constrain: P, the nearest picture that may be: of one [batch, channel, height, width] to another.
        on_step: Is told the start and every step.

    Returns:
        The last estimates; shape and range of `start`.
    """
    value = start
    active = torch.ones(len(start), dtype=torch.bool, device=start.device)
    for index in range(steps + 1):
        active = active & ~reached(value)
        if on_step is not None:
            with torch.no_grad():
                energies = (data_term(value), weight * prior(value))
            on_step(Descended(index, value, energies, active))
        if index == steps or not bool(active.any()):
            break
        _, slope = _slope(lambda image: data_term(image) + weight * prior(image), value)
        value = torch.where(_like(active, value), constrain(value - step_size * slope), value)
    return value


def _slope(energy: Energy, value: Tensor) -> tuple[Tensor, Tensor]:
    """Energy [batch] and its gradient, of the shape of value."""
    point = value.detach().requires_grad_()
    with torch.enable_grad():
        energies = energy(point)
        (slope,) = torch.autograd.grad(energies.sum(), point)
    return energies.detach(), slope


def _like(flags: Tensor, value: Tensor) -> Tensor:
    return flags.reshape(-1, *(1 for _ in value.shape[1:]))
