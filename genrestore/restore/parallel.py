"""Several tiles at once on a processor: two threads with a tile each are faster than two on one tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

MOST = 4
"""Tiles at once; each takes memory, and with fewer tiles than threads every tile gets several threads."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(function: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """Apply a function to items, several at a time.

    Args:
        function: What it does to one item must not depend on the others. Where it calls torch, Python's lock
            is free, so that several run side by side.
        items: Worked on in their order.
        threads: Threads in all; 1 is a plain loop.

    Yields:
        The results in the order of the items. Who stops asking, or an item that fails, ends the work once
        what was begun is done.
    """
    workers = min(threads, len(items), MOST)
    if workers < 2:
        yield from map(function, items)
        return
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, "tile", torch.set_num_threads, (threads // workers,))
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)  # the workers' number would be that of every thread to come
