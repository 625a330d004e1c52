"""What a training is told: steps, learning rate, averaging, and how often something is written."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from genrestore.errors import UsageError

SCHEDULES = ("cosine", "trapezoid", "constant")
OPTIMISERS = ("adamw", "muon")
FREE = frozenset({"log_every", "validate_every", "sample_every", "save_every", "save_minutes", "workers"})
"""Settings that do not change the trained weights, so a resumed run may change them."""

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class LoopSettings:
    """Settings of the one loop; the data and the network have their own.

    Attributes:
        steps: Optimiser steps in all, resumed ones included.
        batch_size: Samples a step, over all processes together.
        learning_rate: Largest learning rate.
        warmup: Steps in which the learning rate rises linearly to its largest.
        schedule: What follows: "cosine" falls to 0 over all steps, "constant" stays, "trapezoid" stays
            and falls linearly to 0 at the end.
        cooldown: Share of the steps in which "trapezoid" falls, 0 to 1.
        optimiser: One of `OPTIMISERS`.
        weight_decay: Decoupled weight decay, a fraction of the learning rate.
        ema_decay: Decay of the moving average of the weights, a step; 0 for none.
        seed: Every random draw follows from it.
        log_every: Steps between rows of metrics.csv.
        validate_every: Steps between validations, each with a checkpoint.
        sample_every: Steps between sample pictures.
        save_every: Steps between checkpoints; 0 for by time only.
        save_minutes: Minutes between checkpoints; 0 for by steps only.
        workers: Processes that prepare batches ahead; 0 prepares them in the loop.
    """

    steps: int = 100_000
    batch_size: int = 32
    learning_rate: float = 1e-3
    warmup: int = 500
    schedule: str = "cosine"
    cooldown: float = 0.25
    optimiser: str = "adamw"
    weight_decay: float = 0.0
    ema_decay: float = 0.999
    seed: int = 0
    log_every: int = 100
    validate_every: int = 2000
    sample_every: int = 2000
    save_every: int = 0
    save_minutes: float = 10.0
    workers: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "log_every", "validate_every", "sample_every"):
            require(name, getattr(self, name), 1, math.inf)
        for name in ("warmup", "weight_decay", "seed", "save_every", "save_minutes", "workers"):
            require(name, getattr(self, name), 0, math.inf)
        require("cooldown", self.cooldown, 0, 1)
        if not 0 < self.learning_rate < math.inf:
            raise UsageError(f"--learning-rate {self.learning_rate}: must be a number above 0")
        if not 0 <= self.ema_decay < 1:
            raise UsageError(f"--ema-decay {self.ema_decay}: must be at least 0 and less than 1")
        one_of("schedule", self.schedule, SCHEDULES)
        one_of("optimiser", self.optimiser, OPTIMISERS)

    def rate(self, step: int) -> float:
        """The learning rate of one step as a fraction of the largest.

        Args:
            step: Steps done before this one.

        Returns:
            A factor in [0, 1].
        """
        factor = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        if self.schedule == "cosine":
            return factor * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        fall = self.cooldown * self.steps
        if self.schedule == "trapezoid" and step > self.steps - fall:
            return factor * max(0.0, (self.steps - step) / fall)
        return factor


def option(name: str) -> str:
    """The command-line option of a setting: `batch_size` is `--batch-size`."""
    return "--" + name.replace("_", "-")


def require(name: str, value: float, low: float, high: float) -> None:
    """Raise UsageError, naming the option and the value, unless low ≤ value ≤ high (and finite)."""
    if low <= value <= high and math.isfinite(value):
        return
    wanted = f"{low} or more" if math.isinf(high) else f"between {low} and {high}"
    raise UsageError(f"{option(name)} {value}: must be {wanted}")


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise UsageError, naming the option and the choices, unless `value` is one of them."""
    if value not in choices:
        raise UsageError(f"{option(name)} {value}: must be one of {', '.join(choices)}")


def rebuild(default: Settings, values: Mapping[str, Any]) -> Settings:
    """A settings dataclass from what JSON kept of it.

    Args:
        default: Settings whose values fill what is not in `values`, and tell tuples from lists.
        values: By field name; nested dataclasses as mappings.

    Raises:
        UsageError: A name that the settings do not have.
    """
    known = {field.name for field in dataclasses.fields(default)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise UsageError(f"{option(unknown[0])}: not a setting of {type(default).__name__}")
    made = {name: _like(getattr(default, name), value) for name, value in values.items()}
    return dataclasses.replace(default, **made)  # type: ignore[type-var]


def merge(stored: Mapping[str, Any], given: Mapping[str, Any], free: frozenset[str]) -> dict[str, Any]:
    """Settings of a resumed run: what it was started with, and the freely changeable ones given now.

    Args:
        stored: All settings of the run.
        given: The settings that the user gave now.
        free: Names that may change.

    Raises:
        UsageError: A given setting contradicts a stored one; both values are named.
    """
    for name, value in given.items():
        before = stored.get(name, value)
        if name not in free and _plain(value) != _plain(before):
            raise UsageError(
                f"{option(name)} {value}: this run was started with {before}; leave the option out to go on, "
                "or start another run with --init-from"
            )
    return {**stored, **given}


def _like(default: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(default) and isinstance(value, Mapping):
        return rebuild(default, value)
    return tuple(value) if isinstance(default, tuple) else value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
