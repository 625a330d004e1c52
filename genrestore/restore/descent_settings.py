"""How a search for an estimate is told to go. Needs no torch, so that a plan can be made without."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from genrestore.errors import UsageError

LOSSES = ("l2", "l1")
MOST_STEPS, MOST_RESTARTS = 100_000, 64


@dataclass(frozen=True)
class Descent:
    """How an autoencoder's estimate is found.

    Attributes:
        steps: On pixels, at most.
        step_size: Of a step on pixels, a share of 1 / (1/σ² + 2λ), above 0 and at most 1.
        prior_weight: λ of D(x; y) + λ R(x), images in [0, 1].
        loss: The data term: "l2", "l1".
    """

    steps: int = 200
    step_size: float = 0.05
    prior_weight: float = 4.0
    loss: str = "l2"

    def __post_init__(self) -> None:
        _check(self.steps, self.prior_weight, self.loss)
        if not 0 < self.step_size <= 1:
            raise UsageError(f"--step-size {self.step_size}: must be above 0 and at most 1")

    def described(self, *, resize: bool) -> dict[str, Any]:
        """As JSON values, by field, with whether pictures are scaled to the prior's size."""
        return {**asdict(self), "resize": resize}


@dataclass(frozen=True)
class LatentSearch:
    """How an image of a generator is found.

    Attributes:
        steps: Of the start that comes best, at most; every other start takes fewer.
        restarts: Starts of each picture: what the encoder says of it, and draws around that or from N(0, I).
        prior_weight: λ of D(G(z); y) + λ ‖z‖² / 2: 1 is the density of z's own, 0 none.
        loss: The data term: "l2", "l1".
        refine: Go off the generator's range as far as the noise allows.
        recipe: "report": one start from N(0, I), Adam at one rate, and where noise is removed, noise of its
            level added to G(z) at every step; None: ours.
        rate: Of Adam, with the recipe only; None where there is none.
    """

    steps: int = 300
    restarts: int = 4
    prior_weight: float = 1.0
    loss: str = "l2"
    refine: bool = True
    recipe: str | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        _check(self.steps, self.prior_weight, self.loss)
        if not 1 <= self.restarts <= MOST_RESTARTS:
            raise UsageError(f"--restarts {self.restarts}: must be from 1 to {MOST_RESTARTS}")
        if self.recipe not in (None, "report"):
            raise UsageError(f"--recipe {self.recipe}: must be report")
        if self.rate is not None and self.recipe is None:
            raise UsageError("--lr: is about Adam, which --recipe report searches with; the usual needs none")
        if self.recipe is not None and not 0 < (self.rate or 0) <= 10:
            raise UsageError(f"--lr {self.rate}: must be above 0 and at most 10")
        if self.recipe is not None and (self.restarts != 1 or self.refine):
            raise UsageError(
                "--recipe report: has one start and no --refine; leave --restarts and --refine out"
            )

    @classmethod
    def report(
        cls, size: int, *, steps: int | None = None, rate: float | None = None, loss: str = "l2"
    ) -> LatentSearch:
        """The report's recipe: 5000 steps, at a rate of 0.05 up to 32 pixels a side and 0.005 above.

        Args:
            size: Side of the generator's images in pixels.
            steps: Other than the report's.
            rate: Other than the report's.
            loss: "l2" or "l1".
        """
        usual = 0.05 if size <= 32 else 0.005
        return cls(
            5000 if steps is None else steps,
            restarts=1,
            prior_weight=0.0,
            loss=loss,
            refine=False,
            recipe="report",
            rate=usual if rate is None else rate,
        )

    def described(self, *, resize: bool) -> dict[str, Any]:
        """As JSON values, by field, with whether pictures are scaled to the prior's size."""
        return {**asdict(self), "resize": resize}


def _check(steps: int, prior_weight: float, loss: str) -> None:
    """Refuse what no search can be told."""
    if not 1 <= steps <= MOST_STEPS:
        raise UsageError(f"--steps {steps}: must be from 1 to {MOST_STEPS}")
    if not 0 <= prior_weight <= 1e6:
        raise UsageError(f"--prior-weight {prior_weight}: must be from 0 to 1000000")
    if loss not in LOSSES:
        raise UsageError(f"--loss {loss}: must be one of {', '.join(LOSSES)}")
