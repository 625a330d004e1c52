"""What is alike in all that a prior of one class restores: pictures of one class and one size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from genrestore.errors import InputError, UsageError, WeightsError
from genrestore.restore.descent import Descended
from genrestore.restore.descent_settings import Descent, LatentSearch
from genrestore.restore.priors import load_prior
from genrestore.restore.priors.autoencoder import AutoencoderPrior
from genrestore.restore.priors.generator import GeneratorPrior
from genrestore.restore.progress import OnProgress
from genrestore.restore.tasks import autoencoding, generating
from genrestore.restore.tasks.damage import Damage, Solution, is_far
from genrestore.restore.tasks.restored import Figure
from genrestore.restore.tiling import Pixels, to_float
from genrestore.runtime import Runtime
from genrestore.weights import store
from genrestore.weights.header import read_header

SETTINGS: dict[str, type[Descent] | type[LatentSearch]] = {
    "autoencoder": Descent,
    "generator": LatentSearch,
}
"""Kind of weights, and the settings of its search."""


def is_of_one_class(weights: str) -> bool:
    """Whether weights are of an autoencoder or a generator; only their header is read.

    Raises:
        WeightsError: The weights are missing, or their header cannot be read.
    """
    return read_header(store.resolve(weights)).kind in SETTINGS


class OneClass:
    """An autoencoder or a generator of a weights file, and pictures that fit it.

    Args:
        weights: A name in the store or a path.
        runtime: Device and seed; None settles them for this machine.
        descent: How the estimate is found: `Descent` for an autoencoder, `LatentSearch` for a generator.
        resize: Scale pictures of another size to the prior's, and the result back.

    Raises:
        WeightsError: The weights are missing, or of another kind.
        UsageError: A search that these weights do not make.

    Attributes:
        path: Of the weights.
        header: What their file says of itself.
        descent: How the estimate is found.
        resize: Whether pictures are scaled.
    """

    def __init__(
        self,
        weights: str,
        runtime: Runtime | None,
        descent: Descent | LatentSearch | None,
        *,
        resize: bool,
    ) -> None:
        self.path = store.resolve(weights)
        self.header = read_header(self.path)
        if self.header.kind not in SETTINGS:
            raise WeightsError(
                f"weights '{weights}' are of kind '{self.header.kind}', not of an autoencoder or a generator"
            )
        settings = SETTINGS[self.header.kind]
        self.descent = settings() if descent is None else descent
        if not isinstance(self.descent, settings):
            raise UsageError(
                f"weights '{weights}' are of kind '{self.header.kind}': its search takes {settings.__name__}"
            )
        self.resize = resize
        self._runtime = runtime

    @cached_property
    def prior(self) -> AutoencoderPrior | GeneratorPrior:
        """The prior, loaded when it is first needed; it computes in float32."""
        runtime = replace(self._runtime or Runtime.create(), precision="fp32")
        prior = load_prior(str(self.path), runtime)
        assert isinstance(prior, AutoencoderPrior | GeneratorPrior)  # as the header says
        return prior

    def solve(
        self,
        damage: Damage,
        on_step: Callable[[Descended], None] | None = None,
        on_progress: OnProgress | None = None,
    ) -> Solution:
        """Restore pictures of the prior's size.

        Args:
            damage: The pictures.
            on_step: Is told the start and every step.
            on_progress: Is told the finished share, 0 to 1.
        """
        if isinstance(self.prior, GeneratorPrior):
            assert isinstance(self.descent, LatentSearch)  # as the kind says
            return generating.solve(
                self.prior, damage, self.descent, on_step=on_step, on_progress=on_progress
            )
        assert isinstance(self.descent, Descent)
        return autoencoding.solve(self.prior, damage, self.descent, on_step=on_step, on_progress=on_progress)

    def estimate_noise_level(self, image: Tensor) -> float:
        """σ of one picture [1, channel, size, size] in [0, 1] of the prior's class, on the [0, 1] scale."""
        if isinstance(self.prior, GeneratorPrior):
            return generating.estimate_noise_level(self.prior, image)
        return autoencoding.estimate_noise_level(self.prior, image)

    def check(self, pixels: Pixels) -> None:
        """Whether a picture [1, channel, height, width] can be restored.

        Raises:
            InputError: It is of another size or channel count; names both, and what to do.
        """
        channels, height, width = pixels.shape[1:]
        size, own = self.header.size, self.header.channels
        if (channels, height, width) != (own, size, size) and not self.resize:
            raise InputError(
                f"{width}x{height} {_colour(channels)}, and these weights restore {size}x{size} "
                f"{_colour(own)}: --resize scales it and the result back, or --weights photo takes any size"
            )

    def fitted(self, pixels: Pixels) -> Tensor:
        """A picture [1, channel, height, width] as the prior takes it: float32, on its device."""
        side = self.prior.size
        return resized(to_float(pixels), self.prior.channels, side, side).to(self.prior.runtime.device)

    def judge(
        self, distance: float, beyond: str = " beyond the noise"
    ) -> tuple[tuple[str, ...], bool, dict[str, Figure]]:
        """What is said of a picture at this distance from the prior, √ of a mean square on [0, 1].

        Returns:
            Notes, whether it is of the class, and "distance" and "own_distance" in grey levels, the latter
            being what 99 of 100 pictures of the class stay below.
        """
        found, own = 255 * distance, 255 * self.prior.own_distance
        figures: dict[str, Figure] = {"distance": round(found, 3), "own_distance": round(own, 3)}
        if not is_far(self.prior.own_distance, distance):
            return (), True, figures
        note = (
            f"far from what the prior knows: it misses this picture by {found:.0f} grey levels"
            f"{beyond}, and 99 of 100 of its own by less than {own:.0f}"
        )
        return (note,), False, figures


def resized(image: Tensor, channels: int, height: int, width: int) -> Tensor:
    """A picture [1, 1 or 3, ...] as [1, channels, height, width], grey as the mean of the colours."""
    if image.shape[1] != channels:
        image = image.mean(1, keepdim=True).expand(-1, channels, -1, -1)
    if image.shape[2:] == torch.Size((height, width)):
        return image
    return functional.interpolate(
        image, (height, width), mode="bilinear", align_corners=False, antialias=True
    )


def _colour(channels: int) -> str:
    return "grey" if channels == 1 else "RGB"
