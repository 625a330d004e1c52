"""Denoiser prior D(y, σ), with an estimator of the noise level; holes are filled by plug-and-play."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import cycle
from threading import Lock
from typing import ClassVar

import torch
from torch import Tensor

from genrestore.models.denoiser import NoiseEstimator, ResidualUNet, as_noise_map, pad_to_multiple
from genrestore.models.pyramid import doubled, fill, halved
from genrestore.restore import noise
from genrestore.restore.data_terms import L2, Anchored, Seamless
from genrestore.restore.noise import NoiseProfile
from genrestore.restore.pieces import depth
from genrestore.restore.prior import Prior, Settings
from genrestore.restore.problem import UNWATCHED, Problem, Solution, Watch
from genrestore.restore.settings import COUNTS, DenoiserSettings
from genrestore.restore.solvers.plug_and_play import Denoiser, falling, plug_and_play
from genrestore.runtime import Runtime
from genrestore.weights.load import Loaded

FIRST, LAST, STEPS = 50 / 255, 1 / 255, 20
"""The noise levels of the solver, on the [0, 1] scale; measured on pictures of the training set."""
COARSE_LAST, COARSE_STEPS = 4 / 255, 12
"""The same for coarser scales, whose result is a start only."""
SCALES, SMALLEST = 2, 32
"""Scales from coarse to fine, and the least side in pixels that a coarser one has."""
DEEP = (8, 28)
"""Pixels inside a hole up to which the solver is trusted, and from which on the start stays as it was."""
SMALL = 1 << 20
"""A picture is turned in as many ways as together have no more pixels than this: what one megapixel takes is
hardly waited for. Two ways gain 0.1 dB, four 0.15 dB and all eight 0.17 dB in white noise; half of it in a
camera's."""
MIRRORS = ((), (3,), (2,), (2, 3))
"""Axes by which the picture is turned over, step by step."""


Symmetry = tuple[bool, tuple[int, ...]]
"""A symmetry of the square: a transposition or none, and the axes that are flipped then."""

SYMMETRIES: tuple[Symmetry, ...] = tuple(
    (transposed, axes)
    for pair in (((), (2, 3)), ((2,), (3,)))
    for transposed in (False, True)
    for axes in pair
)
"""All eight, in such an order that the first two, and the first four, differ most."""


def self_ensemble(
    count: int, network: Callable[..., Tensor], image: Tensor, *others: Tensor | None
) -> Tensor:
    """Self-ensemble: the mean of a network's estimates of an image under the first `SYMMETRIES`.

        x̂ = 1/n Σ_k T_kᵀ D(T_k y)

    Source: Timofte et al., "Seven Ways to Improve Example-Based Single Image Super Resolution", 2016, section
    3.4 (enhanced prediction).

    Args:
        count: n, one of `settings.COUNTS`.
        network: Takes the image and the others, and gives the image's shape.
        image: [batch, channel, height, width].
        others: What is turned and flipped with it, [batch, any, height, width] each, or None.

    Returns:
        The image's shape.
    """
    if count == 1:
        return network(image, *others)
    total = torch.zeros_like(image)
    for symmetry in SYMMETRIES[:count]:
        transformed = (None if other is None else _transformed(other, symmetry) for other in others)
        total += _transformed_back(network(_transformed(image, symmetry), *transformed), symmetry)
    return total / count


