"""The one loop of every training: batch, step, average, log, validate, save."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor

from genrestore.errors import Interrupted
from genrestore.train import distributed, optimisers
from genrestore.train.data.draws import mix
from genrestore.train.kinds.base import Diverged, Training
from genrestore.train.loop import checkpoint
from genrestore.train.loop.batches import Interruption, batches
from genrestore.train.loop.checkpoint import Progress, State
from genrestore.train.loop.run import RunFolder
from genrestore.train.settings import LoopSettings


class Observer(Protocol):
    """Watcher of a training."""

    def note(self, text: str) -> None:
        """Take a remark, one line."""

    def stepped(self, step: int, steps: int) -> None:
        """Take the number of a step that was done."""

    def logged(self, row: Mapping[str, float]) -> None:
        """Take a row of metrics.csv."""


def train(
    training: Training[Any, Any],
    settings: LoopSettings,
    run: RunFolder,
    observer: Observer,
    *,
    max_minutes: float = math.inf,
    followed: bool = False,
) -> Progress:
    """Train until the settings' last step; goes on where the run folder's checkpoint stands.

    Args:
        training: Networks, data and step.
        settings: Steps, learning rate, and when to log, validate and save.
        run: Where everything is written.
        observer: Watches every step and row.
        max_minutes: Stop after this time, with a checkpoint.
        followed: Whether another training comes next, which a signal in the last step keeps from beginning.

    Returns:
        How far it came.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the checkpoint was written.
        Diverged: A number is not finite, or the training has collapsed; the checkpoint is the last good one.
    """
    state = _start(training, settings, run)
    progress, meter = state.progress, Meter(settings.batch_size)
    rates = [(group, group["lr"]) for one in training.optimisers.values() for group in one.param_groups]
    clock = Clock(progress.seconds, max_minutes, settings.save_minutes)
    if progress.step == settings.steps and distributed.any_rank(run.lacks_score(progress.step))[0]:
        _end_here(training, state, run, observer)
    with Interruption() as interruption, _advising(run, settings):
        for batch in batches(training, settings, progress.step, observer.note):
            torch.manual_seed(mix(settings.seed, progress.step, distributed.rank()))
            rate = settings.rate(progress.step)
            for group, largest in rates:
                group["lr"] = rate * largest
            meter.add(training.step(batch))
            state.average.update(training.networks, progress.step)
            progress.step, progress.seconds = progress.step + 1, clock.seconds()
            observer.stepped(progress.step, settings.steps)
            stop, over, save, broken = distributed.any_rank(
                interruption.requested, clock.is_over(), clock.save_is_due(), meter.broken
            )
            due = _due(progress.step, settings)
            if not (stop or over or save or broken or due):
                continue
            row: dict[str, float] = {"step": progress.step, "seconds": round(progress.seconds, 3)}
            row |= {"learning_rate": rate * settings.learning_rate, **meter.read()}
            _check_finite(row)
            if "validate" in due:
                row |= _validated(training, state, run)
            if "log" in due:
                run.log(row)
                observer.logged(row)
            if "sample" in due:
                run.save_samples(progress.step, training, state)
            if stop or over or save or "save" in due:
                run.save(training, state)
                clock.saved()
            if stop:
                raise Interrupted(f"stopped at step {progress.step} of {settings.steps}; go on with --resume")
            if over:
                break
            if "log" in due:
                meter.reset()
        if followed and distributed.any_rank(interruption.requested)[0]:
            raise Interrupted(f"stopped at step {progress.step} of {settings.steps}; go on with --resume")
    return progress


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
        self._max_minutes, self._save_minutes = max_minutes, save_minutes or math.inf

    def seconds(self) -> float:
        """Time in the loop in all."""
        return self._before + time.monotonic() - self._started

    def is_over(self) -> bool:
        """Tell whether this run's time is used up."""
        return time.monotonic() - self._started > 60 * self._max_minutes

    def save_is_due(self) -> bool:
        """Tell whether the last checkpoint is too long ago."""
        return time.monotonic() - self._saved > 60 * self._save_minutes

    def saved(self) -> None:
        """Note that a checkpoint was written now."""
        self._saved = time.monotonic()


def _start(training: Training[Any, Any], settings: LoopSettings, run: RunFolder) -> State:
    """Everything as the checkpoint has it, or a first checkpoint of everything as it is."""
    for network in training.networks.values():
        distributed.broadcast([*network.parameters(), *network.buffers()])
        network.train(any(parameter.requires_grad for parameter in network.parameters()))
    kept = {name: training.networks[name] for name in training.header().networks}
    average = optimisers.Average(kept, settings.ema_decay)
    state = State(training.networks, average, training.optimisers, Progress())
    resumed = run.checkpoint.exists()
    distributed.barrier()
    if resumed:
        checkpoint.load(run.checkpoint, state)
        run.forget_after(state.progress.step)
    else:
        run.save(training, state)
    distributed.barrier()
    return state


def _end_here(training: Training[Any, Any], state: State, run: RunFolder, observer: Observer) -> None:
    """Do the last validation of a run that was stopped at what has now become its end."""
    progress = state.progress
    row: dict[str, float] = {"step": progress.step, "seconds": round(progress.seconds, 3)}
    row |= _validated(training, state, run)
    run.log(row)
    observer.logged(row)
    run.save(training, state)


def _due(step: int, settings: LoopSettings) -> set[str]:
    """Work due after this many steps; a validation is logged and saved too, and the end has all."""
    last = step == settings.steps
    due = {"log"} if last or step % settings.log_every == 0 else set()
    if last or step % settings.sample_every == 0:
        due |= {"sample"}
    if settings.save_every and step % settings.save_every == 0:
        due |= {"save"}
    if last or step % settings.validate_every == 0:
        due |= {"validate", "log", "save"}
    return due


def _validated(training: Training[Any, Any], state: State, run: RunFolder) -> dict[str, float]:
    """Numbers of a validation; the weights are kept if they are the best so far."""
    row = training.validate(state.average.networks)
    _check_finite({"step": state.progress.step, **row})
    score = row.get("score", 0.0)
    if state.progress.score is None or score > state.progress.score:
        state.progress.score, state.progress.score_step = score, state.progress.step
        run.save_best(training, state)
    return row


def _check_finite(row: Mapping[str, float]) -> None:
    for name, value in row.items():
        if not math.isfinite(value):
            raise Diverged(f"{name} is {value} at step {row['step']:.0f}")


@contextmanager
def _advising(run: RunFolder, settings: LoopSettings) -> Iterator[None]:
    """Add to the message of a training that diverges what to do about it."""
    try:
        yield
    except Diverged as error:
        good, _ = checkpoint.read(run.checkpoint)
        slower = f"a --learning-rate below {settings.learning_rate}"
        if good.step == 0:
            left = f"there is no checkpoint but that of the start; start another run with {slower}"
        else:
            left = (
                f"the last good checkpoint is {run.checkpoint} of step {good.step}; start another run with "
                f"--init-from {run.last} and {slower}"
            )
        raise Diverged(f"{error}; {left}") from error
