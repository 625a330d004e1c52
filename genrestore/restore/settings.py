"""What a user may ask of a restoration, with its limits. Needs no torch: the command line reads it too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from genrestore.errors import UsageError

MOST_TIMES = 100
"""How many times the estimate of the noise a user may ask for at most."""


@dataclass(frozen=True)
class DenoiseSettings:
    """What is asked of denoising.

    Attributes:
        noise_level: σ on the [0, 1] scale; None estimates it from each picture.
        noise_factor: Where σ is estimated, take this many times the estimate.
        strength: Result = input + strength · (denoised − input), 0 to 1.
        luma: The share of the change of brightness that is made, 0 to 1.
        chroma: The share of the change of colour that is made, 0 to 1.
        turns: In how many ways each picture is turned and mirrored, 1, 2, 4 or 8, for a mean of as many
            estimates; None lets its size decide.

    Raises:
        UsageError: A value out of its range.
    """

    noise_level: float | None = None
    noise_factor: float = 1.0
    strength: float = 1.0
    luma: float = 1.0
    chroma: float = 1.0
    turns: int | None = None

    def __post_init__(self) -> None:
        if self.noise_level is not None and not 0 <= self.noise_level <= 1:
            raise UsageError(f"noise level {self.noise_level}: must be between 0 and 1 (grey levels / 255)")
        if not 0 < self.noise_factor <= MOST_TIMES:
            raise UsageError(f"noise factor {self.noise_factor}: must be above 0, and {MOST_TIMES} at most")
        for name in ("strength", "luma", "chroma"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                hint = "; for more of it, take a higher noise level" if value > 1 else ""
                raise UsageError(f"{name} {value}: must be between 0 and 1{hint}")
        if self.turns not in (None, 1, 2, 4, 8):
            raise UsageError(f"turns {self.turns}: must be 1, 2, 4 or 8")

    @property
    def changes_nothing(self) -> bool:
        """Whether every picture comes back as it was."""
        return self.noise_level == 0 or self.strength == 0 or self.luma == self.chroma == 0

    @property
    def provenance(self) -> dict[str, Any]:
        """As JSON values, the noise level in 8-bit grey levels; what was not asked for is not named."""
        sigma = None if self.noise_level is None else round(self.noise_level * 255, 4)
        made: dict[str, Any] = {"sigma": sigma, "strength": self.strength}
        for name, usual in (("noise_factor", 1.0), ("luma", 1.0), ("chroma", 1.0), ("turns", None)):
            if getattr(self, name) != usual:
                made[name] = getattr(self, name)
        return made
