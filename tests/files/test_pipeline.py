"""The pipeline: what runs beside what, and what is left when it ends early."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from genrestore.files.work.batch import Stages, pipelined

DEADLINE = 60
"""Seconds after which a test that waits for another thread gives up; nothing is timed."""


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


class Log:
    """The four stages, on numbers; says what was done, and holds the reasons to fail or to wait."""

    def __init__(self, light: Callable[[int], bool] = lambda item: True) -> None:
        self.said: list[str] = []
        self.put: list[int] = []
        self.threads: dict[str, threading.Thread] = {}
        self.light = light
        self.before: dict[str, Callable[[], object]] = {}

    def begin(self, stage: str, item: int) -> None:
        self.before.get(f"{stage} {item}", lambda: None)()
        self.said.append(f"{stage} {item}")
        self.threads[f"{stage} {item}"] = threading.current_thread()

    def ahead(self, item: int) -> int | None:
        self.begin("ahead", item)
        return item if self.light(item) else None

    def work(self, item: int, taken: int | None) -> int:
        assert taken in (None, item)
        self.begin("work" if taken is None else "work taken", item)
        return item

    def behind(self, item: int) -> str:
        self.begin("behind", item)
        self.put.append(item)
        return f"result {item}"

    def run(self, count: int) -> Iterator[str]:
        return pipelined(range(count), Stages(self.ahead, self.work, self.behind, self.light))


def waits_for(event: threading.Event) -> Callable[[], None]:
    def wait() -> None:
        assert event.wait(DEADLINE)

    return wait


def raises(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def given(results: Iterator[str], error: type[BaseException]) -> list[str]:
    """What comes before the error."""
    found: list[str] = []
    with pytest.raises(error):
        found.extend(results)  # one by one
    return found


@pytest.mark.parametrize("count", range(6))
def test_results_come_in_order_one_an_item(count: int) -> None:
    assert list(Log().run(count)) == [f"result {item}" for item in range(count)]


def test_the_next_is_taken_and_the_last_is_put_away_while_one_is_worked_on() -> None:
    """Item 1 is worked on only when both others have come to their end; one after another this would hang."""
    taken, put = threading.Event(), threading.Event()
    log = Log()
    log.before["work taken 1"] = lambda: [waits_for(taken)(), waits_for(put)()]
    ahead, behind = log.ahead, log.behind

    def ahead_and_say(item: int) -> int | None:
        found = ahead(item)
        if item == 2:
            taken.set()
        return found

    def behind_and_say(item: int) -> str:
        found = behind(item)
        if item == 0:
            put.set()
        return found

    stages: Any = Stages(ahead_and_say, log.work, behind_and_say, log.light)
    assert len(list(pipelined(range(3), stages))) == 3
    assert set(log.said[:5]) == {"work 0", "ahead 1", "ahead 2", "behind 0", "work taken 1"}
    assert log.said[4] == "work taken 1"


def test_only_one_is_taken_ahead_and_only_one_put_away() -> None:
    log = Log()
    list(log.run(6))
    worked = ["work 0", *(f"work taken {item}" for item in range(1, 6))]
    assert [name for name in log.said if name in worked] == worked
    assert log.put == list(range(6))
    for item in range(2, 6):
        assert log.said.index(f"ahead {item}") > log.said.index(worked[item - 2])
    for item in range(5):
        assert log.said.index(f"behind {item}") < log.said.index(worked[min(item + 2, 5)]) or item == 4


def test_work_is_done_in_the_callers_thread_and_the_rest_in_others() -> None:
    log = Log()
    list(log.run(4))
    here = threading.current_thread()
    workers = {name: thread is here for name, thread in log.threads.items()}
    assert {name for name, is_here in workers.items() if is_here} == {
        "work 0",
        "work taken 1",
        "work taken 2",
        "work taken 3",
        "behind 3",  # nothing comes after it
    }


def test_one_item_needs_no_thread() -> None:
    log = Log()
    assert list(log.run(1)) == ["result 0"]
    assert set(log.threads.values()) == {threading.current_thread()}


def test_what_is_not_light_waits_for_its_turn_and_is_put_away_at_once() -> None:
    log = Log(light=lambda item: item in (0, 3, 4))
    assert len(list(log.run(5))) == 5
    heavy = [name for name in log.said if not name.startswith("ahead") and name[-1] in "12"]
    assert heavy == ["work 1", "behind 1", "work 2", "behind 2"]
    assert log.said.index("behind 0") < log.said.index("work 1")
    assert log.said.index("behind 1") < log.said.index("work 2")
    assert log.said.index("behind 2") < log.said.index("work taken 3")
    assert all(log.threads[f"behind {item}"] is threading.current_thread() for item in (1, 2))


def test_nothing_is_put_away_while_the_caller_has_the_turn() -> None:
    log = Log()
    for place, result in enumerate(log.run(5)):
        assert result == f"result {place}"
        assert log.put == list(range(place + 1))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_who_stops_finds_what_was_given_and_nothing_else(count: int) -> None:
    log = Log()
    results = log.run(6)
    found = [next(results) for _ in range(count)]
    results.close()  # type: ignore[attr-defined]
    assert log.put == list(range(count))
    assert found == [f"result {item}" for item in log.put]


class Odd(Exception):
    pass


@pytest.mark.parametrize("error", [Odd, KeyboardInterrupt])
@pytest.mark.parametrize("stage", ["ahead 2", "work taken 2"])
def test_an_error_comes_after_what_was_put_away(stage: str, error: type[BaseException]) -> None:
    log = Log()
    log.before[stage] = raises(error())
    assert given(log.run(6), error) == ["result 0", "result 1"]
    assert log.put == [0, 1]


def test_an_error_of_putting_away_comes_in_its_place() -> None:
    log = Log()
    log.before["behind 2"] = raises(Odd())
    assert given(log.run(6), Odd) == ["result 0", "result 1"]
    assert log.put == [0, 1]


def test_an_interruption_waits_for_what_is_being_put_away() -> None:
    """The caller is interrupted at work on 1, while 0 is being put away: 0 is finished, and is counted."""
    interrupted = threading.Event()
    log = Log()

    def interrupt() -> None:
        interrupted.set()
        raise KeyboardInterrupt

    log.before["work taken 1"] = interrupt
    log.before["behind 0"] = waits_for(interrupted)
    assert given(log.run(3), KeyboardInterrupt) == ["result 0"]
    assert log.put == [0]


def test_an_interruption_just_after_something_went_to_be_put_away_loses_no_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when Ctrl-C comes while a thread is being started: the caller never got hold of its future."""
    log = Log()
    submit = ThreadPoolExecutor.submit

    def interrupted(pool: ThreadPoolExecutor, function: Any, item: Any) -> Any:
        future = submit(pool, function, item)
        if function != log.ahead:
            raise KeyboardInterrupt
        return future

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    assert given(log.run(3), KeyboardInterrupt) == ["result 0"]
    assert log.put == [0]


