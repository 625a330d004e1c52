"""Records of pictures that are restored: what goes in, what comes out, and who watches the search."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from genrestore.restore.solvers.steps import Step
from genrestore.restore.tiling import Pixels

Figure = float | list[float]


class Given(Protocol):
    """A picture that is to be restored."""

    @property
    def pixels(self) -> Pixels:
        """[1, channel, height, width], grey or RGB; uint8, uint16, or floating point on the [0, 1] scale."""

    @property
    def known(self) -> Pixels | None:
        """True where a pixel is known, bool [1, 1, height, width]; the others are filled. None: all are."""

    @property
    def copyable(self) -> Pixels | None:
        """True where texture may be copied from, bool [1, 1, height, width]. None: where it is known."""


@dataclass(frozen=True)
class Picture:
    """A picture that is to be restored: see `Given`."""

    pixels: Pixels
    known: Pixels | None = None
    copyable: Pixels | None = None


class Trace(Protocol):
    """An observer of searches."""

    def step(self, picture: Any, piece: int, step: Step) -> None:
        """A step of the search for a piece of a picture, counted from 0."""

    def end(self, picture: Any) -> None:
        """The end of the search for a picture."""


@dataclass(frozen=True)
class Told:
    """Findings about a restored picture.

    Attributes:
        noise_level: σ that was given or estimated (root mean square over the picture), on the [0, 1] scale.
        notes: Remarks for the user, one line each.
        in_domain: Whether the prior knows such pictures; None where it knows all.
        figures: Other numbers by name; distances in grey levels.
    """

    noise_level: float | None = None
    notes: tuple[str, ...] = ()
    in_domain: bool | None = None
    figures: dict[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Restored(Told):
    """A restored picture, with the findings about it.

    Attributes:
        pixels: Shape and type of the picture that was given.
        latent: z of the prior's nearest image, [1, latent], on the CPU; None where there is none.
    """

    pixels: Pixels
    latent: Tensor | None = None

    @property
    def told(self) -> Told:
        """The findings, without the picture."""
        return Told(self.noise_level, self.notes, self.in_domain, self.figures)


def is_clipped(pixels: Pixels) -> bool:
    """True for integers, [1, channel, height, width]: noise in them was clipped to their range."""
    return bool(np.issubdtype(pixels.dtype, np.integer))
