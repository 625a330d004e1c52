"""A damage as somebody may add it, in one file: its operator, its data term, its function, its line."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genrestore.restore.api import apply
from genrestore.restore.pictures import Restore
from genrestore.restore.problem import Identity
from genrestore.restore.task import DAMAGES, Damage, Task

LINE = Damage(
    "lighten",
    ("denoiser",),
    module="tests.cli.lighten",
    help="""Lighten photographs that lost light.

    Examples:
        genrestore lighten photo.jpg

    No pixel gets darker.
    """,
)


class Darkened(Identity):
    """Pictures that lost light, so that x is y or more."""

    def constraint(self, damaged: Tensor) -> AtLeast:
        return AtLeast(damaged)


class AtLeast:
    """D(x; y) = 0 where x is y or more, else infinite."""

    def __init__(self, damaged: Tensor) -> None:
        self.damaged = damaged

    def value(self, image: Tensor) -> Tensor:
        return torch.where((image < self.damaged).flatten(1).any(1), torch.inf, 0.0)

    def prox(self, image: Tensor, tau: float) -> Tensor:
        return torch.maximum(image, self.damaged)


def operator(metadata: Any) -> Darkened:
    return Darkened()


def lighten(image: Any, *, weights: str) -> Any:
    restore = Restore(Task.of(LINE, weights), operator=lambda _: Darkened())
    return apply(image, lambda pixels: restore(pixels).pixels)


if __name__ == "__main__":
    DAMAGES["lighten"] = LINE
    from genrestore.cli import main

    main()
