"""One item worked on, while the next is being read and the one before is being written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Taken = TypeVar("Taken")
Worked = TypeVar("Worked")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Stages(Generic[Item, Taken, Worked, Result]):
    """Stages of every item, one after the other.

    Attributes:
        ahead: Takes an item up before its turn, in another thread; None where it has to wait for it.
        work: In the caller's thread: takes the item up if that is still to do, and works on it.
        behind: Puts away what was worked on.
        is_light: Whether that may stay in memory while the next item is worked on. It is put away by another
            thread then, and else by the caller's, before anything goes on.
        meanwhile: In the caller's thread, while the first item is taken up ahead; None: nothing is to be
            done, and the first item is not taken up ahead.
    """

    ahead: Callable[[Item], Taken | None]
    work: Callable[[Item, Taken | None], Worked]
    behind: Callable[[Worked], Result]
    is_light: Callable[[Worked], bool]
    meanwhile: Callable[[Item], None] | None = None


def run(items: Sequence[Item], stages: Stages[Item, Taken, Worked, Result]) -> Iterator[Result]:
    """Take every item through the stages; at most three are in memory, one of them at work.

    Nothing is put away while the caller has the turn: a caller that stops, because of a result or of an
    interruption, finds put away what it was given and nothing else. An exception of a stage ends the run
    after what was put away until then has been given. No thread outlives the run, and one item needs none
    but for what `meanwhile` is for.

    Args:
        items: In the order in which they are worked on.
        stages: What is done with them.

    Yields:
        One result an item, in their order; that of a light item after the next one was worked on, if that
        was taken up ahead.
    """
    taking: Future[Taken | None] | None = None
    putting: list[Future[None]] = []
    put: list[Result] = []

    def put_away(worked: Worked) -> None:
        put.append(stages.behind(worked))  # here, since an interruption may come before its future is kept

    try:
        with ThreadPoolExecutor(2, thread_name_prefix="genrestore-files") as threads:
            if items and stages.meanwhile is not None:
                taking = threads.submit(stages.ahead, items[0])
                stages.meanwhile(items[0])
            for index, item in enumerate(items, start=1):
                is_last = index == len(items)
                taken = None if taking is None else taking.result()
                if taken is None:
                    yield from _given(putting, put)
                taking = None if is_last else threads.submit(stages.ahead, items[index])
                worked = stages.work(item, taken)
                del taken
                yield from _given(putting, put)
                if is_last or not stages.is_light(worked):
                    yield stages.behind(worked)
                else:
                    putting.append(threads.submit(put_away, worked))
                del worked
    except BaseException:
        yield from _given(putting, put)  # the threads have ended, so it is put away
        raise


def _given(putting: list[Future[None]], put: list[Result]) -> Iterator[Result]:
    """The result of what is being put away, if anything is; from then on nothing is."""
    while putting:
        putting.pop().result()
    while put:
        result = put[0]
        del put[0]
        yield result
