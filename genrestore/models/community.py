"""Networks of other projects, called as ours are."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

Call = Callable[..., Tensor]


class CommunityNetwork(nn.Module):
    """A network of another project for pictures of any size, grey or RGB.

    Args:
        network: The network, so that it moves to a device with this.
        call: What calls it: takes an image [1, channels, height, width] in [0, 1], whose sides are as below,
            and a map of its noise level or of what is missing, [1, 1, height, width], if it has a use for it.
        channels: Of its images: 1 or 3; None: it takes both.
        takes_level: Whether it is told a noise level.
        masked: Whether it is told what is missing.
        sides: Least side and number that sides are a multiple of, in pixels, and whether they are equal.
        overlap: Pixels that it looks around a tile; None: it must see pictures as a whole.
        multiple: Tiles begin at a multiple of it.
        memory: Bytes that a pixel takes.
    """

    levels = 1

    def __init__(
        self,
        network: nn.Module,
        call: Call,
        *,
        channels: int | None,
        takes_level: bool = False,
        masked: bool = False,
        sides: tuple[int, int, bool] = (1, 1, False),
        overlap: int | None = 32,
        multiple: int = 16,
        memory: int = 1,
    ) -> None:
        super().__init__()
        self.network, self.call = network, call
        self.channels, self.takes_level, self.masked = channels, takes_level, masked
        self.sides, self.overlap, self.multiple, self.memory = sides, overlap, multiple, memory

    def forward(self, image: Tensor, plane: Tensor | None = None) -> Tensor:
        """Call it for each picture; of one that knows grey only, for each colour.

        Args:
            image: [batch, 1 or 3, height, width], about [0, 1].
            plane: Its noise level on the [0, 1] scale, or 1 where it is missing and 0 where it is known: a
                scalar, or [batch, 1, height, width].

        Returns:
            The estimate, of the shape of `image`.
        """
        batch, colours, height, width = image.shape
        some = image.flatten(0, 1)[:, None] if self.channels == 1 else image
        some = some.expand(-1, self.channels or -1, -1, -1)
        planes = [None] * len(some)
        if plane is not None and (self.takes_level or self.masked):
            each = plane.to(image).expand(batch, 1, height, width)
            planes = list(each.repeat_interleave(len(some) // batch, 0).split(1))
        bottom, right = self._missing(height, width)
        estimates = [
            self.call(*(_grown(one, bottom, right) for one in (single, own) if one is not None))
            for single, own in zip(some.split(1), planes, strict=True)
        ]
        found = torch.cat(estimates)[..., :height, :width]
        if self.channels == 1:
            return found.reshape(image.shape)
        return found.mean(1, keepdim=True) if colours == 1 else found

    def _missing(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns that a picture lacks."""
        least, multiple, square = self.sides
        tall, wide = (-(-max(side, least) // multiple) * multiple for side in (height, width))
        if square:
            tall = wide = max(tall, wide)
        return tall - height, wide - width


def _grown(image: Tensor, bottom: int, right: int) -> Tensor:
    """An image [1, channel, height, width] with rows and columns more, mirrored as far as it has them."""
    height, width = image.shape[-2:]
    near = (0, min(right, width - 1), 0, min(bottom, height - 1))
    image = functional.pad(image, near, "reflect")
    return functional.pad(image, (0, right - near[1], 0, bottom - near[3]), "replicate")
