"""The batches of one process, in order, prepared in the loop or ahead of it."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator

from torch.utils.data import DataLoader, Dataset

from genrestore.training import distributed
from genrestore.training.interruption import SIGNALS
from genrestore.training.protocol import Batch, Training
from genrestore.training.settings import LoopSettings


class _Steps(Dataset[Batch]):
    """A map from step to batch, as torch's loader processes want it."""

    def __init__(self, training: Training[Batch], indices: range) -> None:
        self._training = training
        self._indices = indices

    def __getitem__(self, step: int) -> Batch:
        return self._training.batch(step, self._indices)


def batches(training: Training[Batch], settings: LoopSettings, first: int) -> Iterator[Batch]:
    """This process's share of the batches from step `first` to the last.

    Args:
        training: Makes them.
        settings: Batch size, steps, and how many processes prepare batches ahead.
        first: Steps done.

    Raises:
        UsageError: The batch cannot be divided among the processes.
    """
    steps = range(first, settings.steps)
    data = _Steps(training, distributed.share(settings.batch_size))
    if settings.workers == 0:
        return map(data.__getitem__, steps)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # more_than_cores says it
        loader = DataLoader(
            data,
            batch_size=None,
            sampler=steps,
            num_workers=settings.workers,
            prefetch_factor=4,
            collate_fn=_as_it_is,
            multiprocessing_context="fork",
            worker_init_fn=_leave_signals_to_the_loop,
        )
        return iter(loader)


def more_than_cores(workers: int) -> str | None:
    """A line for the user where more processes prepare batches than there are cores for them."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    if workers <= cores:
        return None
    return f"--workers {workers}: more than this machine has cores ({cores}), which may slow it down"


def _as_it_is(batch: Batch) -> Batch:
    return batch


def _leave_signals_to_the_loop(worker: int) -> None:  # noqa: ARG001
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
