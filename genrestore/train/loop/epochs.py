"""Images in the order of epochs: each is taken once an epoch, in an order of its own."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import Tensor

from genrestore.errors import UsageError
from genrestore.train.data.dataset import ImageSet, mix


class Epochs:
    """Images to train on, one epoch after another without end.

    Args:
        images: All of one size and number of channels.
        batch_size: Images a step.
        seed: Of the orders.

    Attributes:
        pixels: [images, channel, height, width], uint8.

    Raises:
        UsageError: Fewer images than a batch.
    """

    def __init__(self, images: ImageSet, batch_size: int, seed: int) -> None:
        if len(images) < batch_size:
            raise UsageError(
                f"--data: {len(images)} images to train on are fewer than a batch; "
                f"give more, or a --batch-size below {batch_size}"
            )
        self.pixels = images.stack()
        self._seed = seed

    def take(self, places: Iterable[int]) -> Tensor:
        """The images at these places of all epochs in a row.

        Returns:
            [places, channel, height, width] in [0, 1].
        """
        count = len(self.pixels)
        chosen = [_order(self._seed, place // count, count)[place % count] for place in places]
        return self.pixels[chosen].float() / 255


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> list[int]:
    """The order of the images in an epoch."""
    draws = torch.Generator().manual_seed(mix(seed, -2, epoch))
    order: list[int] = torch.randperm(count, generator=draws).tolist()
    return order
