"""Operators A of y = A x + σ n, from clean to damaged pictures before the noise; one class a damage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from genrestore.restore.data_terms import DATA_TERMS, Clipped, PixelTerm


class Operator(Protocol):
    """An operator, by the data term of pictures that went through it."""

    def term(
        self, damaged: Tensor, noise_level: float, known: Tensor | None, loss: str, *, clipped: bool
    ) -> PixelTerm:
        """D(x; y).

        Args:
            damaged: y, [batch, channel, height, width] on the [0, 1] scale.
            noise_level: σ on the [0, 1] scale.
            known: 1 where a pixel is known, [batch, 1, height, width]; None: every pixel.
            loss: "l2" or "l1".
            clipped: Whether y was clipped to [0, 1].
        """


@dataclass(frozen=True)
class Identity:
    """A x = x: noise and missing pixels alone."""

    def term(
        self, damaged: Tensor, noise_level: float, known: Tensor | None, loss: str, *, clipped: bool
    ) -> PixelTerm:
        """‖x − y‖² / 2σ², its likelihood where noise was clipped, or ‖x − y‖₁ / σ.

        Args:
            damaged: y, [batch, channel, height, width] on the [0, 1] scale.
            noise_level: σ on the [0, 1] scale.
            known: 1 where a pixel is known, [batch, 1, height, width]; None: every pixel.
            loss: "l2" or "l1".
            clipped: Whether y was clipped to [0, 1].
        """
        kind = Clipped if clipped and loss == "l2" else DATA_TERMS[loss]
        return kind(damaged, noise_level, known)


IDENTITY = Identity()
