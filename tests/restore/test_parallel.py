"""Work spread over threads: in order, side by side, and nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from genrestore.restore.tiling import MOST, in_parallel


@pytest.fixture(autouse=True)
def threads_of_torch() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tile")]


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_results_come_in_the_order_of_the_items(threads: int) -> None:
    assert list(in_parallel(lambda item: 2 * item, range(9), threads)) == list(range(0, 18, 2))
    assert list(in_parallel(lambda item: item, [], threads)) == []


def test_two_items_are_worked_on_at_once() -> None:
    both = threading.Barrier(2, timeout=60)
    assert len(list(in_parallel(lambda item: both.wait(), range(4), 2))) == 4


@pytest.mark.parametrize(("threads", "items", "each"), [(2, 5, 1), (8, 2, 4), (3 * MOST, 20, 3)])
def test_threads_are_shared_out(threads: int, items: int, each: int) -> None:
    assert set(in_parallel(lambda item: torch.get_num_threads(), range(items), threads)) == {each}


def test_one_thread_stays_in_this_one() -> None:
    here = threading.current_thread().name
    assert set(in_parallel(lambda item: threading.current_thread().name, range(3), 1)) == {here}


def test_a_failure_ends_the_work() -> None:
    begun = []

    def work(item: int) -> None:
        begun.append(item)
        raise MemoryError(f"item {item}")

    with pytest.raises(MemoryError, match="item 0"):
        list(in_parallel(work, range(1000), 2))
    assert len(begun) < 1000


def test_who_stops_asking_stops_the_work() -> None:
    gate, begun = threading.Event(), []

    def work(item: int) -> int:
        begun.append(item)
        if item:
            gate.wait(60)
        return item

    results = in_parallel(work, range(1000), 2)
    assert next(results) == 0
    threading.Timer(0.2, gate.set).start()
    results.close()  # type: ignore[attr-defined]
    assert len(begun) < 1000
