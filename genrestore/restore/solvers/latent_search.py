"""Latent search: several starts for each picture, of which ever fewer go on (successive halving)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from genrestore.restore.data_terms import PixelTerm
from genrestore.restore.problem import UNWATCHED, Step, Tally, Watch, shares
from genrestore.restore.settings import BATCH
from genrestore.restore.solvers.levenberg_marquardt import (
    FAR_DAMPING,
    FIRST_DAMPING,
    SMALL,
    Candidates,
    descend,
)

STAGES = ((60, 2), (60, 4))
"""Steps of all starts, then of those that are left: one in so many of all goes on then, at least one."""
REPORTED = 200
"""Steps of the report's search that an observer sees, about."""
ENOUGH = 2e-4
"""Share of the energy that a step has to gain where the starts are near: a thousandth of a decibel."""
CURVATURE, AGAIN = 3, 0.6
"""Duration of a curvature, in gradients of a batch, and how many are made anew for each start, both about."""


class Decoder(Protocol):
    """A network G from latents to images, as the search uses it."""

    def generate(self, latent: Tensor) -> Tensor:
        """G(z) of [batch, latent]: [batch, channel, size, size] in [0, 1]."""

    def jacobian(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """G(z) of [1, latent], and ∂G/∂z, [channel · size · size, latent]."""


@dataclass(frozen=True)
class LatentEnergy:
    """The energy of a latent: how well its image fits, and how usual it is.

        F(z) = D(G(z); y) + λ ‖z‖² / 2

    Attributes:
        prior: G.
        term: D, of all pictures.
        weight: λ; 1 is N(0, I)'s own where D is a log-likelihood, 0 none.
    """

    prior: Decoder
    term: PixelTerm
    weight: float

    def found(self, latent: Tensor, pictures: Tensor, index: int, starts: Tensor, going: Tensor) -> Found:
        """The state of a search at latents [candidate, latent], each for a picture's index, [candidate].

        The others as `Found` has them: steps, [candidate, start], and [candidate].
        """
        image = self.prior.generate(latent)
        data = self.term.take(pictures).value(image)
        return Found(index, latent, image, data, self.weight * latent.square().sum(1) / 2, starts, going)

    def gradient(self, latent: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """F, [candidate], and its gradient Jᵀ d' + λ z, [candidate, latent], with D's gradient d'.

        Args:
            latent: [candidate, latent].
            pictures: The index of the picture of each, [candidate].
        """
        point = latent.detach().requires_grad_()
        with torch.enable_grad():
            image = self.prior.generate(point)
        decoded, term = image.detach(), self.term.take(pictures)
        (back,) = torch.autograd.grad(image, point, term.expand(decoded)[0])
        value = term.value(decoded) + self.weight * latent.square().sum(1) / 2
        return value, back + self.weight * latent

    def curvature(self, latent: Tensor, pictures: Tensor) -> Tensor:
        """Gauss–Newton's curvature of F, with D's curvature d'' in every pixel.

            H = Jᵀ diag(d'') J + λ I,     J = ∂G/∂z

        Args:
            latent: [candidate, latent].
            pictures: The index of the picture of each, [candidate].

        Returns:
            [candidate, latent, latent].
        """
        curvatures = []
        for one, picture in zip(latent.split(1), pictures.split(1), strict=True):
            image, jacobian = self.prior.jacobian(one)
            _, curvature = self.term.take(picture).expand(image)
            curvatures.append(jacobian.T @ (curvature.flatten()[:, None] * jacobian))
        identity = torch.eye(latent.shape[1], device=latent.device)
        return torch.stack(curvatures) + self.weight * identity


@dataclass(frozen=True)
class Found:
    """The state of a search, at its end or on the way.

    Attributes:
        index: Steps so far.
        latent: The best z of each picture so far, [picture, latent].
        image: G(z) there, [picture, channel, size, size] in [0, 1].
        data: D(G(z); y) there, [picture].
        prior: λ ‖z‖² / 2 there, [picture].
        starts: F at the last of each start, [picture, start]; the first is the encoder's.
        going: How many starts of each picture go on, [picture].
        left: z of the starts that are left at the end, [picture, start, latent]; on the way None.
    """

    index: int
    latent: Tensor
    image: Tensor
    data: Tensor
    prior: Tensor
    starts: Tensor
    going: Tensor
    left: Tensor | None = None

    @property
    def step(self) -> Step:
        """This state as a step that is told."""
        return Step(self.index, self.image, {"data": self.data, "prior": self.prior}, self.going > 0)


@torch.no_grad()
def search(
    energy: LatentEnergy,
    starts: Tensor,
    *,
    steps: int,
    stages: Sequence[tuple[int, int]] = STAGES,
    near: bool = False,
    watch: Watch = UNWATCHED,
) -> Found:
    """The best latent of each picture, by successive halving of the starts.

    All starts take some second-order steps, the better half some more, and the best the rest of them.
    All pictures and starts go through the network together, and none sees another.
    Source: Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization",
    2016.

    Args:
        energy: F.
        starts: [picture, start, latent].
        steps: Of the best start, at most.
        stages: Of the halving, as `STAGES`; none: all starts take all steps, and are left at the end.
        near: Whether the starts lie around the first, whose curvature then is theirs to begin with; the
            picture has no damage then, and the search ends where `ENOUGH` says.
        watch: Is told where the starts are, and every step, and the finished share; a search that ends early
            leaps to 1.
    """
    count, some, _ = starts.shape
    pictures = torch.arange(count, device=starts.device).repeat_interleave(some)
    parts = _stages(some, steps, stages)
    works = _works(count, some, parts, near)
    first, *tells = shares(watch.progress, works)
    begun, alike = starts.flatten(0, 1), some if near else 1  # so many in a row have one curvature
    curvature = _Watched(energy, Tally(first, works[0])).curvature(begun[::alike], pictures[::alike])
    curvature, damping = curvature.repeat_interleave(alike, 0), FAR_DAMPING if alike > 1 else FIRST_DAMPING
    state = Candidates.begin(energy.gradient, begun, pictures, curvature, damping)
    small = ENOUGH if near else SMALL
    lasts, index = state.energy.view(count, some).clone(), 0
    places = torch.arange(count * some, device=starts.device)

    def report(now: Candidates) -> None:
        nonlocal index
        lasts.view(-1)[places] = now.energy
        if watch.step is not None:
            watch.step(_found(energy, now, lasts.clone(), index).step)
        index += 1

    report(state)
    for (stage_steps, kept), work, tell in zip(parts, works[1:], tells, strict=True):
        watched = _Watched(energy, Tally(tell, work))
        state = descend(
            watched.gradient, watched.curvature, state, steps=stage_steps, small=small, on_step=report
        )
        tell(1.0)
        chosen = state.energy.view(count, -1).argsort(stable=True, dim=1)[:, :kept].sort(1).values
        alone = (chosen + len(places) // count * torch.arange(count, device=chosen.device)[:, None]).flatten()
        state, places = state.take(alone), places[alone]
    found = _found(energy, state, lasts, index - 1)
    return replace(found, left=state.latent.view(count, -1, starts.shape[2]))


def _stages(starts: int, steps: int, stages: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Steps of each stage, and how many starts are kept after it."""
    parts, left = [], steps
    for stage_steps, kept in stages if starts > 1 else ():
        parts.append((min(stage_steps, left), max(1, starts // kept)))
        left -= parts[-1][0]
    return [*parts, (left, 1 if stages else starts)]


def _works(count: int, starts: int, parts: Sequence[tuple[int, int]], near: bool) -> list[float]:
    """Duration of the first curvatures and of each stage, in gradients of a batch, about.

    Of so many pictures with so many starts each.
    """
    left = [starts, *(kept for _, kept in parts[:-1])]
    works = [float(steps * _calls(count * some)) for some, (steps, _) in zip(left, parts, strict=True)]
    works[0] += 0 if near and starts > 1 else AGAIN * CURVATURE * count * starts
    return [float(CURVATURE * count * (1 if near else starts)), *works]


def _calls(candidates: int) -> int:
    """Calls of the network for so many candidates."""
    return math.ceil(candidates / BATCH)


@dataclass(frozen=True)
class _Watched:
    """An energy whose gradients and curvatures are counted; a curvature counts when it is done."""

    energy: LatentEnergy
    tally: Tally

    def gradient(self, latent: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        found = self.energy.gradient(latent, pictures)
        self.tally.add(_calls(len(latent)))
        return found

    def curvature(self, latent: Tensor, pictures: Tensor) -> Tensor:
        curvatures = []
        for one, picture in zip(latent.split(1), pictures.split(1), strict=True):
            curvatures.append(self.energy.curvature(one, picture))
            self.tally.add(CURVATURE)
        return torch.cat(curvatures)


def _found(energy: LatentEnergy, now: Candidates, lasts: Tensor, index: int) -> Found:
    """The best of each picture's candidates."""
    count = len(lasts)
    best = now.energy.view(count, -1).argmin(1)
    rows = best + now.energy.numel() // count * torch.arange(count, device=best.device)
    latent = now.latent[rows]
    return energy.found(latent, now.picture[rows], index, lasts, now.active.view(count, -1).sum(1))


def search_by_adam(
    energy: LatentEnergy,
    start: Tensor,
    *,
    steps: int,
    rate: float,
    noise: Callable[[], Tensor] | None = None,
    watch: Watch = UNWATCHED,
) -> Found:
    """The report's search: Adam at one rate, from one start.

    With noise it minimises D(G(z) + n; y) with another n at every step, as the report writes its objective.
    Then no energy can be compared with that of another step, and the last z counts, else the best.

    Args:
        energy: F.
        start: [picture, latent].
        steps: How many.
        rate: Of Adam.
        noise: Gives n, [1, channel, height, width].
        watch: Is told the start, about `REPORTED` steps, the end, and the finished share after every step.
    """
    pictures = torch.arange(len(start), device=start.device)
    latent = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([latent], rate)
    best, least = start.clone(), torch.full_like(start[:, 0], torch.inf)
    for index in range(steps + 1):
        with torch.enable_grad():
            image = energy.prior.generate(latent)
            image = image if noise is None else image + noise()
            values = energy.term.value(image) + energy.weight * latent.square().sum(1) / 2
            (latent.grad,) = torch.autograd.grad(values.sum(), latent)
        now, values = latent.detach(), values.detach()
        better = values < least if noise is None else torch.ones_like(values, dtype=torch.bool)
        least = torch.where(better, values, least)
        best = torch.where(better[:, None], now, best)
        if index == steps or (watch.step is not None and index % math.ceil(steps / REPORTED) == 0):
            with torch.no_grad():
                found = energy.found(best, pictures, index, least[:, None], torch.ones_like(pictures))
            if watch.step is not None:
                watch.step(found.step)
        if index < steps:
            optimiser.step()
        watch.progress((index + 1) / (steps + 1))
    return found
