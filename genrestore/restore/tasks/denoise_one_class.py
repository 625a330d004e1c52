"""Denoise pictures of one class and size, several at once, with an autoencoder or a generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from genrestore.errors import UsageError
from genrestore.restore.descent import Descended
from genrestore.restore.descent_settings import Descent, LatentSearch
from genrestore.restore.priors.padding import BATCH
from genrestore.restore.provenance import describe_denoising
from genrestore.restore.tasks.damage import Damage, Solution
from genrestore.restore.tasks.one_class import OneClass, resized
from genrestore.restore.tasks.restored import Restored, check_noise_level
from genrestore.restore.tiling import Pixels, from_float, to_float
from genrestore.runtime import Runtime

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
        check_noise_level(noise_level)
        if not 0 <= strength <= 1:
            raise UsageError(f"strength {strength}: must be between 0 and 1")
        super().__init__(weights, runtime, descent, resize=resize)
        self._noise_level, self._strength = noise_level, strength

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the result: weights and options, as JSON values."""
        found = describe_denoising(self.path, self.header, self._noise_level, self._strength)
        return {**found, **self.descent.described(resize=self.resize)}

    def __call__(self, pixels: Pixels, on_progress: Callable[[float], None] | None = None) -> Restored:
        """Denoise one picture.

        Args:
            pixels: [1, channel, height, width]; uint8, uint16, or floating point on the [0, 1] scale.
            on_progress: Is told when it is done, 1.

        Returns:
            The restored picture, of the same shape and type.

        Raises:
            InputError: A picture of another size or channel count.
        """
        (restored,) = self.together([pixels])
        if on_progress is not None:
            on_progress(1.0)
        return restored

    def together(self, pictures: Sequence[Pixels], on_trace: OnTrace | None = None) -> list[Restored]:
        """Denoise pictures, as many at once as the network's batch holds.

        Args:
            pictures: [1, channel, height, width] each.
            on_trace: Is told every step of each picture.

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
        groups: dict[tuple[float, bool], list[int]] = {}
        for index, (pixels, image) in enumerate(zip(pictures, damaged, strict=True)):
            level = self._noise_level
            if level is None:
                level = self.estimate_noise_level(image.clamp(0, 1))
            groups.setdefault((level, np.issubdtype(pixels.dtype, np.integer)), []).append(index)
        found: dict[int, Restored] = {}
        for (level, clipped), members in groups.items():
            for start in range(0, len(members), BATCH):
                some = members[start : start + BATCH]
                damage = Damage(torch.cat([damaged[index] for index in some]), level, clipped)
                solution = self.solve(damage, for_each(some, on_trace))
                for place, index in enumerate(some):
                    found[index] = self._restored(pictures[index], solution, place, level)
        return [found[index] for index in range(len(pictures))]

    def _restored(self, pixels: Pixels, solution: Solution, place: int, level: float) -> Restored:
        image = to_float(pixels)
        result = resized(solution.image[place : place + 1].cpu(), *image.shape[1:])
        mixed = torch.lerp(image, result, self._strength) if self._strength < 1 else result
        return Restored(from_float(mixed, pixels.dtype), level, *self.judge(float(solution.distance[place])))


def for_each(members: Sequence[int], on_trace: OnTrace | None) -> Callable[[Descended], None] | None:
    """A callback for a batch that tells of each of its pictures, as a batch of one."""
    if on_trace is None:
        return None

    def tell(step: Descended) -> None:
        for place, index in enumerate(members):
            on_trace(index, step.only(place))

    return tell
