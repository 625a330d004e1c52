"""Restore: pictures between arrays of integers and the problems that a prior solves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib import import_module
from typing import Any

from genrestore.errors import InputError, WeightsError
from genrestore.restore.prior import Prior
from genrestore.restore.problem import IDENTITY, OnProgress, Operator, Trace, shares
from genrestore.restore.resized import Resized
from genrestore.restore.settings import PRIORS
from genrestore.restore.task import Given, Picture, Restored, Task
from genrestore.restore.tiled import Tiled
from genrestore.restore.tiling import Pixels, Region, Tiling
from genrestore.runtime import Runtime
from genrestore.weights.load import load_chosen
from genrestore.weights.store import Choice

NOTHING_MISSING = "the mask is empty: nothing was filled"


def _ignore(_: float) -> None:
    """Nobody wants to know."""


def make(kind: str, chosen: Choice | None, runtime: Runtime) -> Prior[Any]:
    """Make the prior of a kind, of its weights if it has any.

    Raises:
        WeightsError: The weights are corrupted, or of networks that make no such prior.
    """
    loaded = None if chosen is None else load_chosen(chosen, runtime)
    others = loaded is not None and any(one.is_community for one in loaded.header.networks.values())
    module, name = ((others and PRIORS[kind].community) or PRIORS[kind].where).split(":")
    try:
        prior: Prior[Any] = getattr(import_module(module), name)(loaded, runtime)
    except ValueError as error:
        weights = "" if chosen is None else chosen.name
        raise WeightsError(f"weights '{weights}' cannot be used as a {kind}: {error}") from error
    return prior


class Restore:
    """Restores pictures by a prior: in tiles, in pieces around holes, or scaled to the prior's size.

    Args:
        task: Damage, prior, request and settings.
        runtime: Device, precision and seed; None settles them for this machine.
        tiling: Tiles of large pictures; None takes the prior's.
        region: Rows and columns: only this part of each picture is wanted, and the rest may stay as it is.
            The noise is estimated from the whole, so that the part is what it is in the whole.
        trace: Is told every step of each search.
        estimate: Is told after some steps of a long search how many seconds the picture takes at most.
        operator: A of a picture, of those of any size without holes; raises InputError where there is none.
        prior: The prior, of a task without weights; None: the task says which.

    Attributes:
        task: Damage, prior, request and settings.
    """

    def __init__(
        self,
        task: Task,
        runtime: Runtime | None = None,
        *,
        tiling: Tiling | None = None,
        region: Region | None = None,
        trace: Trace | None = None,
        estimate: Callable[[float], None] = _ignore,
        operator: Callable[[Given], Operator] = lambda _: IDENTITY,
        prior: Prior[Any] | None = None,
    ) -> None:
        self.task, self._given = task, prior
        self._runtime = runtime
        self._tiling, self._region = tiling, region
        self._trace, self._estimate, self._operator = trace, estimate, operator

    @cached_property
    def prior(self) -> Prior[Any]:
        """The prior, loaded when it is first needed."""
        return self._given or make(self.task.kind, self.task.chosen, self._runtime or Runtime.create())

    @property
    def provenance(self) -> dict[str, Any]:
        """Notes of results: weights, request and settings, as JSON values."""
        return self.task.provenance

    def __call__(
        self,
        pixels: Pixels,
        on_progress: OnProgress = _ignore,
        known: Pixels | None = None,
        copyable: Pixels | None = None,
    ) -> Restored:
        """Restore one picture.

        Args:
            pixels: [1, channel, height, width], as `Given` has it.
            on_progress: Is told the finished share, 0 to 1.
            known: Whether a pixel is known, bool [1, 1, height, width]; None: all are.
            copyable: Whether texture may be copied from it, of the same shape; None: where it is known.

        Raises:
            InputError: Every pixel is missing, or it is of a size that the prior does not know.
        """
        (found,) = self.together([Picture(pixels, known, copyable)], on_progress)
        if isinstance(found, InputError):
            raise found
        return found

    def together(
        self, pictures: Sequence[Given], on_progress: OnProgress = _ignore
    ) -> list[Restored | InputError]:
        """Restore pictures, as many at once as the prior takes; the result of each is what it is alone.

        Args:
            pictures: Any number.
            on_progress: Is told the finished share of all, 0 to 1.

        Returns:
            In their order; where one cannot be restored, its error.
        """
        found = {index: self._without_prior(picture) for index, picture in enumerate(pictures)}
        left = {index: pictures[index] for index, one in found.items() if one is None}
        if left and self.task.prior.one_class:
            found |= Resized(self.task, self.prior, self._trace).restored(left, on_progress)
            left = {}
        for (index, picture), tell in zip(left.items(), shares(on_progress, [1.0] * len(left)), strict=True):
            if picture.known is not None:
                found[index] = self._tiled.filled(picture, picture.known, tell)
            else:
                (found[index],) = self._tiled.at_levels(picture, (1.0,), tell)
        return [one for one in found.values() if one is not None]

    def at_levels(
        self, picture: Given, factors: Sequence[float], on_progress: OnProgress = _ignore
    ) -> Iterator[Restored]:
        """Remove the noise of one picture at several noise levels, by a prior of pictures of any size.

        Args:
            picture: Without holes.
            factors: Multiples of the level that is given or estimated.
            on_progress: Is told the finished share of all, 0 to 1.

        Yields:
            A restored picture a factor.
        """
        if (unchanged := self._without_prior(picture)) is None:
            yield from self._tiled.at_levels(picture, factors, on_progress)
        elif isinstance(unchanged, Restored):
            yield from (unchanged for _ in factors)

    @cached_property
    def _tiled(self) -> Tiled:
        return Tiled(
            self.task, self.prior, self._tiling, self._region, self._trace, self._estimate, self._operator
        )

    def _without_prior(self, picture: Given) -> Restored | InputError | None:
        """The result of a picture that needs no prior, or its error; None of one that needs it."""
        pixels, known, request = picture.pixels, picture.known, self.task.request
        if known is not None and known.all():
            return Restored(notes=(NOTHING_MISSING,), pixels=pixels.copy())
        if known is not None and not known.any():
            return InputError("the mask covers the whole picture, and nothing is known to go by")
        if self.task.prior.one_class and not request.resize and (error := self._other_size(pixels)):
            return error
        if known is None and request.changes_nothing:
            return Restored(noise_level=request.noise_level, pixels=pixels.copy())
        return None

    def _other_size(self, pixels: Pixels) -> InputError | None:
        """The error of a picture [1, channel, height, width] of another size or channels than the prior's."""
        assert self.task.chosen is not None
        size, own = self.task.chosen.header.size, self.task.chosen.header.channels
        channels, height, width = pixels.shape[1:]
        if (channels, height, width) == (own, size, size):
            return None
        return InputError(
            f"{width}x{height} {_colour(channels)}, and these weights restore {size}x{size} {_colour(own)}: "
            "resize scales it and the result back, or the weights photo take any size"
        )


def _colour(channels: int) -> str:
    return "grey" if channels == 1 else "RGB"
