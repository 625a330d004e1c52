"""Denoise pictures of one class and size, several at once, with an autoencoder or a generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from genrestore.restore.descent import Descended
from genrestore.restore.descent_settings import Descent, LatentSearch
from genrestore.restore.priors.padding import BATCH
from genrestore.restore.progress import OnProgress, shares
from genrestore.restore.provenance import describe_denoising
from genrestore.restore.settings import DenoiseSettings
from genrestore.restore.tasks.damage import Damage, Solution
from genrestore.restore.tasks.one_class import OneClass, resized
from genrestore.restore.tasks.restored import Restored
from genrestore.restore.tiling import Pixels, from_float, to_float
from genrestore.runtime import Runtime

ESTIMATING = 0.5
"""What estimating noise levels takes, of the time for removing the noise, about."""
Kind = TypeVar("Kind")
OnTrace = Callable[[int, Descended], None]
"""Is told of each picture of a call, by its index, every step."""


class DenoiseOneClass(OneClass):
    """Remove noise from pictures of the class and size that an autoencoder or a generator knows.

    Args:
        weights: A name in the store or a path.
        noise_level: σ on the [0, 1] scale; None estimates it from each picture.
        strength: Result = input + strength · (denoised − input), 0 to 1.
        runtime: Device and seed; None settles them for this machine.
        descent: How the estimate is found, as `OneClass` takes it.
        resize: Scale pictures of another size to the prior's, and the result back.

    Raises:
        UsageError: A value out of its range.
        WeightsError: The weights are missing, or of another kind.
    """

    def __init__(
        self,
        weights: str,
        *,
        noise_level: float | None = None,
        strength: float = 1.0,
        runtime: Runtime | None = None,
        descent: Descent | LatentSearch | None = None,
        resize: bool = False,
    ) -> None:
        self._settings = DenoiseSettings(noise_level, strength=strength)
        super().__init__(weights, runtime, descent, resize=resize)
        self._noise_level, self._strength = noise_level, strength

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the result: weights and options, as JSON values."""
        found = describe_denoising(self.path, self.header, self._settings)
        return {**found, **self.descent.described(resize=self.resize)}

    def __call__(self, pixels: Pixels, on_progress: OnProgress | None = None) -> Restored:
        """Denoise one picture.

        Args:
            pixels: [1, channel, height, width]; uint8, uint16, or floating point on the [0, 1] scale.
            on_progress: Is told the finished share, 0 to 1.

        Returns:
            The restored picture, of the same shape and type.

        Raises:
            InputError: A picture of another size or channel count.
        """
        (restored,) = self.together([pixels], on_progress=on_progress)
        return restored

    def together(
        self,
        pictures: Sequence[Pixels],
        on_trace: OnTrace | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Restored]:
        """Denoise pictures, as many at once as the network's batch holds.

        Args:
            pictures: [1, channel, height, width] each.
            on_trace: Is told every step of each picture.
            on_progress: Is told the finished share of all, 0 to 1.

        Returns:
            In their order; a picture's result does not depend on the others.

        Raises:
            InputError: A picture of another size or channel count.
        """
        for pixels in pictures:
            self.check(pixels)
        if self._noise_level == 0 or self._strength == 0:
            return [Restored(pixels.copy(), self._noise_level) for pixels in pictures]
        damaged = [self.fitted(pixels) for pixels in pictures]
        estimating, solving = shares(on_progress, [0.0 if self._noise_level is not None else ESTIMATING, 1.0])
        levels = self._levels(damaged, estimating)
        are_clipped = [np.issubdtype(pixels.dtype, np.integer) for pixels in pictures]
        groups = in_batches(dict(enumerate(zip(levels, are_clipped, strict=True))))
        found: dict[int, Restored] = {}
        parts = shares(solving, [1.0] * len(groups))
        for ((level, clipped), some), tell in zip(groups, parts, strict=True):
            damage = Damage(torch.cat([damaged[index] for index in some]), level, clipped)
            solution = self.solve(damage, for_each(some, on_trace), tell)
            for place, index in enumerate(some):
                found[index] = self._restored(pictures[index], solution, place, level)
        return [found[index] for index in range(len(pictures))]

    def _levels(self, images: Sequence[Tensor], on_progress: OnProgress) -> list[float]:
        """σ of each picture, as it was given or estimated."""
        if self._noise_level is not None:
            return [self._noise_level] * len(images)
        levels = []
        for image in images:
            levels.append(self.estimate_noise_level(image.clamp(0, 1)))
            on_progress(len(levels) / len(images))
        return levels

    def _restored(self, pixels: Pixels, solution: Solution, place: int, level: float) -> Restored:
        image = to_float(pixels)
        result = resized(solution.image[place : place + 1].cpu(), *image.shape[1:])
        mixed = torch.lerp(image, result, self._strength) if self._strength < 1 else result
        return Restored(from_float(mixed, pixels.dtype), level, *self.judge(float(solution.distance[place])))


def in_batches(kinds: Mapping[int, Kind]) -> list[tuple[Kind, list[int]]]:
    """Which pictures, by their indices, are restored at once: those of one kind, `BATCH` at most."""
    members: dict[Kind, list[int]] = {}
    for index, kind in kinds.items():
        members.setdefault(kind, []).append(index)
    return [
        (kind, some[start : start + BATCH])
        for kind, some in members.items()
        for start in range(0, len(some), BATCH)
    ]


def for_each(members: Sequence[int], on_trace: OnTrace | None) -> Callable[[Descended], None] | None:
    """A callback for a batch that tells of each of its pictures, as a batch of one."""
    if on_trace is None:
        return None

    def tell(step: Descended) -> None:
        for place, index in enumerate(members):
            on_trace(index, step.only(place))

    return tell
