"""What the loop asks of a training, and of whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from torch import Tensor, nn
from torch.optim import Optimizer

from genrestore.errors import GenrestoreError
from genrestore.weights.header import Header

Batch = TypeVar("Batch")


class Diverged(GenrestoreError):
    """A loss that is not finite, or a collapse."""


class Training(Protocol[Batch]):
    """One kind of training: its networks, its data and one step.

    Attributes:
        networks: What is trained, by name, and kept in checkpoints. Those that the header names are averaged
            and go into the weights; one whose parameters are all frozen stays in evaluation mode.
        optimisers: By name; they start with their largest learning rates, the loop follows the schedule.
    """

    networks: dict[str, nn.Module]
    optimisers: dict[str, Optimizer]

    def batch(self, step: int, indices: Sequence[int]) -> Batch:
        """The samples `indices` of a step: a function of seed, step and index alone, on the CPU.

        It may be called in another process and ahead of time, and must touch neither networks nor GPU.
        """

    def step(self, batch: Batch) -> Mapping[str, float | Tensor]:
        """Update the weights once; gradients go through `distributed.average_gradients`.

        torch's global random state has been seeded from seed, step and process before.

        Returns:
            Numbers for the log; tensors on a GPU are read only when a row is written.

        Raises:
            Diverged: The training has collapsed; the loop adds the name of the last good checkpoint.
        """

    def validate(self, networks: Mapping[str, nn.Module]) -> Mapping[str, float]:
        """Measure averaged networks; "score" is better when higher. Every process calls it."""

    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        """Pictures of the same inputs every time: [batch, channel, height, width] in [0, 1]."""

    def header(self) -> Header:
        """What the weights file says of itself; the run adds its settings, step and score to `training`."""


class Observer(Protocol):
    """Who watches a training."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def stepped(self, step: int, steps: int) -> None:
        """A step was done."""

    def logged(self, row: Mapping[str, float]) -> None:
        """A row of metrics.csv was written."""
