"""Reach of a network, and the memory that it takes: measured, since no file says it."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from genrestore.models.community import CommunityNetwork

SEAM = 0.25 / 255
"""The most that a pixel of a tile may differ from that of the whole picture."""
LEVEL = 25 / 255
"""The noise of the picture that is looked at."""


def overlap(network: CommunityNetwork, multiple: int) -> int | None:
    """Pixels around a tile that change it by less than `SEAM`; None: a tile is not what it is in the whole.

    Both ends of a strip are cut off, farther and farther away. Its ends are unlike each other in brightness
    and in texture, so that a mean over the whole picture shows.

    Args:
        network: In eval mode.
        multiple: Tiles begin at a multiple of it.
    """
    choices = [multiple // 2, multiple, 2 * multiple]
    strip = _strip(multiple, 4 * multiple + 2 * choices[-1], network.channels or 3)
    whole = _estimate(network, strip)
    for wide in choices:
        start, stop = multiple, 2 * multiple + 2 * wide
        tile = _estimate(network, strip[..., start:stop])
        kept = slice(wide, wide + multiple)
        if float((tile[..., kept] - whole[..., start:stop][..., kept]).abs().max()) <= SEAM:
            return wide
    return None


def memory(network: CommunityNetwork, side: int) -> int:
    """The most bytes that are held at once for each pixel of a picture of this side."""
    with _Peak() as peak:
        _estimate(network, _strip(side, side, network.channels or 3))
    return -(-peak.most // side**2)


def _estimate(network: CommunityNetwork, image: Tensor) -> Tensor:
    """The network's estimate of [1, channel, height, width], if it fills holes with one in the middle."""
    plane = torch.full_like(image[:, :1], LEVEL)
    if network.masked:
        plane = torch.zeros_like(plane)
        plane[..., 4:12, 4:12] = 1
    with torch.no_grad():
        return network(image, plane)


def _strip(height: int, width: int, channels: int) -> Tensor:
    """A picture with noise, from dark and smooth to bright and rough, [1, channel, height, width]."""
    draw = torch.Generator().manual_seed(0)
    across, down = torch.linspace(0, 1, width), torch.linspace(0, 1, height)[:, None]
    rough = torch.rand(1, channels, height, width, generator=draw) - 0.5
    waves = 0.1 * torch.sin(40 * across * (1 + down)) * across
    noise = LEVEL * torch.randn(rough.shape, generator=draw)
    return (0.2 + 0.5 * across + waves + 0.3 * across * rough + noise).clamp(0, 1)


class _Peak(TorchDispatchMode):
    """Counts the bytes of all tensors that are alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self.holders: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call an operator, and count what it made."""
        result = func(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(result):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                self._hold(storage.data_ptr(), storage.nbytes())
                weakref.finalize(tensor, self._let_go, storage.data_ptr(), storage.nbytes())
        return result

    def _hold(self, place: int, size: int) -> None:
        if self.holders.setdefault(place, 0) == 0:
            self.now += size
            self.most = max(self.most, self.now)
        self.holders[place] += 1

    def _let_go(self, place: int, size: int) -> None:
        self.holders[place] -= 1
        if self.holders[place] == 0:
            self.now -= size
