"""Denoise or inpaint without any weights: one network is fitted to each picture, and stopped in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from genrestore.errors import UsageError
from genrestore.restore import holes
from genrestore.restore.data_terms import L2, Seamless
from genrestore.restore.priors.untrained import UntrainedPrior
from genrestore.restore.provenance import of_untrained
from genrestore.restore.solvers import Step, descend
from genrestore.restore.tasks.filling import NOTHING_MISSING, check_feather, fill_holes
from genrestore.restore.tasks.restored import Restored
from genrestore.restore.tiling import Pixels, Region, Tiling, map_tiles, tiles, with_less_memory
from genrestore.runtime import Runtime

STEPS, MOST_STEPS = 5000, 100_000
HELD_OUT = 0.05
"""The share of the known pixels that the fit never sees, and that tell when to stop."""
PATIENCE = 0.1
"""The share of all steps that may pass without a better average."""
TILING = Tiling(size=512, overlap=64)
TIMED = 5
"""Steps that are timed, after the first, in which torch prepares itself, before the rest is estimated."""


class Untrained:
    """The deep image prior: for pictures with noise, or with missing pixels.

    Args:
        steps: The most that are taken for each piece of a picture; it stops by itself before.
        strength: Of denoising: result = input + strength · (denoised − input), 0 to 1.
        feather: Of inpainting: pixels over which the result goes into what the picture holds, 0 to 32.
        runtime: Device, precision and seed; None settles them for this machine.
        tiling: How large pictures are cut; each piece has a network of its own.
        on_estimate: Is told, after some steps, how many seconds the picture will take at most.
        on_step: Is told the number of the piece, from 0, and each of its steps.

    Raises:
        UsageError: A value out of its range.

    Attributes:
        steps: The most that are taken for each piece.
    """

    def __init__(
        self,
        *,
        steps: int = STEPS,
        strength: float = 1.0,
        feather: int = 0,
        runtime: Runtime | None = None,
        tiling: Tiling = TILING,
        on_estimate: Callable[[float], None] | None = None,
        on_step: Callable[[int, Step], None] | None = None,
    ) -> None:
        if not 1 <= steps <= MOST_STEPS:
            raise UsageError(f"steps {steps}: must be from 1 to {MOST_STEPS}")
        if not 0 <= strength <= 1:
            raise UsageError(f"strength {strength}: must be between 0 and 1")
        check_feather(feather)
        self.steps = steps
        self._strength = strength
        self._feather = feather
        self._runtime = runtime or Runtime.create()
        self._tiling = tiling
        self._on_estimate = on_estimate
        self._on_step = on_step

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the result, as JSON values."""
        return of_untrained(self.steps, self._strength, self._feather)

    def __call__(
        self, pixels: Pixels, on_progress: Callable[[float], None] | None = None, known: Pixels | None = None
    ) -> Restored:
        """Restore one picture.

        Args:
            pixels: [1, channel, height, width], grey or RGB; uint8, uint16, or floating point on the
                [0, 1] scale.
            on_progress: Is told the finished share, 0 to 1.
            known: Whether a pixel is known, bool [1, 1, height, width]: the others are filled, and these stay
                as they are. None: all are, and have noise that is taken away.

        Returns:
            The restored picture, of the same shape and type.

        Raises:
            InputError: Every pixel is missing.
        """
        if known is not None and known.all():
            return Restored(pixels.copy(), None, (NOTHING_MISSING,))
        if known is None and self._strength == 0:
            return Restored(pixels.copy(), None)
        if known is None:
            work = partial(self._denoised, pixels, on_progress)
        else:
            work = partial(self._filled, pixels, known, on_progress)
        return Restored(with_less_memory(work, self._tiling), None)

    def _filled(
        self, pixels: Pixels, known: Pixels, on_progress: Callable[[float], None] | None, tiling: Tiling
    ) -> Pixels:
        fit = _Fit(self, [_area(piece.read) for piece in holes.pieces(known, tiling)])

        def solve(image: Tensor, there: Tensor, advance: Callable[[float], None]) -> Tensor:
            estimate = fit.run(image, there, advance)
            return Seamless(L2(image, 0.0, there), there).prox(estimate, 1.0)

        return fill_holes(pixels, known, solve, tiling, feather=self._feather, on_progress=on_progress)

    def _denoised(
        self, pixels: Pixels, on_progress: Callable[[float], None] | None, tiling: Tiling
    ) -> Pixels:
        fit = _Fit(self, areas := [tile[0].numel() for tile in tiles(pixels[:, :1], tiling)])

        def advance(fraction: float) -> None:
            if on_progress is not None:
                on_progress((fit.number + fraction) / len(areas))

        def restore(image: Tensor) -> Tensor:
            estimate = fit.run(image, torch.ones_like(image[:, :1]), advance)
            return torch.lerp(image, estimate, self._strength)

        return map_tiles(pixels, restore, tiling)

    def fit(self, image: Tensor, known: Tensor, on_step: Callable[[Step], None]) -> Tensor:
        """Fit a network to a piece, until the pixels that it does not see fit no better.

        Args:
            image: [1, 1 or 3, height, width], about [0, 1].
            known: 1 where a pixel is known and 0 where it is missing, [1, 1, height, width].
            on_step: Is told every step.

        Returns:
            What the network makes of it, same shape, in [0, 1].
        """
        device = self._runtime.device
        draw = torch.rand(known.shape, generator=self._runtime.generator())
        seen = known * (draw >= HELD_OUT)
        apart = known - seen
        if not (bool(seen.any()) and bool(apart.any())):  # too few pixels to keep any apart
            seen = apart = known
        image = image.to(device)
        terms = [L2(image, 1.0, part.to(device)) for part in (seen, apart)]
        prior = UntrainedPrior(tuple(image.shape), self._runtime)
        patience = max(1, round(PATIENCE * self.steps))
        result = descend(terms[0], prior, terms[1], steps=self.steps, patience=patience, on_step=on_step)
        return result.cpu()

    def told(self, number: int, step: Step) -> None:
        """Pass a step of the piece of this number on to `on_step`."""
        if self._on_step is not None:
            self._on_step(number, step)

    def estimated(self, seconds: float) -> None:
        """Say how long a picture will take at most, from the seconds of one step of all of it."""
        if self._on_estimate is not None:
            self._on_estimate(seconds * self.steps)


class _Fit:
    """Fits the pieces of one picture in turn, and says how far it is; `areas` are their pixels."""

    def __init__(self, task: Untrained, areas: Sequence[int]) -> None:
        self.number = 0
        self._task = task
        self._areas = areas

    def run(self, image: Tensor, known: Tensor, on_progress: Callable[[float], None]) -> Tensor:
        """A piece [1, channel, height, width], fitted; `on_progress` is told its finished share."""
        times: list[float] = []

        def on_step(step: Step) -> None:
            times.append(time.perf_counter())
            if self.number == 0 and step.index == TIMED:
                seconds = (times[-1] - times[0]) / TIMED
                self._task.estimated(seconds * sum(self._areas) / self._areas[0])
            on_progress((step.index + 1) / self._task.steps)
            self._task.told(self.number, step)

        result = self._task.fit(image, known, on_step)
        on_progress(1.0)
        self.number += 1
        return result


def _area(region: Region) -> int:
    return (region[0].stop - region[0].start) * (region[1].stop - region[1].start)
