"""Schedules: which noise level a solver takes at which step."""

from __future__ import annotations

import math


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
