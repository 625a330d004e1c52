"""Steps of solvers, and what watches them: progress, traces, estimates of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

OnProgress = Callable[[float], None]
"""Is told the finished share, 0 to 1."""


@dataclass(frozen=True)
class Step:
    """One step of a solver.

    Attributes:
        index: From 0, the start or the first step.
        image: The estimate after it, [batch, channel, height, width], about [0, 1].
        energies: Of each picture there, [batch], by term: "data" (D), "prior" (λ R), "held_out" (D of pixels
            that the solver does not see).
        active: Which pictures go on, bool [batch]; None: all.
        stage: What the solver is at: "latent", "restorer", "pixels"; "" where it has one thing to do.
    """

    index: int
    image: Tensor
    energies: Mapping[str, Tensor] = field(default_factory=dict)
    active: Tensor | None = None
    stage: str = ""

    def only(self, place: int) -> Step:
        """That of one picture alone, as a batch of one."""
        one = slice(place, place + 1)
        energies = {name: energy[one] for name, energy in self.energies.items()}
        active = None if self.active is None else self.active[one]
        return replace(self, image=self.image[one], energies=energies, active=active)


OnStep = Callable[[Step], None]


def _ignore(_: float) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Watch:
    """Callbacks of who watches a solver.

    Attributes:
        progress: Is told the finished share, 0 to 1.
        step: Is told every step, or None.
        estimate: Is told after some steps of a long search how many seconds all take at most.
    """

    progress: OnProgress = _ignore
    step: OnStep | None = None
    estimate: Callable[[float], None] = _ignore


UNWATCHED = Watch()


def shares(on_progress: OnProgress, parts: Sequence[float]) -> list[OnProgress]:
    """A callback for each part of a work: told the part's finished share, it tells that of the whole.

    Args:
        on_progress: Is told the finished share of all parts together.
        parts: Duration of each, in any unit, roughly.
    """
    total = sum(parts) or 1.0
    before = [sum(parts[:place]) for place in range(len(parts))]

    def of(start: float, length: float) -> OnProgress:
        return lambda share: on_progress((start + length * min(share, 1.0)) / total)

    return [of(start, length) for start, length in zip(before, parts, strict=True)]


class Tally:
    """Work that is counted while it is done.

    Args:
        on_progress: Is told the finished share whenever something is added.
        expected: The amount of it, about.
    """

    def __init__(self, on_progress: OnProgress, expected: float) -> None:
        self._on_progress, self._expected = on_progress, expected
        self._done = 0.0

    def add(self, work: float) -> None:
        """Count some more, in the unit of what is expected."""
        self._done += work
        self._on_progress(min(self._done / self._expected, 1.0))
