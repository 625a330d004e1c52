"""How a search for an estimate is told to go. Needs no torch, so that a plan can be made without."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from genrestore.errors import UsageError

LOSSES = ("l2", "l1")


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
        if self.steps < 1:
            raise UsageError(f"--steps {self.steps}: must be 1 or more")
        if not 0 < self.step_size <= 1:
            raise UsageError(f"--step-size {self.step_size}: must be above 0 and at most 1")
        if not 0 <= self.prior_weight <= 1e6:
            raise UsageError(f"--prior-weight {self.prior_weight}: must be from 0 to 1000000")
        if self.loss not in LOSSES:
            raise UsageError(f"--loss {self.loss}: must be one of {', '.join(LOSSES)}")

    def described(self, *, resize: bool) -> dict[str, Any]:
        """As JSON values, by field, with whether pictures are scaled to the prior's size."""
        return {**asdict(self), "resize": resize}
