"""The untrained prior: x = f_θ(z), fixed noise z through a network whose weights θ are searched for."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from genrestore.models.hourglass import Hourglass
from genrestore.runtime import Runtime

INPUTS, SPREAD = 32, 0.1
"""Planes of noise, and the largest value in them."""
WIDTHS = (32, 64, 128, 128, 128)
SMALLEST = 4
"""Pixels that each side has at the coarsest scale at least, if the picture allows; small ones get fewer."""


class UntrainedPrior:
    """A network that makes a picture of one size out of fixed noise, before it is fitted to anything.

    Source: Ulyanov et al., "Deep Image Prior", 2018.

    Args:
        shape: Of the picture, [1, 1 or 3, height, width].
        runtime: Device, precision and seed; all weights and all noise come from the seed.
        jitter: Standard deviation of the noise that is added to z at each step, on the scale of z (0 to 0.1).
    """

    def __init__(self, shape: tuple[int, ...], runtime: Runtime, jitter: float = 1 / 30) -> None:
        _, channels, height, width = shape
        self._runtime = runtime
        self._generator = runtime.generator()
        self._jitter = jitter
        scales = sum(min(height, width) >= SMALLEST * 2 ** (n + 1) for n in range(len(WIDTHS)))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(runtime.seed)
            network = Hourglass(channels, INPUTS, WIDTHS[: max(scales, 1)])
        self._network = network.to(runtime.device).to(memory_format=torch.channels_last)
        self._padded = max(height, 2 * network.multiple), max(width, 2 * network.multiple)
        self._size = height, width
        self._noise = torch.rand(1, INPUTS, *self._padded, generator=self._generator) * SPREAD

    def parameters(self) -> Iterator[Tensor]:
        """θ, each of its own shape."""
        return self._network.parameters()

    def sample(self) -> Tensor:
        """f_θ(z + jitter), through which gradients flow; [1, channel, height, width] in [0, 1]."""
        noise = self._noise
        if self._jitter:
            noise = noise + self._jitter * torch.randn(noise.shape, generator=self._generator)
        moved = noise.to(self._runtime.device).contiguous(memory_format=torch.channels_last)
        with self._runtime.autocast():
            image: Tensor = self._network(moved)
        return image[..., : self._size[0], : self._size[1]]
