"""The one loop of every training: batch, step, average, log, validate, save."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from genrestore.errors import Interrupted
from genrestore.train.data.dataset import mix
from genrestore.train.loop import checkpoint, distributed
from genrestore.train.loop.average import Average
from genrestore.train.loop.batches import batches
from genrestore.train.loop.checkpoint import Progress, State
from genrestore.train.loop.interruption import Interruption
from genrestore.train.loop.meters import Clock, LearningRates, Meter
from genrestore.train.loop.protocol import Batch, Diverged, Observer, Training
from genrestore.train.loop.run import RunFolder
from genrestore.train.loop.settings import LoopSettings


def train(
    training: Training[Batch],
    settings: LoopSettings,
    run: RunFolder,
    observer: Observer,
    *,
    max_minutes: float = math.inf,
) -> Progress:
    """Train until the settings' last step; goes on where the run folder's checkpoint stands.

    Args:
        training: Networks, data and step.
        settings: Steps, learning rate, and when to log, validate and save.
        run: Where everything is written.
        observer: Is told of every step and row.
        max_minutes: Stop after this time, with a checkpoint.

    Returns:
        How far it came.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the checkpoint was written.
        Diverged: A number is not finite, or the training has collapsed; the checkpoint is the last good one.
    """
    state = _start(training, settings, run)
    progress = state.progress
    rates, meter = LearningRates(training.optimisers, settings), Meter(settings.batch_size)
    clock = Clock(progress.seconds, max_minutes, settings.save_minutes)
    with Interruption() as interruption, _saying_what_is_left(run, settings):
        for batch in batches(training, settings, progress.step, observer.note):
            torch.manual_seed(mix(settings.seed, progress.step, distributed.rank()))
            rates.set(progress.step)
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
            row = {"step": progress.step, "seconds": round(progress.seconds, 3), "learning_rate": rates.value}
            row |= meter.read()
            _check_finite(row)
            if "validate" in due:
                row |= training.validate(state.average.networks)
                _check_finite(row)
                _keep_best(row.get("score", 0.0), training, state, run)
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
    return progress


def _start(training: Training[Batch], settings: LoopSettings, run: RunFolder) -> State:
    """Everything as the checkpoint has it, or a first checkpoint of everything as it is."""
    for network in training.networks.values():
        distributed.broadcast([*network.parameters(), *network.buffers()])
        network.train(any(parameter.requires_grad for parameter in network.parameters()))
    kept = {name: training.networks[name] for name in training.header().networks}
    average = Average(kept, settings.ema_decay)
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


def _due(step: int, settings: LoopSettings) -> set[str]:
    """What is to be done after this many steps; a validation is logged and saved too, and the end has all."""
    last = step == settings.steps
    due = {"log"} if last or step % settings.log_every == 0 else set()
    if last or step % settings.sample_every == 0:
        due |= {"sample"}
    if settings.save_every and step % settings.save_every == 0:
        due |= {"save"}
    if last or step % settings.validate_every == 0:
        due |= {"validate", "log", "save"}
    return due


def _keep_best(score: float, training: Training[Batch], state: State, run: RunFolder) -> None:
    if state.progress.score is None or score > state.progress.score:
        state.progress.score, state.progress.score_step = score, state.progress.step
        run.save_best(training, state)


def _check_finite(row: Mapping[str, float]) -> None:
    for name, value in row.items():
        if not math.isfinite(value):
            raise Diverged(f"{name} is {value} at step {row['step']:.0f}")


@contextmanager
def _saying_what_is_left(run: RunFolder, settings: LoopSettings) -> Iterator[None]:
    """Whatever says that the training has diverged, the message goes on with what to do about it."""
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
