"""Priors of one class: what those have in common that know pictures of one class and one size."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from genrestore.restore.noise import expected_square
from genrestore.restore.prior import Prior, Settings
from genrestore.restore.problem import Problem, padded
from genrestore.restore.settings import BATCH
from genrestore.runtime import Runtime
from genrestore.weights.load import Loaded

SAMPLES = 16 * BATCH
"""Images of its own making that a prior is measured by, where nothing else is told."""
FARTHEST = 0.99
"""Quantile of their distances that a picture of its class stays below."""
HALVINGS = 20
"""Of the interval that an estimated noise level lies in."""
ALIKE = 4
"""On a CPU an image is the same, to the bit, in calls of any multiple of so many; elsewhere, of `BATCH`."""


class OneSizePrior(Prior[Settings]):
    """A prior of pictures of one class and one size; it computes in float32.

    Args:
        loaded: The weights.
        runtime: Device and seed.
        side: Side of the images in pixels.
        channels: Their channels.

    """

    def __init__(self, loaded: Loaded, runtime: Runtime, side: int, channels: int) -> None:
        self.side = side
        self.channels = channels
        self.runtime = replace(runtime, precision="fp32")
        self._training = loaded.header.training

    @cached_property
    def own_distance(self) -> float:
        """99th percentile of the RMS distance between images of the class and the prior, on the [0, 1] scale.

        Measured in training on held-out images; for weights that do not tell it, on images of its own making.
        """
        distance = self._training.get("error_99")
        if isinstance(distance, float):
            return distance
        with torch.no_grad():
            distances = self.own_distances(torch.Generator().manual_seed(0))
        return float(torch.quantile(distances.float(), FARTHEST))

    @abstractmethod
    def own_distances(self, generator: torch.Generator) -> Tensor:
        """RMS distances of images of its own making, [image]."""

    @abstractmethod
    def clean(self, image: Tensor) -> Tensor:
        """Estimate of one picture y, [1, channel, side, side] in [0, 1], whose noise level is not known."""

    def noise_level(self, tiles: Iterable[Problem]) -> float:
        """σ of one picture of the prior's class around `clean`, by `noise_level_around`."""
        (problem,) = tiles
        image = problem.damaged.clamp(0, 1)
        return noise_level_around(self.clean(image), image, self.own_distance)


def noise_level_around(clean: Tensor, image: Tensor, own_distance: float) -> float:
    """σ of one picture of the prior's class, clipped to the range of its file.

        mean E[(clip(x̂ + σ n) − x̂)²] + e² = mean (y − x̂)²

    e is the error that the prior makes without noise (its 99 % quantile, halved).

    Args:
        clean: x̂, the prior's estimate, [1, channel, side, side] in [0, 1].
        image: y, the same shape, in [0, 1].
        own_distance: The distance that 99 of 100 images of the class stay below.

    Returns:
        On the [0, 1] scale, from 1/255.
    """
    found = float((image - clean).square().mean()) - (own_distance / 2) ** 2
    low, high = 1 / 255, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if float(expected_square(clean, middle).mean()) < found:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def by_batches(network: Callable[[Tensor], Tensor], stack: Tensor) -> Tensor:
    """A network's images of items [batch, ...], `BATCH` of them at a time: its shape, [batch, ...].

    Calls are padded to multiples of `ALIKE`, so that no image depends on how many others there are.
    """
    step = ALIKE if stack.device.type == "cpu" else BATCH
    return torch.cat([network(padded(some, step))[: len(some)] for some in stack.split(BATCH)])


def check_alike(own: torch.nn.Module, other: torch.nn.Module, names: str) -> None:
    """Refuse two networks of one file that are not made for each other.

    Raises:
        ValueError: They differ in size, channels or latent.
    """
    for name in ("size", "channels", "latent"):
        if getattr(own, name) != getattr(other, name):
            raise ValueError(f"its networks {names} differ in {name}")
