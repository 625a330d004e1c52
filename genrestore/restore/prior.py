"""Priors: models of clean pictures that solve problems of restoration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from genrestore.errors import UsageError
from genrestore.restore.problem import UNWATCHED, NoiseLevel, Problem, Solution, Watch
from genrestore.restore.settings import BATCH
from genrestore.restore.tiling import Tiling
from genrestore.runtime import Runtime

Settings = TypeVar("Settings")


class Prior(ABC, Generic[Settings]):
    """A model of clean pictures that restores damaged ones; `settings.PRIORS` names each, with its settings.

    Attributes:
        network: What knows clean pictures: D(y, σ), AE(x) or G(z), in eval mode on the runtime's device; its
            parameters ask for no gradients. `DipPrior` has none before it is fitted.
        usual: The usual settings.
        runtime: Device, precision and seed.
        side: Side in pixels of the pictures that it knows; None: any size, in tiles.
        channels: Their channels.
        levels: Noise levels that it is told: 1, or 2 for luma and chroma.
        workers: Threads that may call `solve` at once.
        overflows: Calls whose half precision overflowed, so that they were done again in float32.
        whole: It must see a picture as a whole, and its tiles are as large as memory lets them be.
        tilings: The usual tiles of a picture with noise, and of one with holes.
    """

    network: nn.Module
    usual: Settings
    runtime: Runtime
    side: int | None = None
    channels: int = 3
    levels: int = 1
    workers: int = 1
    overflows: int = 0
    whole: bool = False
    tilings: tuple[Tiling, Tiling] = (Tiling(), Tiling(size=576, overlap=32))  # holes: each tile is cut down

    @abstractmethod
    def noise_level(self, tiles: Iterable[Problem]) -> NoiseLevel | None:
        """σ of a picture that does not tell it, by the problems of its tiles; None: it is not needed."""

    @abstractmethod
    def solve(self, problem: Problem, settings: Settings, watch: Watch = UNWATCHED) -> Solution:
        """x* = argmin_x D(x; y) + λ R(x), of as many pictures at once as the problem has."""

    def denoise(self, image: Tensor, noise_level: float | Tensor) -> Tensor:
        """Remove noise of a known level, with the usual settings: the step of a prior in plug-and-play.

        Args:
            image: y, [batch, channel, height, width], about [0, 1].
            noise_level: σ on the [0, 1] scale, a number.

        Returns:
            x*, of the shape, type and device of `image`; about [0, 1].

        Raises:
            UsageError: An image of another shape or of integers, or a number that is no noise level.
        """
        self.check_image(image, noise_level)
        some = image.to(self.runtime.device, torch.float32).split(BATCH if self.side else 1)
        each = [self.solve(Problem(one, float(noise_level)), self.usual).image for one in some]
        return torch.cat(each).to(image)

    def check_image(self, image: Tensor, noise_level: float | Tensor) -> None:
        """Refuse what `denoise` cannot take.

        Args:
            image: [batch, channel, height, width].
            noise_level: σ on the [0, 1] scale; the values of a tensor are not looked at.

        Raises:
            UsageError: An image of another shape or of integers, or a number that is no noise level.
        """
        batch, channels, *sides = image.shape if image.ndim == 4 else (0,) * 4
        known = [self.channels] if self.side else [1, 3]
        if not batch or channels not in known or (self.side and sides != [self.side, self.side]):
            wanted = (
                f"[batch, {' or '.join(map(str, known))}, {self.side or 'height'}, {self.side or 'width'}]"
            )
            raise UsageError(f"an image of shape {list(image.shape)}: must be {wanted}")
        if not image.is_floating_point():
            raise UsageError(f"an image of type {image.dtype}: must be floating point on the [0, 1] scale")
        if not isinstance(noise_level, Tensor) and not 0 <= noise_level <= 1:
            raise UsageError(f"noise level {noise_level}: must be between 0 and 1 (grey levels / 255)")
