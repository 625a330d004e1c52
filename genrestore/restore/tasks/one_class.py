"""What is alike in all that an autoencoder restores: pictures of one class and one size."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from genrestore.errors import InputError, WeightsError
from genrestore.restore.descent_settings import Descent
from genrestore.restore.priors import load_prior
from genrestore.restore.priors.autoencoder import AutoencoderPrior
from genrestore.restore.tasks.autoencoding import is_far
from genrestore.restore.tiling import Pixels, to_float
from genrestore.runtime import Runtime
from genrestore.weights import store
from genrestore.weights.header import read_header


def is_of_one_class(weights: str) -> bool:
    """Whether weights are of an autoencoder; only their header is read.

    Raises:
        WeightsError: The weights are missing, or their header cannot be read.
    """
    return read_header(store.resolve(weights)).kind == "autoencoder"


class OneClass:
    """An autoencoder of a weights file, and pictures that fit it.

    Args:
        weights: A name in the store or a path.
        runtime: Device and seed; None settles them for this machine.
        descent: How the estimate is found.
        resize: Scale pictures of another size to the autoencoder's, and the result back.

    Raises:
        WeightsError: The weights are missing, or of another kind.

    Attributes:
        path: Of the weights.
        header: What their file says of itself.
        descent: How the estimate is found.
        resize: Whether pictures are scaled.
    """

    def __init__(
        self, weights: str, runtime: Runtime | None, descent: Descent | None, *, resize: bool
    ) -> None:
        self.path = store.resolve(weights)
        self.header = read_header(self.path)
        if self.header.kind != "autoencoder":
            raise WeightsError(f"weights '{weights}' are of kind '{self.header.kind}', not of an autoencoder")
        self.descent = descent or Descent()
        self.resize = resize
        self._runtime = runtime

    @cached_property
    def prior(self) -> AutoencoderPrior:
        """The prior, loaded when it is first needed; it computes in float32."""
        runtime = replace(self._runtime or Runtime.create(), precision="fp32")
        prior = load_prior(str(self.path), runtime)
        assert isinstance(prior, AutoencoderPrior)  # as the header says
        return prior

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

    def judge(self, distance: float) -> tuple[bool, tuple[str, ...]]:
        """Whether a picture at this distance, √ of a mean square on [0, 1], is of the class; what is said."""
        if not is_far(self.prior, distance):
            return True, ()
        own = 255 * self.prior.own_distance
        return False, (
            f"far from what the prior knows: it misses this picture by {255 * distance:.0f} grey levels "
            f"beyond the noise, and 99 of 100 of its own by less than {own:.0f}",
        )


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
