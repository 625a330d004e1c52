"""The alarm for a generator that has nothing left to learn from."""

from __future__ import annotations

import torch
from torch import Tensor

from genrestore.train.loop import distributed
from genrestore.train.loop.protocol import Diverged

CERTAIN = 0.01
"""A discriminator whose loss is below is right and sure of it: all of `losses.ADVERSARIAL` are 0 there."""
PATIENCE = 300
"""Steps in a row; the first hundred steps of a healthy training may be like that."""
EVERY = 50
"""Steps between looks, since a look waits for the GPU."""


class Alarm:
    """Rings when the discriminator has been certain for `PATIENCE` steps in a row.

    The count is of this process and starts anew with it.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._certain = torch.zeros(())

    def watch(self, loss: Tensor, gradient: Tensor) -> None:
        """Take in one step.

        Args:
            loss: The discriminator's, a scalar.
            gradient: Norm of the generator's gradient, a scalar.

        Raises:
            Diverged: It is time to stop, in every process.
        """
        self._steps += 1
        certain = self._certain.to(loss.device)
        self._certain = torch.where(loss < CERTAIN, certain + 1, torch.zeros_like(certain))
        if self._steps % EVERY:
            return
        count = int(self._certain)
        (stop,) = distributed.any_rank(count >= PATIENCE)
        if stop:
            raise Diverged(
                f"the training has collapsed: for {count} steps the discriminator has told every image (its "
                f"loss is {float(loss):.2g}), and the generator's gradient is {float(gradient):.2g}"
            )
