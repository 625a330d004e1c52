"""What the loop measures of itself: means for the log, time, and the learning rate it sets."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from torch import Tensor
from torch.optim import Optimizer

from genrestore.train.loop import distributed
from genrestore.train.loop.settings import LoopSettings


class LearningRates:
    """Every parameter group's learning rate: what it was at the start, times the schedule.

    Attributes:
        value: The settings' learning rate times the schedule, as of the last step.
    """

    def __init__(self, optimisers: Mapping[str, Optimizer], settings: LoopSettings) -> None:
        self._groups = [
            (group, group["lr"]) for optimiser in optimisers.values() for group in optimiser.param_groups
        ]
        self._settings = settings
        self.value = 0.0

    def set(self, step: int) -> None:
        """Set the rates for a step, counted from 0."""
        factor = self._settings.rate(step)
        self.value = factor * self._settings.learning_rate
        for group, largest in self._groups:
            group["lr"] = factor * largest


class Meter:
    """Means over the steps since the last row of the log.

    Attributes:
        broken: Whether a number that needs no waiting for a GPU was not finite.
    """

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._sums: dict[str, float | Tensor] = {}
        self._count = 0
        self._since = time.monotonic()
        self.broken = False

    def add(self, numbers: Mapping[str, float | Tensor]) -> None:
        """Take in the numbers of one step; tensors are scalars."""
        self._count += 1
        for name, value in numbers.items():
            number = value.detach() if isinstance(value, Tensor) else value
            self._sums[name] = self._sums.get(name, 0.0) + number
            if not isinstance(number, Tensor) or number.device.type == "cpu":
                self.broken = self.broken or not math.isfinite(float(number))

    def read(self) -> dict[str, float]:
        """Means over steps and processes, and samples a second; every process must ask."""
        means = distributed.mean({name: float(value) / self._count for name, value in self._sums.items()})
        speed = self._count * self._batch_size / max(1e-9, time.monotonic() - self._since)
        return {"images_per_second": round(speed, 2), **means}


class Clock:
    """Time in the loop with the runs before, and since the last checkpoint.

    Args:
        before: Seconds of the runs before.
        max_minutes: When to stop.
        save_minutes: How often to save; 0 for never.
    """

    def __init__(self, before: float, max_minutes: float, save_minutes: float) -> None:
        self._before = before
        self._started = self._saved = time.monotonic()
        self._max_minutes = max_minutes
        self._save_minutes = save_minutes or math.inf

    def seconds(self) -> float:
        """Time in the loop in all."""
        return self._before + time.monotonic() - self._started

    def is_over(self) -> bool:
        """Whether this run's time is used up."""
        return time.monotonic() - self._started > 60 * self._max_minutes

    def save_is_due(self) -> bool:
        """Whether the last checkpoint is too long ago."""
        return time.monotonic() - self._saved > 60 * self._save_minutes

    def saved(self) -> None:
        """A checkpoint was written now."""
        self._saved = time.monotonic()
