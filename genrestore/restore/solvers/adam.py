"""First-order solvers, which need nothing of their terms but the gradients: Adam and descent on pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from genrestore.restore.data_terms import DataTerm, masked
from genrestore.restore.noise import expected_square
from genrestore.restore.problem import UNWATCHED, OnStep, Step, Watch

Energy = Callable[[Tensor], Tensor]
"""Takes [batch, ...], gives the energy of each item, [batch]."""

DECAYS = (0.9, 0.99)
"""Of Adam's means of the gradient and its square."""


def minimise(
    energy: Energy,
    start: Tensor,
    *,
    steps: int,
    step_size: float,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Minimise the energy of every item by Adam, with steps that shrink to nothing.

        m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,   x ← x − η m̂ / √v̂,   η falls as a cosine

    Items do not see one another: each one's gradient and steps are its own.
    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015.

    Args:
        energy: What is minimised.
        start: [batch, ...].
        steps: How many.
        step_size: η of the first step.
        on_step: Is told the number of steps done, from 0, and where the items are, before every step.

    Returns:
        Where the energy of each item was least, [batch, ...].
    """
    value, best = start.clone(), start.clone()
    least = torch.full_like(start.flatten(1)[:, 0], torch.inf)
    first, second = torch.zeros_like(start), torch.zeros_like(start)
    for index in range(steps + 1):
        energies, gradient = _gradient(energy, value)
        better = energies < least
        least = torch.where(better, energies, least)
        best = torch.where(_like(better, best), value, best)
        if on_step is not None:
            on_step(index, value)
        if index == steps:
            break
        first = torch.lerp(gradient, first, DECAYS[0])
        second = torch.lerp(gradient.square(), second, DECAYS[1])
        mean, square = first / (1 - DECAYS[0] ** (index + 1)), second / (1 - DECAYS[1] ** (index + 1))
        rate = step_size * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * index / steps)))
        value = value - rate * mean / (square.sqrt() + 1e-8)
    return best


def descend_by_adam(
    data_term: Energy,
    prior: Energy,
    start: Tensor,
    *,
    weight: float,
    steps: int,
    rate: float,
    watch: Watch = UNWATCHED,
) -> Tensor:
    """Minimise D(x; y) + λ R(x) by a number of steps of Adam on x at one rate, as a report has it.

    Args:
        data_term: D(·; y).
        prior: R.
        start: First estimate, [batch, channel, height, width].
        weight: λ.
        steps: How many.
        rate: Of Adam.
        watch: Is told the start and every step, and the finished share.

    Returns:
        The last estimate, wherever it is; shape of `start`.
    """
    value = start.clone()
    optimiser = torch.optim.Adam([value], rate)
    for index in range(steps + 1):
        if watch.step is not None:
            with torch.no_grad():
                energies = {"data": data_term(value), "prior": weight * prior(value)}
            watch.step(Step(index, value.clone(), energies))
        if index < steps:
            _, value.grad = _gradient(lambda image: data_term(image) + weight * prior(image), value)
            optimiser.step()
        watch.progress((index + 1) / (steps + 1))
    return value


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
    on_step: OnStep | None = None,
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
                energies = {"data": data_term(value), "prior": weight * prior(value)}
            on_step(Step(index, value, energies, active))
        if index == steps or not bool(active.any()):
            break
        _, gradient = _gradient(lambda image: data_term(image) + weight * prior(image), value)
        value = torch.where(_like(active, value), constrain(value - step_size * gradient), value)
    return value


@dataclass(frozen=True)
class Discrepancy:
    """Discrepancy principle: an estimate on the way from a start to the data is as near as it should come.

        r(x) = mean (x − y)²,     e(x) = mean E[(clip(x + σ n) − x)²]

        r(x)  ≤  e(x) · min(1, e(x) / r(start))

    Morozov's principle stops at e: the noise explains what is left. But a start without noise that misses m
    of the picture has r = m + e; a share a of the way to y leaves an error (1 − a)² m + a² e, which is least
    at a = m / (m + e), where r = e² / (m + e).

    Sources: Morozov, "On the solution of functional equations by the method of regularization", 1966; the
    share is Wiener's. The expectation is that of clipped noise for files of integers, else σ².

    Attributes:
        damaged: y, [batch, channel, height, width] on the [0, 1] scale.
        start: Where the way begins, without noise; the same shape, in [0, 1].
        noise_level: σ on the [0, 1] scale.
        clipped: Whether y was clipped to [0, 1].
        known: 1 where a pixel is known, [batch, 1, height, width]; None: every pixel.
    """

    damaged: Tensor
    start: Tensor
    noise_level: float
    clipped: bool
    known: Tensor | None = None

    def reached(self, image: Tensor) -> Tensor:
        """True for each estimate x, [batch, channel, height, width], that is near enough: bool [batch]."""
        expected, first = self._expected(image), self._squares(self.start)
        return self._squares(image) <= expected * (expected / first.clamp(min=1e-12)).clamp(max=1)

    def _expected(self, image: Tensor) -> Tensor:
        expected = torch.full_like(image, self.noise_level**2)
        if self.clipped:
            expected = expected_square(image.clamp(0, 1), self.noise_level)
        return masked(expected, self.known).flatten(1).sum(1)

    def _squares(self, image: Tensor) -> Tensor:
        return masked((image - self.damaged).square(), self.known).flatten(1).sum(1)


class Parametrised(Protocol):
    """A network that makes a picture x = f(θ) of its parameters."""

    def parameters(self) -> Iterator[Tensor]:
        """θ, each of its own shape."""

    def sample(self) -> Tensor:
        """f(θ), through which gradients flow; [1, channel, height, width], about [0, 1]."""


AVERAGED = 0.98
"""The share of the average so far in the next one."""


def fit(
    data_term: DataTerm,
    prior: Parametrised,
    held_out: DataTerm,
    *,
    steps: int,
    patience: int,
    rate: float = 0.01,
    on_step: OnStep | None = None,
) -> Tensor:
    """Fit the parameters of a prior to the data, and stop before it fits the damage.

        θ  =  argmin_θ  D(f(θ); y)

    by Adam, with the average of late estimates as the result. Pixels that the fit never sees tell when to
    stop: once their error has not become smaller for `patience` steps, the average at its smallest is it.
    Sources: Ulyanov et al., "Deep Image Prior", 2018; Wang et al., "Early Stopping for Deep Image Prior",
    2021, for stopping without the truth (there by the running variance, here by held-out pixels).

    Args:
        data_term: D of the pixels to fit.
        prior: Gives f(θ).
        held_out: D of the pixels that are kept apart.
        steps: The most of them.
        patience: Steps without a better average before it ends.
        rate: Of Adam.
        on_step: Is told every step, with the average.

    Returns:
        The best average, [1, channel, height, width], about [0, 1].
    """
    optimiser = torch.optim.Adam(prior.parameters(), lr=rate)
    average = best = prior.sample().detach()
    least, since = math.inf, 0
    for index in range(steps):
        optimiser.zero_grad(set_to_none=True)
        image = prior.sample()
        data_term.value(image).sum().backward()
        optimiser.step()
        share = min(AVERAGED, index / (index + 1))  # a plain mean of the first, which knows of no start
        average = torch.lerp(image.detach(), average, share)
        error = float(held_out.value(average).sum())
        best, least, since = (average, error, 0) if error < least else (best, least, since + 1)
        if on_step is not None:
            on_step(Step(index, average, {"held_out": torch.tensor([error])}))
        if since > patience:
            break
    return best


def _gradient(energy: Energy, value: Tensor) -> tuple[Tensor, Tensor]:
    """Energy [batch] and its gradient, of the shape of value."""
    point = value.detach().requires_grad_()
    with torch.enable_grad():
        energies = energy(point)
        (gradient,) = torch.autograd.grad(energies.sum(), point)
    return energies.detach(), gradient


def _like(flags: Tensor, value: Tensor) -> Tensor:
    return flags.reshape(-1, *(1 for _ in value.shape[1:]))
