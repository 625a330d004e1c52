"""Deep image prior: x = f_θ(z), fixed noise z through a network whose weights θ are searched for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from genrestore.models.hourglass import Hourglass
from genrestore.restore.data_terms import L2, Seamless
from genrestore.restore.prior import Prior
from genrestore.restore.problem import UNWATCHED, Problem, Solution, Step, Watch
from genrestore.restore.settings import DipSettings
from genrestore.restore.solvers.adam import fit
from genrestore.restore.tiling import Tiling
from genrestore.runtime import Runtime

HELD_OUT = 0.05
"""The share of the known pixels that the fit never sees, and that tell when to stop."""
PATIENCE = 0.1
"""The share of all steps that may pass without a better average."""
TIMED = 5
"""Steps that are timed, after the first, in which torch prepares itself, before the rest is estimated."""
INPUTS, SPREAD = 32, 0.1
"""Planes of noise, and the largest value in them."""
WIDTHS = (32, 64, 128, 128, 128)
SMALLEST = 4
"""Pixels that each side has at the coarsest scale at least, if the picture allows; small ones get fewer."""


class DipPrior(Prior[DipSettings]):
    """A network without training, fitted to each picture or tile, and stopped before it fits the damage.

    Source: Ulyanov et al., "Deep Image Prior", 2018.

    Args:
        loaded: None: it has no weights.
        runtime: Device, precision and seed.
    """

    usual = DipSettings()
    tilings = (Tiling(size=512, overlap=64), Tiling(size=512, overlap=64))

    def __init__(self, loaded: None, runtime: Runtime) -> None:  # noqa: ARG002
        self.runtime = runtime

    def noise_level(self, tiles: Iterable[Problem]) -> None:
        """None is needed: held-out pixels tell when to stop."""

    def solve(self, problem: Problem, settings: DipSettings, watch: Watch = UNWATCHED) -> Solution:
        """Fit a network to a picture, until the pixels that it does not see fit no better.

        Args:
            problem: One picture or tile, 1 or 3 channels.
            settings: Of the fit.
            watch: Is told every step, the finished share, and after some steps how long all take at most.
        """
        image, device = problem.damaged, self.runtime.device
        known = torch.ones_like(image[:, :1]) if problem.known is None else problem.known
        draw = torch.rand(known.shape, generator=self.runtime.generator())
        seen = known * (draw >= HELD_OUT)
        apart = known - seen
        if not (bool(seen.any()) and bool(apart.any())):  # too few pixels to keep any apart
            seen = apart = known
        terms = [L2(image.to(device), 1.0, part.to(device)) for part in (seen, apart)]
        network = UntrainedNetwork(tuple(image.shape), self.runtime)
        patience = max(1, round(PATIENCE * settings.steps))
        times: list[float] = []

        def on_step(step: Step) -> None:
            times.append(time.perf_counter())
            if step.index == TIMED:
                watch.estimate((times[-1] - times[0]) / TIMED * settings.steps)
            watch.progress((step.index + 1) / settings.steps)
            if watch.step is not None:
                watch.step(step)

        found = fit(terms[0], network, terms[1], steps=settings.steps, patience=patience, on_step=on_step)
        watch.progress(1.0)
        found = found.cpu()
        if problem.known is not None:
            found = Seamless(L2(image, 0.0, known), known).prox(found, 1.0)
        return Solution(found)


class UntrainedNetwork:
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
