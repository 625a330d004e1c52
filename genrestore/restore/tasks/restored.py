"""What every task gives back, and what they say alike."""

from __future__ import annotations

from dataclasses import dataclass, field

from genrestore.errors import UsageError
from genrestore.restore.tiling import Pixels

Figure = float | list[float]

OVERFLOWED = "half precision overflowed, and was done again in float32"


@dataclass(frozen=True)
class Restored:
    """A restored picture.

    Attributes:
        pixels: Shape and type of the picture that was given.
        noise_level: σ that was given or estimated (root mean square over the picture), on the [0, 1] scale.
        notes: What the user should know, one line each.
        in_domain: Whether the prior knows such pictures; None where it knows all.
        figures: What else is told in numbers, by name; distances in grey levels.
        seconds: The share of the time that it was restored in together with others; None: it was alone.
    """

    pixels: Pixels
    noise_level: float | None
    notes: tuple[str, ...] = ()
    in_domain: bool | None = None
    figures: dict[str, Figure] = field(default_factory=dict)
    seconds: float | None = None


def check_noise_level(noise_level: float | None) -> None:
    """Refuse a noise level that is not on the [0, 1] scale; None is one that is estimated.

    Raises:
        UsageError: It is not.
    """
    if noise_level is not None and not (0 <= noise_level <= 1):
        raise UsageError(f"noise level {noise_level}: must be between 0 and 1 (grey levels / 255)")