def test_what_was_put_away_is_not_kept() -> None:
    """Of ten items no more than three are alive at once."""
    alive: set[int] = set()
    most = 0

    class Heavy:
        def __init__(self, item: int) -> None:
            nonlocal most
            self.item = item
            alive.add(item)
            most = max(most, len(alive))

        def __del__(self) -> None:
            alive.discard(self.item)

    stages: Any = Stages(
        Heavy, lambda item, taken: taken or Heavy(item), lambda worked: worked.item, lambda worked: True
    )
    assert list(pipelined(range(10), stages)) == list(range(10))
    assert most <= 3
    assert alive == set()


def test_the_first_item_is_taken_up_beside_what_is_done_meanwhile() -> None:
    log, begun = Log(), threading.Event()
    log.before["ahead 0"] = begun.set
    log.before["meanwhile 0"] = waits_for(begun)
    stages = Stages(log.ahead, log.work, log.behind, log.light, lambda item: log.begin("meanwhile", item))
    assert list(pipelined(range(2), stages)) == ["result 0", "result 1"]
    assert log.threads["meanwhile 0"] is threading.current_thread()
    assert log.threads["ahead 0"] is not threading.current_thread()
    assert [said for said in log.said if "0" in said][-2:] == ["work taken 0", "behind 0"]
    assert "meanwhile 1" not in log.said


def test_nothing_is_done_meanwhile_where_there_is_no_item() -> None:
    log = Log()
    stages = Stages(log.ahead, log.work, log.behind, log.light, lambda item: log.begin("meanwhile", item))
    assert list(pipelined(range(0), stages)) == []
    assert log.said == []


def test_what_fails_meanwhile_ends_the_run_before_anything_is_worked_on() -> None:
    log = Log()

    def fail(item: int) -> None:
        raise RuntimeError(f"nothing can be done with {item}")

    with pytest.raises(RuntimeError, match="nothing can be done with 0"):
        list(pipelined(range(2), Stages(log.ahead, log.work, log.behind, log.light, fail)))
    assert not [said for said in log.said if said.startswith(("work", "behind"))]