class UNetPrior(Prior[Settings]):
    """The network "denoiser", with what goes for all of its uses.

    Several threads may call it at once.

    Args:
        loaded: Network "denoiser", and what `ROLES` names besides.
        runtime: Device and precision.

    Raises:
        ValueError: Networks that are missing, of another class, or not for RGB.

    """

    ROLES: ClassVar[dict[str, type[torch.nn.Module]]] = {"denoiser": ResidualUNet}
    """The roles that the weights file must fill, and by what."""

    def __init__(self, loaded: Loaded, runtime: Runtime) -> None:
        self._check(loaded)
        self.runtime, self.workers = runtime, runtime.workers
        self._counting = Lock()
        self.channels = loaded.header.channels
        self._networks = {role: self._laid(loaded.networks[role]) for role in self.ROLES}
        self.network = self._networks["denoiser"]
        self._multiple = int(self.network.multiple)  # type: ignore[arg-type]
        self.levels = int(self.network.levels)  # type: ignore[arg-type]

    def level_of(self, problem: Problem) -> Tensor:
        """The noise level of a problem as `denoise` takes it, a scalar or [1, 2, height, width]."""
        level = problem.noise_level
        if isinstance(level, NoiseProfile):
            return level.level(problem.damaged.expand(-1, 3, -1, -1))
        return torch.tensor(level)

    def denoise(self, image: Tensor, noise_level: float | Tensor) -> Tensor:
        """Remove noise of a known level: D(y, σ).

        Gradients flow back to an image or a noise level that asks for them (`requires_grad`).

        Args:
            image: [batch, 1 or 3, height, width], about [0, 1].
            noise_level: σ on the [0, 1] scale: a number, [batch], or a map [batch, 1 or 2, height, width], of
                all or of luma and chroma. A network that knows one level is told the root mean square.

        Returns:
            The estimate, of the shape, type and device of `image`; about [0, 1], not clipped.

        Raises:
            UsageError: An image of another shape or of integers, or a number that is no noise level.
        """
        self.check_image(image, noise_level)
        level = self._as_known(torch.as_tensor(noise_level))
        colour = self._colours(image.float())
        return as_given(self._run(self.network, colour, level), image).to(image.dtype)

    def padded(self, image: Tensor, noise_level: Tensor) -> tuple[Tensor, Tensor]:
        """An image and its noise level, padded so that all symmetries halve the same pixels together.

        The image is made as large as the network does it before it is turned, so that in all ways the same
        pixels are halved together, in a tile as in the whole.

        Args:
            image: [batch, 3, height, width], about [0, 1], float32.
            noise_level: σ on the [0, 1] scale: a scalar, or a map [batch, 1 or 2, height, width].

        Returns:
            The image and a map of its noise level, with rows and columns added at the end.
        """
        level = as_noise_map(self._as_known(noise_level), image, self.levels)
        return pad_to_multiple(image, self._multiple), pad_to_multiple(level, self._multiple)

    def _laid(self, network: torch.nn.Module) -> torch.nn.Module:
        return network.to(memory_format=torch.channels_last)

    def _colours(self, image: Tensor) -> Tensor:
        """An image [batch, 1 or 3, height, width] as the network takes it: RGB."""
        return image.expand(-1, 3, -1, -1)

    def _as_known(self, noise_level: Tensor) -> Tensor:
        """A noise level in as many planes as the network knows, or in one."""
        two = noise_level.ndim == 4 and noise_level.shape[1] > self.levels
        return root_mean_square(noise_level) if two else noise_level

    def _run(self, network: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        device = inputs[0].device
        with torch.set_grad_enabled(torch.is_grad_enabled() and any(one.requires_grad for one in inputs)):
            moved = [tensor.to(self.runtime.device) for tensor in inputs]
            moved[0] = moved[0].contiguous(memory_format=torch.channels_last)
            with self.runtime.autocast():
                output: Tensor = network(*moved)
            if self.runtime.precision != "fp32" and not bool(output.isfinite().all()):
                with self._counting:
                    self.overflows += 1
                output = network(*moved)
            return output.float().to(device)

    def _check(self, loaded: Loaded) -> None:
        """Refuse networks that are not those that are called here, on RGB."""
        for role, network in self.ROLES.items():
            if not isinstance(loaded.networks.get(role), network):
                raise ValueError(f"no network '{role}' of the class {network.__name__}")
            if loaded.header.networks[role].arguments.get("channels", 3) != 3:
                raise ValueError(f"its network '{role}' is not for 3 channels")


class DenoiserPrior(UNetPrior[DenoiserSettings]):
    """A network that removes Gaussian or camera noise, with an estimator of its level.

    For pure noise one pass is the estimate; in plug-and-play restoration it stands for the proximal step of
    the prior. Source: Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", 2021.
    """

    usual = DenoiserSettings()
    schedule: ClassVar[tuple[float, ...]] = ()
    """Times the noise level that it is told, pass by pass; empty: as the operator has it."""
    ROLES: ClassVar[dict[str, type[torch.nn.Module]]] = {
        "denoiser": ResidualUNet,
        "estimator": NoiseEstimator,
    }

    def estimate_log_level(self, image: Tensor) -> Tensor:
        """The natural logarithm of the noise level at an eighth of the resolution.

        Args:
            image: [batch, 3, height, width], about [0, 1], float32.

        Returns:
            log σ of luma and chroma, σ on the [0, 1] scale, [batch, 2, ⌈height / 8⌉, ⌈width / 8⌉]; twice the
            same of an estimator that knows one level.
        """
        estimate: Tensor = self._run(self._networks["estimator"].log_level, image)  # type: ignore[arg-type]
        return estimate.expand(-1, 2, -1, -1)

    def noise_level(self, tiles: Iterable[Problem]) -> NoiseProfile:
        """The noise level function of a picture, from its tiles of 1 or 3 channels."""
        return noise.profile(tiles, self.estimate_log_level)

    def solve(self, problem: Problem, settings: DenoiserSettings, watch: Watch = UNWATCHED) -> Solution:
        """One pass for noise, two for what a constraint allows; plug-and-play from coarse to fine for holes.

        Args:
            problem: One picture or tile of any size, 1 or 3 channels.
            settings: Of the denoiser.
            watch: Is told the finished share of the steps at the finest scale.
        """
        if problem.known is None:
            image, allowed = problem.damaged, problem.operator.constraint(problem.damaged)
            count = settings.turns or usual_ensemble(problem.area or image[0, 0].numel())
            level, (height, width) = self.level_of(problem), image.shape[-2:]
            steps = self.schedule or problem.operator.schedule
            for times, after in zip(steps, (*steps[1:], 0.0), strict=True):
                seen = self._colours(image), self._as_known(times * level)
                shown = seen if count == 1 else self.padded(*seen)
                network = partial(self._run, self.network)
                estimate = self_ensemble(count, network, *shown)[..., :height, :width]
                image = as_given(estimate, problem.damaged)
                image = image if allowed is None else allowed.prox(image, after)
            return Solution(image)
        start = self._start(problem.damaged, problem.known, problem.sigma, SCALES - 1)
        image = plug_and_play(
            _term(problem.damaged, problem.known, problem.sigma, start),
            self._mirrored(),
            start,
            schedule(problem.sigma),
            on_step=lambda step: watch.progress((step.index + 1) / STEPS),
        )
        return Solution(image)

    def _start(self, image: Tensor, known: Tensor, noise_level: float, coarser: int) -> Tensor:
        """A piece as it is at half the size, solved there, from as many coarser scales in turn."""
        if coarser == 0 or min(image.shape[-2:]) < 2 * SMALLEST:
            return fill(image, known)
        small, there = halved(image, known)
        start = self._start(small, there, noise_level, coarser - 1)
        term = _term(small, there, noise_level, start, 2)
        found = plug_and_play(term, self._mirrored(), start, schedule(noise_level, COARSE_LAST, COARSE_STEPS))
        return Seamless(L2(image, 0.0, known), known).prox(doubled(found, image.shape[-2:]), 1.0)

    def _mirrored(self) -> Denoiser:
        """The step of the prior; each one mirrors the picture in another way."""
        mirrors = cycle(MIRRORS)

        def denoise(image: Tensor, noise_level: float) -> Tensor:
            axes = next(mirrors)
            return self.denoise(image.flip(axes), noise_level).flip(axes)

        return denoise


def _term(image: Tensor, known: Tensor, noise_level: float, start: Tensor, scale: int = 1) -> Anchored:
    """The data term of a piece, at a scale that is so many times smaller than the picture."""
    inside = scale * depth(known, DEEP[1] // scale)
    trust = ((DEEP[1] - inside) / (DEEP[1] - DEEP[0])).clamp(0, 1)
    return Anchored(Seamless(L2(image, noise_level, known), known), start, trust)


def schedule(noise_level: float, last: float = LAST, steps: int = STEPS) -> Sequence[tuple[float, float]]:
    """The (σ, τ) of `plug_and_play` for known pixels of a noise level, on the [0, 1] scale, largest first.

    Convention: τ = σ, and no step goes below the noise of the picture.
    """
    last = max(last, noise_level)
    return [(level, level) for level in falling(max(FIRST, last), last, steps)]


def usual_ensemble(pixels: int) -> int:
    """The usual size of the self-ensemble for so many pixels, height times width: 1, 2, 4 or 8."""
    return max(count for count in COUNTS if count == 1 or count * pixels <= SMALL)


def root_mean_square(level: Tensor) -> Tensor:
    """One noise level of R, G and B for those of luma and chroma: √((σ_L² + 2 σ_C²) / 3).

    Args:
        level: [batch, 2, height, width], any scale.

    Returns:
        [batch, 1, height, width], the same scale.
    """
    return ((level[:, :1].square() + 2 * level[:, 1:].square()) / 3).sqrt()


def as_given(estimate: Tensor, image: Tensor) -> Tensor:
    """An estimate in as many channels as the picture has that it is of: a grey one was given three times.

    Args:
        estimate: [batch, 3, height, width].
        image: [batch, 1 or 3, height, width].

    Returns:
        [batch, 1 or 3, height, width]; of a grey picture the mean of the three.
    """
    return estimate.mean(1, keepdim=True) if image.shape[1] == 1 else estimate


def _transformed(image: Tensor, symmetry: Symmetry) -> Tensor:
    transposed, axes = symmetry
    return (image.transpose(2, 3) if transposed else image).flip(axes)


def _transformed_back(image: Tensor, symmetry: Symmetry) -> Tensor:
    transposed, axes = symmetry
    image = image.flip(axes)
    return image.transpose(2, 3) if transposed else image
