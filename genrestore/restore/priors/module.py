"""Priors of a Python program: any object that removes noise, with an estimate of its level if it has one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from torch import Tensor, nn

from genrestore.errors import UsageError
from genrestore.models.community import CommunityNetwork
from genrestore.restore.noise import NoiseProfile
from genrestore.restore.priors.community import CommunityPrior
from genrestore.restore.problem import Problem
from genrestore.runtime import Runtime
from genrestore.weights.header import Header, NetworkSpec
from genrestore.weights.load import Loaded

LEAST = 1e-4
"""The least noise level that a picture is said to have, on the [0, 1] scale."""
OVERLAP = 32
"""Pixels that an object looks around a tile, if it does not say."""


class Denoiser(Protocol):
    """Whatever removes noise; a `torch.nn.Module` may be one.

    `noise_level` may be missing: then the estimator of `photo` tells the level. An attribute `overlap` says
    how many pixels around a tile it looks at (32 if there is none), or None that it must see pictures whole.
    """

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Remove noise of a level.

        Args:
            x: [1, 1 or 3, height, width], about [0, 1], float32: a tile of a picture, grey or RGB.
            sigma: σ on the [0, 1] scale.

        Returns:
            The estimate, of the shape of `x`.
        """

    def noise_level(self, x: Tensor) -> float:
        """σ on the [0, 1] scale of a tile [1, 1 or 3, height, width], about [0, 1]."""


class ModulePrior(CommunityPrior):
    """An object of a Python program as a denoiser D(y, σ), and by plug-and-play as a prior for holes.

    Args:
        given: The object; a module without a method `denoise` is called with the same arguments.
        runtime: Device of what is around it; a module is given what lies on its own.

    Raises:
        UsageError: An object that cannot be called.
    """

    def __init__(self, given: Any, runtime: Runtime) -> None:
        call = getattr(given, "denoise", given)
        if isinstance(given, type) or not callable(call):
            raise UsageError(f"prior: a {type(given).__name__} has no method denoise(x, sigma)")
        self._given = given
        holder = given if isinstance(given, nn.Module) else nn.Identity()
        overlap = getattr(given, "overlap", OVERLAP)
        network = CommunityNetwork(
            holder, _called(call, holder), channels=None, takes_level=True, overlap=overlap
        )
        spec = NetworkSpec(type(given).__name__, {})
        header = Header("denoiser", {"denoiser": spec}, 3, None, {}, "", "", "", "")
        super().__init__(Loaded(header, {"denoiser": network}), runtime)

    def noise_level(self, tiles: Iterable[Problem]) -> NoiseProfile:
        """The object's own estimate, root of its mean square over the tiles, or that of `photo`."""
        own: Callable[[Tensor], Any] | None = getattr(self._given, "noise_level", None)
        if own is None:
            return super().noise_level(tiles)
        found = [(float(own(tile.damaged)), tile.damaged.numel()) for tile in tiles]
        if not all(math.isfinite(level) and level >= 0 for level, _ in found):
            raise UsageError(f"prior: noise_level gave {[level for level, _ in found]}: must be from 0 to 1")
        squares = sum(level**2 * size for level, size in found) / sum(size for _, size in found)
        return NoiseProfile.even(min(max(math.sqrt(squares), LEAST), 1.0))


def _called(call: Callable[..., Any], holder: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    """The call of an object with a number for the noise level of a tile: the root of its mean square."""

    def called(image: Tensor, level: Tensor) -> Tensor:
        place = next(holder.parameters(), image)
        estimate = call(image.to(place.device), float(level.square().mean().sqrt()))
        if not isinstance(estimate, Tensor) or estimate.shape != image.shape:
            what = (
                f"shape {list(estimate.shape)}"
                if isinstance(estimate, Tensor)
                else f"type {type(estimate).__name__}"
            )
            raise UsageError(f"prior: denoise gave {what} for an image of shape {list(image.shape)}")
        return estimate.to(image)

    return called
