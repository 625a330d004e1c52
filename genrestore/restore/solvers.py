"""Solvers: what brings a data term and a prior together. They know nothing of either."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from genrestore.restore.data_terms import DataTerm

Denoiser = Callable[[Tensor, float], Tensor]
"""Takes an image [batch, channel, height, width], about [0, 1], and σ on that scale; gives the estimate."""


class Parametrised(Protocol):
    """A prior that is a set of pictures x = f(θ), each known by its parameters."""

    def parameters(self) -> Iterator[Tensor]:
        """θ, each of its own shape."""

    def sample(self) -> Tensor:
        """f(θ), through which gradients flow; [1, channel, height, width], about [0, 1]."""


@dataclass(frozen=True)
class Step:
    """One step of a solver.

    Attributes:
        index: From 0.
        image: The estimate after it, [batch, channel, height, width], about [0, 1].
        noise_level: σ on the [0, 1] scale that the prior was given; NaN where there is none.
        held_out: D of the pixels that were held out, where there are any; else NaN.
    """

    index: int
    image: Tensor
    noise_level: float = math.nan
    held_out: float = math.nan


def plug_and_play(
    data_term: DataTerm,
    denoiser: Denoiser,
    start: Tensor,
    schedule: Sequence[tuple[float, float]],
    *,
    on_step: Callable[[Step], None] | None = None,
) -> Tensor:
    """Restore by half-quadratic splitting, with a denoiser as the step of the prior.

        x  =  denoiser(z, σ)
        z  =  argmin_z  D(z; y) + ‖z − x‖² / 2τ²

    The step of the data comes last, so that what is known for certain comes back as it was.
    Source: Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", 2021.

    Args:
        data_term: D(·; y).
        denoiser: The step of the prior.
        start: First estimate, [batch, channel, height, width], about [0, 1].
        schedule: (σ, τ) of each iteration; both on the [0, 1] scale, largest first.
        on_step: Is told every step.

    Returns:
        The last estimate; shape and range of `start`.
    """
    image = start
    for index, (sigma, tau) in enumerate(schedule):
        image = data_term.prox(denoiser(image, sigma), tau)
        if on_step is not None:
            on_step(Step(index, image, sigma))
    return image


AVERAGED = 0.98
"""The share of the average so far in the next one."""


def descend(
    data_term: DataTerm,
    prior: Parametrised,
    held_out: DataTerm,
    *,
    steps: int,
    patience: int,
    rate: float = 0.01,
    on_step: Callable[[Step], None] | None = None,
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
            on_step(Step(index, average, held_out=error))
        if since > patience:
            break
    return best
