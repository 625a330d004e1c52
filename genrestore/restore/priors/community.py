"""Priors of other people's networks: denoisers that are told a noise level or not, and networks for holes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor, nn

from genrestore.models.community import CommunityNetwork
from genrestore.restore.prior import Prior
from genrestore.restore.priors.denoiser import DenoiserPrior, UNetPrior
from genrestore.restore.problem import UNWATCHED, Problem, Solution, Watch
from genrestore.restore.settings import DenoiserSettings, InpainterSettings
from genrestore.restore.tiling import Tiling
from genrestore.runtime import Runtime
from genrestore.weights import content, store
from genrestore.weights.load import Loaded, load_file

USUAL, LARGEST = 768, 16384
"""Sides of tiles in pixels: the usual one, and of what has to be seen as a whole."""
JOINED = 64
"""Pixels by which parts of a picture overlap that should be seen as a whole, and that are kept at least."""
SHARE = 0.4
"""Of the machine's memory that a call may take; more is seen in parts."""
AROUND = 256
"""Pixels around a hole that a network for holes sees: it was trained on pictures of such sides."""


class CommunityPrior(DenoiserPrior):
    """A denoiser D(y, σ) of other people, with the noise estimator of `photo`.

    It is called in float32, since many networks lose the depth of a file in less, and one tile after the
    other, since nothing says that threads may share it.
    """

    ROLES: ClassVar[dict[str, type[nn.Module]]] = {"denoiser": CommunityNetwork}
    TAKES_LEVEL: ClassVar[bool] = True

    def __init__(self, loaded: Loaded, runtime: Runtime) -> None:
        super().__init__(loaded, runtime)
        network = self.network
        assert isinstance(network, CommunityNetwork)
        if network.masked or network.takes_level != self.TAKES_LEVEL:
            raise ValueError(f"its network is {'for holes' if network.masked else 'told no noise level'}")
        self.workers, self.whole = 1, network.overlap is None
        self.tilings = tiling(network, runtime), Prior.tilings[1].aligned(network.multiple)

    @cached_property
    def _estimator(self) -> UNetPrior[DenoiserSettings]:
        """The denoiser that ships with genrestore, whose estimator tells the noise of pictures."""
        return DenoiserPrior(load_file(store.SHIPPED / "photo.safetensors"), self.runtime)

    def estimate_log_level(self, image: Tensor) -> Tensor:
        """The natural logarithm of the noise level; see `DenoiserPrior.estimate_log_level`.

        Args:
            image: [batch, 3, height, width], about [0, 1], float32.

        Returns:
            log σ of luma and chroma, [batch, 2, ⌈height / 8⌉, ⌈width / 8⌉].
        """
        assert isinstance(self._estimator, DenoiserPrior)
        return self._estimator.estimate_log_level(image)

    def _laid(self, network: nn.Module) -> nn.Module:
        """The network as it is: other people's code asks for the usual order of numbers."""
        return network

    def _colours(self, image: Tensor) -> Tensor:
        """An image as the network takes it: of as many channels as it has."""
        return image

    def _run(self, network: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        device = inputs[0].device
        with torch.set_grad_enabled(torch.is_grad_enabled() and any(one.requires_grad for one in inputs)):
            return network(*(one.to(self.runtime.device).contiguous() for one in inputs)).float().to(device)


class BlindPrior(CommunityPrior):
    """A denoiser D(y) of other people that finds by itself how strong the noise is."""

    TAKES_LEVEL: ClassVar[bool] = False
    schedule: ClassVar[tuple[float, ...]] = (1.0,)

    def noise_level(self, tiles: Iterable[Problem]) -> None:  # type: ignore[override]
        """None: such a network finds the level by itself."""

    def level_of(self, problem: Problem) -> Tensor:  # noqa: ARG002
        """A scalar, 0, on the [0, 1] scale, which it is not told."""
        return torch.tensor(0.0)


class MaskedPrior(UNetPrior[InpainterSettings]):
    """A network of other people that fills holes, and is shown a picture and where it is missing."""

    usual = InpainterSettings()
    ROLES: ClassVar[dict[str, type[nn.Module]]] = {"denoiser": CommunityNetwork}

    def __init__(self, loaded: Loaded, runtime: Runtime) -> None:
        super().__init__(loaded, runtime)
        network = self.network
        assert isinstance(network, CommunityNetwork)
        if not network.masked:
            raise ValueError("its network is not for holes")
        size = _most(network, runtime) // network.multiple * network.multiple
        kept = max(network.multiple, min(size, 4 * AROUND))
        self.tilings = Prior.tilings[0], Tiling(kept + 2 * AROUND, AROUND, network.multiple)

    def _laid(self, network: nn.Module) -> nn.Module:
        return network

    def noise_level(self, tiles: Iterable[Problem]) -> None:
        """None: known pixels are taken for exact."""

    def solve(self, problem: Problem, settings: InpainterSettings, watch: Watch = UNWATCHED) -> Solution:  # noqa: ARG002
        """Fill holes in one pass.

        Args:
            problem: One picture or tile, 1 or 3 channels; without a hole it stays as it is.
            settings: None.
            watch: Is told the finished share.
        """
        if problem.known is None:
            return Solution(problem.damaged)
        device = self.runtime.device
        with torch.no_grad():
            image = self.network(problem.filled().to(device), 1 - problem.known.to(device))
        watch.progress(1.0)
        return Solution(image.float().to(problem.damaged.device))


def tiling(network: CommunityNetwork, runtime: Runtime) -> Tiling:
    """The tiles that a denoiser takes pictures in: as large as memory lets them be where it must see all."""
    most, beside = _most(network, runtime), network.multiple
    overlap = math.ceil(JOINED / beside) * beside if network.overlap is None else network.overlap
    side = LARGEST if network.overlap is None else USUAL
    kept = max(math.ceil(JOINED / beside), (min(side, most) - 2 * overlap) // beside) * beside
    return Tiling(kept + 2 * overlap, overlap, beside)


def _most(network: CommunityNetwork, runtime: Runtime) -> int:
    """The side in pixels of the largest square that a call has the memory for."""
    whole = content.memory()
    if runtime.device == "cuda":
        whole = torch.cuda.get_device_properties(0).total_memory
    return int(min(float(LARGEST), math.sqrt(SHARE * whole / network.memory)))
