"""Marks that a picture should not have, found: dust, scratches and hairs, hot and dead pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch

from genrestore.errors import UsageError, WeightsError
from genrestore.models.mark_finder import MarkFinder
from genrestore.restore.components import Components
from genrestore.restore.problem import OnProgress
from genrestore.restore.tiling import Pixels, Tile, Tiling, begun, in_parallel, unused_bits, with_less_memory
from genrestore.runtime import Runtime
from genrestore.weights.header import FINDER, MARKS
from genrestore.weights.load import load_chosen
from genrestore.weights.store import choose

CERTAIN, AMONG_MANY, LIKELY = 5.5, -1.0, -3.0
"""Log odds that some pixel of a mark must have where it is the only one, where there are many others, and
that all pixels of a mark must have."""
COMPANY, HALF = 4.0, 0.5
"""How fast the first falls to the second with the marks per megapixel, and megapixels without any that a
picture is thought to have besides."""
ODDS_FACTOR = {"hot": 1.85}
"""Factor on the log odds of a kind of which the network is never sure: a pixel tells less than a speck."""
TILING = Tiling(size=768, overlap=64)


def _ignore(_: float) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Marks:
    """A finder of marks at work.

    Attributes:
        kinds: Which marks are looked for, of `weights.header.MARKS`.
        sensitivity: How many times likelier than usual marks are, above 0: more of them are found, and more
            of what is none.
        weights: A name in the store or a path.
        runtime: Device and precision; None settles them for this machine.

    Raises:
        UsageError: A kind of marks that is not known, none, or a sensitivity that is not above 0.
    """

    kinds: Sequence[str] = MARKS[:2]
    sensitivity: float = 1.0
    weights: str = FINDER
    runtime: Runtime | None = None

    def __post_init__(self) -> None:
        for kind in self.kinds or ("",):
            if kind not in MARKS:
                raise UsageError(f"marks '{kind}': must be of {', '.join(MARKS)}")
        if not 0 < self.sensitivity < math.inf:
            raise UsageError(f"sensitivity {self.sensitivity:g}: must be above 0, and 1 is the usual")

    def __call__(self, pixels: Pixels, on_progress: OnProgress = _ignore) -> Pixels:
        """Find the marks of a picture.

            log odds(pixel) + log sensitivity > T

        Convention: T is `threshold` for one pixel of a mark at least, and `LIKELY` for those that hang
        together with it (hysteresis; Canny, 1986).

        Args:
            pixels: [1, 1 or 3, height, width]; uint8, uint16, or floating point on the [0, 1] scale.
            on_progress: Is told the finished share, 0 to 1.

        Returns:
            True where a mark is, bool [height, width].

        Raises:
            WeightsError: The weights are missing, or find no marks, or not of these kinds.
        """
        if shift := unused_bits(pixels):
            pixels = pixels << shift
        odds = with_less_memory(lambda tiling: self._odds(pixels, tiling, on_progress), TILING)
        odds += math.log(self.sensitivity)
        likely = odds > LIKELY
        parts = Components.of(likely)
        best = np.full(len(parts.areas) + 1, -np.inf, np.float32)
        np.maximum.at(best, parts.labels[likely], odds[likely])
        is_mark = best > threshold(best, odds.size)
        return _grown(is_mark[parts.labels])  # the soft edge of a mark is beside what was found of it

    def _odds(self, pixels: Pixels, tiling: Tiling, on_progress: OnProgress) -> Pixels:
        """Log odds of the likeliest kind of mark, float16 [height, width]."""
        network, planes, runtime = self._network, self._planes, self._runtime
        factors = torch.tensor([ODDS_FACTOR.get(kind, 1.0) for kind in self.kinds]).reshape(-1, 1, 1)
        _, todo = begun(pixels, tiling.aligned(network.multiple))
        result = np.empty((1, 1, *pixels.shape[-2:]), np.float16)

        def find(tile: Tile) -> None:
            image = tile.read(pixels).clamp(0, 1).expand(-1, 3, -1, -1).to(runtime.device)
            with torch.inference_mode(), runtime.autocast():
                odds = network(image.contiguous(memory_format=torch.channels_last))
            tile.write((odds[:, planes].float().cpu() * factors).amax(1, keepdim=True), result)

        for number, _ in enumerate(in_parallel(find, todo, runtime.workers), start=1):
            on_progress(number / len(todo))
        return cast("Pixels", result[0, 0])

    @cached_property
    def _runtime(self) -> Runtime:
        return self.runtime or Runtime.create()

    @cached_property
    def _network(self) -> MarkFinder:
        chosen = choose(self.weights)
        network = load_chosen(chosen, self._runtime).networks.get("finder")
        if not isinstance(network, MarkFinder):
            raise WeightsError(
                f"weights '{self.weights}' are of kind '{chosen.header.kind}', and marks need a finder, such "
                f"as {FINDER}"
            )
        return network.to(memory_format=torch.channels_last)

    @property
    def _planes(self) -> list[int]:
        """Planes of the network's kinds that are looked for.

        Raises:
            WeightsError: It does not know one.
        """
        known = self._network.kinds
        for kind in self.kinds:
            if kind not in known:
                raise WeightsError(f"weights '{self.weights}' find {', '.join(known)}, not {kind}")
        return [known.index(kind) for kind in self.kinds]


def threshold(odds: Pixels, area: int) -> float:
    """Log odds from which something counts as a mark in a picture: the dirtier it is, the less.

        T = max(−1, 5.5 − 4 log(1 + n / (A + ½))),    n = Σ_m σ(2 (o_m − 5.5))

    Convention: a picture's rate of marks is a prior that all of them share, and that the marks beyond doubt
    tell (empirical Bayes: Robbins, "An Empirical Bayes Approach to Statistics", 1956). Factors: found on
    other pictures than `benchmarks/marks.py` measures, which were looked at besides.

    Args:
        odds: The highest log odds of each thing that may be a mark, o_m, [thing].
        area: Of the picture, in pixels; A is in megapixels.
    """
    certain = (1 / (1 + np.exp(2 * (CERTAIN - odds.astype(np.float64))))).sum()
    return max(AMONG_MANY, CERTAIN - COMPANY * math.log1p(certain / (area / 1e6 + HALF)))


def _grown(mask: Pixels) -> Pixels:
    """A mask and the pixels beside it, across corners too, bool [height, width]."""
    for _ in range(2):
        wide = mask.copy()
        wide[1:] |= mask[:-1]
        wide[:-1] |= mask[1:]
        mask = wide.T
    return mask


def find_marks(
    image: Any,
    kinds: Sequence[str] = MARKS[:2],
    *,
    sensitivity: float = 1.0,
    weights: str = FINDER,
    runtime: Runtime | None = None,
) -> Pixels:
    """Find dust, scratches and hot pixels: what `genrestore inpaint --find` fills, from Python.

    Args:
        image: A Pillow image (L, RGB or I;16), a numpy array [height, width] or [height, width, channel], or
            a torch tensor [channel, height, width], as `genrestore.inpaint` takes it.
        kinds: Which marks, of "dust", "scratches" (hairs too) and "hot".
        sensitivity: How many times likelier than usual marks are; above 1 more is found, true and false.
        weights: A finder: a name in the store or a path.
        runtime: Device and precision; None settles them for this machine.

    Returns:
        True where a mark is, bool [height, width]: a mask for `genrestore.inpaint`.

    Raises:
        UsageError: Another kind of image or of marks.
        WeightsError: The weights are missing, or find no such marks.
    """
    from genrestore.restore.api import apply

    find, found = Marks(tuple(kinds), sensitivity, weights, runtime), list[Pixels]()

    def looked_at(pixels: Pixels) -> Pixels:
        found.append(find(pixels))
        return pixels

    apply(image, looked_at)
    if len(found) != 1:
        raise UsageError(f"marks of {len(found)} pictures: give one")
    return found[0]
