"""Plug-and-play: half-quadratic splitting with a denoiser as the step of the prior."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor

from genrestore.restore.data_terms import DataTerm
from genrestore.restore.problem import Step

Denoiser = Callable[[Tensor, float], Tensor]
"""Takes an image [batch, channel, height, width], about [0, 1], and σ on that scale; gives the estimate."""


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
            on_step(Step(index, image))
    return image


def falling(first: float, last: float, steps: int) -> tuple[float, ...]:
    """Noise levels that fall from `first` to `last`, each by the same factor.

        σ_k = first · (last / first)^(k / (steps − 1)),    k = 0 … steps − 1

    Source: Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", 2021, section 4.2.

    Args:
        first: σ on the [0, 1] scale, above 0.
        last: σ on the [0, 1] scale, above 0 and at most `first`.
        steps: At least 1; one step is `last`.

    Raises:
        ValueError: Levels or a number of steps out of these ranges.
    """
    if not (0 < last <= first <= 1 and steps >= 1):
        raise ValueError(f"{steps} noise levels from {first} to {last}: must fall, from at most 1, above 0")
    if steps == 1:
        return (last,)
    ratio = math.log(last / first) / (steps - 1)
    return tuple(first * math.exp(ratio * step) for step in range(steps))
