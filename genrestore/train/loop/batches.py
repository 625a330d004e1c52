"""Batches of one process, in order, prepared in the loop or ahead of it; and the signals that stop it."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from genrestore.train import distributed
from genrestore.train.kinds.base import Training
from genrestore.train.settings import LoopSettings

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

Batch = TypeVar("Batch")


class _Steps(Dataset[Any]):
    """A map from step to batch, as torch's loader processes want it.

    A batch comes as NumPy arrays, which go through a pipe. Tensors would go through shared memory, of which
    containers often have too little, and then nobody hears of what got lost.
    """

    def __init__(self, training: Training[Any, Any], indices: range) -> None:
        self._training = training
        self._indices = indices

    def __getitem__(self, step: int) -> Any:
        return _each(_packed, self.batch(step))

    def batch(self, step: int) -> Any:
        """The batch of a step, made here."""
        return self._training.batch(step, self._indices)


def batches(
    training: Training[Any, Batch], settings: LoopSettings, first: int, note: Callable[[str], None]
) -> Iterator[Batch]:
    """This process's share of the batches from step `first` to the last.

    Args:
        training: Makes them.
        settings: Batch size, steps, and how many processes prepare batches ahead.
        first: Steps done.
        note: Takes a remark if one of those processes dies; the batches are made here from then on.

    Raises:
        UsageError: The batch cannot be divided among the processes.
    """
    data = _Steps(training, distributed.share(settings.batch_size))
    step = first
    if settings.workers > 0:
        prefetched = _prefetched(data, range(first, settings.steps), settings.workers)
        while step < settings.steps:
            try:
                arrays = next(prefetched)
            except RuntimeError as error:
                if "DataLoader worker" not in str(error):
                    raise
                note(f"--workers {settings.workers}: one of them died; batches are prepared without them now")
                break
            yield _each(_unpacked, arrays)
            step += 1
        del prefetched  # and with it the processes
    yield from map(data.batch, range(step, settings.steps))


def _prefetched(data: _Steps, steps: range, workers: int) -> Iterator[Any]:
    """Batches that other processes prepare, in order."""
    before = signal.getsignal(signal.SIGCHLD)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # more_than_cores says it
        loader = DataLoader(
            data,
            batch_size=None,
            sampler=steps,
            num_workers=workers,
            prefetch_factor=4,
            collate_fn=_as_it_is,
            multiprocessing_context="fork",
            worker_init_fn=_leave_signals_to_the_loop,
        )
        iterator: Iterator[Any] = iter(loader)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, before)  # torch's raises in the middle of a step
    return iterator


def _each(function: Callable[[Any], Any], batch: Any) -> Any:
    """A batch, which is a named tuple, a tensor or anything else, with a function of every part."""
    if isinstance(batch, tuple):
        parts = [function(part) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)
    return function(batch)


def _packed(part: Any) -> Any:
    """A tensor as an array, with the order of its axes in memory: how sums are rounded follows from it."""
    if not isinstance(part, Tensor):
        return part
    strides = part.stride()
    order = sorted(range(part.ndim), key=lambda axis: -strides[axis])
    return _Packed(part.permute(order).numpy(), order)


def _unpacked(part: Any) -> Any:
    if not isinstance(part, _Packed):
        return part
    places = [part.order.index(axis) for axis in range(len(part.order))]
    return torch.from_numpy(part.array).permute(places)


@dataclass(frozen=True)
class _Packed:
    array: Any
    order: list[int]


def more_than_cores(workers: int) -> str | None:
    """A line for the user where more processes prepare batches than there are cores for them."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    if workers <= cores:
        return None
    return f"--workers {workers}: more than this machine has cores ({cores}), which may slow it down"


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_signals_to_the_loop(worker: int) -> None:  # noqa: ARG001
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class Interruption:
    """While entered, a signal only sets `requested`; a second Ctrl-C ends the process at once.

    Under torchrun the second one is ignored too: a terminal sends Ctrl-C to every process, and torchrun
    then sends its own signal after it.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.requested and not distributed.launched():
            raise KeyboardInterrupt
        self.requested = True
