"""Problems of restoration, their solutions, and the protocol of the priors that solve them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from genrestore.models.pyramid import fill
from genrestore.restore.data_terms import DATA_TERMS, LEAST_NOISE, Clipped, DataTerm, PixelTerm
from genrestore.restore.noise import NoiseProfile, expected_square
from genrestore.restore.settings import BATCH
from genrestore.restore.solvers.patch_scale import Sources
from genrestore.restore.tiling import Pixels

NoiseLevel = float | NoiseProfile
"""σ on the [0, 1] scale, one for all pixels or one for each brightness."""


class Operator(Protocol):
    """An operator, by the data term of pictures that went through it, and by what it never gives."""

    @property
    def multiple(self) -> int:
        """Pixels at a multiple of which tiles must begin, so that A of a tile is a part of A of the whole."""

    @property
    def schedule(self) -> tuple[float, ...]:
        """Noise levels that a denoiser is told step by step, as multiples of the estimate."""

    def lying(self, pixels: Pixels) -> Pixels:
        """A picture [1, channel, height, width] turned as it went through A; a view."""

    def upright(self, pixels: Pixels) -> Pixels:
        """The reverse of `lying`, [1, channel, height, width]."""

    def constraint(self, damaged: Tensor) -> DataTerm | None:
        """Constraint that y, [batch, channel, height, width] on the [0, 1] scale, puts on x; None: none."""

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

    multiple = 1
    schedule: ClassVar[tuple[float, ...]] = (1.0,)

    def lying(self, pixels: Pixels) -> Pixels:
        """The picture itself, [1, channel, height, width]."""
        return pixels

    def upright(self, pixels: Pixels) -> Pixels:
        """The picture itself, [1, channel, height, width]."""
        return pixels

    def constraint(self, damaged: Tensor) -> DataTerm | None:  # noqa: ARG002
        """None: noise on y, [batch, channel, height, width], forbids no picture."""
        return None

    def term(
        self, damaged: Tensor, noise_level: float, known: Tensor | None, loss: str, *, clipped: bool
    ) -> PixelTerm:
        """‖x − y‖² / 2σ², its likelihood where noise was clipped, or ‖x − y‖₁ / σ.

        For y [batch, channel, height, width] and M [batch, 1, height, width], as `Operator.term`.
        """
        kind = Clipped if clipped and loss == "l2" else DATA_TERMS[loss]
        return kind(damaged, noise_level, known)


IDENTITY = Identity()


@dataclass(frozen=True)
class Problem:
    """Damaged pictures of one size, and what is known of them: y = A x + σ n on the known pixels.

    Attributes:
        damaged: y, [batch, channel, height, width] on the [0, 1] scale.
        noise_level: σ; 0 makes known pixels a constraint. None: it is to be estimated.
        known: M, 1 where a pixel is known and 0 where it is missing, [batch, 1, height, width]; None: every
            pixel is known.
        clipped: Whether y was clipped to [0, 1], as files of integers are.
        operator: A.
        area: Pixels of the picture that this is a tile of; None: its own.
        sources: What patches may be copied from; None: what is known.
        start: An estimate to begin with, of the shape of `damaged`; None: there is none.
    """

    damaged: Tensor
    noise_level: NoiseLevel | None = None
    known: Tensor | None = None
    clipped: bool = False
    operator: Operator = IDENTITY
    area: int | None = None
    sources: Sources | None = None
    start: Tensor | None = None

    @property
    def sigma(self) -> float:
        """σ as one number on the [0, 1] scale, root mean square over the picture.

        Raises:
            ValueError: It is not known yet.
        """
        if self.noise_level is None:
            raise ValueError("a problem whose noise level is still to be estimated")
        return self.noise_level.overall if isinstance(self.noise_level, NoiseProfile) else self.noise_level

    @property
    def is_whole(self) -> bool:
        """True without noise and holes: then the nearest image of the prior is asked for."""
        return self.known is None and self.noise_level == 0

    def term(self, loss: str = "l2", error: float = 0.0) -> PixelTerm:
        """The data term D(x; y); of a picture without damage ½ ‖x − y‖², or ‖x − y‖₁.

        Args:
            loss: "l2" or "l1".
            error: What the prior misses of clean pictures, √ of a mean square: it counts as more noise.
        """
        if self.is_whole:
            return self.operator.term(self.damaged, 1.0, None, loss, clipped=False)
        level = max((self.sigma**2 + error**2) ** 0.5, LEAST_NOISE)
        return self.operator.term(self.damaged, level, self.known, loss, clipped=self.clipped)

    def padded(self) -> Problem:
        """`BATCH` pictures: the first one again in the places that are left."""
        known = None if self.known is None else padded(self.known)
        return replace(self, damaged=padded(self.damaged), known=known)

    def filled(self) -> Tensor:
        """y with its holes filled from around them, [batch, channel, height, width] in [0, 1]."""
        image = self.damaged.clamp(0, 1)
        return image if self.known is None else fill(image, self.known)

    def with_known(self, image: Tensor) -> Tensor:
        """Known pixels of y in an image [batch, channel, height, width], the others clipped to [0, 1]."""
        inside = image.clamp(0, 1)
        return self.damaged if self.known is None else torch.where(self.known > 0, self.damaged, inside)

    def beyond_noise(self, nearest: Tensor) -> Tensor:
        """The distance of each picture from the prior beyond its noise, √ of a mean square, [batch].

        √ of what mean (G(z*) − y)² has beyond the noise and its chances, three standard errors. The variance
        of a clipped (σ n)² is at most 5/2 σ² times its mean; of one that is not, twice.

        Args:
            nearest: G(z*), [batch, channel, height, width] in [0, 1].
        """
        sigma = self.sigma
        expected = torch.full_like(nearest, sigma**2)
        if self.clipped and sigma > 0:
            expected = expected_square(nearest, sigma)
        squares = (nearest - self.damaged).square()
        known = torch.ones_like(squares) if self.known is None else self.known.expand_as(squares)
        count = known.flatten(1).sum(1).clamp(min=1)
        found, noise = ((known * one).flatten(1).sum(1) / count for one in (squares, expected))
        chance = 3 * (2.5 * sigma**2 * noise / count).sqrt()
        return (found - noise - chance).clamp(min=0).sqrt()


@dataclass(frozen=True)
class Solution:
    """Restored pictures.

    Attributes:
        image: x, [batch, channel, height, width], about [0, 1].
        nearest: G(z), the image of a prior of one class that fits the data best; the same shape and range.
        distance: Of each picture from that prior beyond its noise, √ of a mean square, [batch].
        latent: z, [batch, latent].
        own_distance: The distance that 99 of 100 pictures of its class stay below.
        starts: Energies at which the starts of a search ended, [batch, start].
    """

    image: Tensor
    nearest: Tensor | None = None
    distance: Tensor | None = None
    own_distance: float | None = None
    latent: Tensor | None = None
    starts: Tensor | None = None


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
        """Step of one picture alone, as a batch of one."""
        one = slice(place, place + 1)
        energies = {name: energy[one] for name, energy in self.energies.items()}
        active = None if self.active is None else self.active[one]
        return replace(self, image=self.image[one], energies=energies, active=active)


OnStep = Callable[[Step], None]


class Trace(Protocol):
    """An observer of searches."""

    def step(self, picture: Any, piece: int, step: Step) -> None:
        """A step of the search for a piece of a picture, counted from 0."""

    def end(self, picture: Any) -> None:
        """The end of the search for a picture."""


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
    before = accumulate(parts, initial=0.0)

    def of(start: float, length: float) -> OnProgress:
        return lambda share: on_progress((start + length * min(share, 1.0)) / total)

    return [of(start, length) for start, length in zip(before, parts, strict=False)]


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


def padded(stack: Tensor, step: int = BATCH) -> Tensor:
    """Pad items to a multiple of `step`: the first one again in the places that are left, [batch, ...]."""
    return torch.cat([stack, stack[:1].expand(-len(stack) % step, *stack.shape[1:])])
