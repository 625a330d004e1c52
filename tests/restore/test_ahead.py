"""Pictures that are restored together with those that will come."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest

from genrestore.errors import InputError
from genrestore.restore import ahead
from genrestore.restore.ahead import Asked, Together
from genrestore.restore.progress import OnProgress
from genrestore.restore.tasks import Restored
from genrestore.restore.tiling import Pixels


def picture(level: int, side: int = 2) -> Pixels:
    return np.full((1, 1, side, side), level, np.uint8)


def several(*levels: int) -> list[Asked[str]]:
    return [Asked(str(level), picture(level)) for level in levels]


def check(asked: Asked[str]) -> None:
    if asked.pixels.shape[-1] != 2:
        raise InputError("not of side 2")


class Restorer:
    """Gives the level of a picture in its first pixel, and remembers what was restored together."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.calls: list[list[str | None]] = []
        self._seconds = seconds

    def __call__(self, pictures: Sequence[Asked[str]], on_progress: OnProgress) -> list[Restored]:
        self.calls.append([one.label for one in pictures])
        on_progress(0.5)
        time.sleep(self._seconds)
        known = [0 if one.known is None else int(one.known.sum()) for one in pictures]
        return [Restored(one.pixels + np.uint8(10 * k), None) for one, k in zip(pictures, known, strict=True)]


def levels(together: Together[str, Restored], pictures: Sequence[Pixels]) -> list[int]:
    return [int(together(pixels).pixels.max()) for pixels in pictures]


def test_as_many_as_fit_are_restored_at_once_and_given_in_their_turn() -> None:
    coming, restorer = several(0, 1, 2, 3, 4), Restorer()
    together = Together(restorer, check, iter(coming), most=2)
    assert levels(together, [one.pixels for one in coming]) == [0, 1, 2, 3, 4]
    assert restorer.calls == [["0", "1"], ["2", "3"], ["4"]]


def test_progress_is_told_of_all_that_are_restored_at_once() -> None:
    coming = several(0, 1, 2)
    together = Together(Restorer(), check, iter(coming), most=2)
    told: list[tuple[int, float, list[str]]] = []
    for place, one in enumerate(coming):

        def tell(share: float, labels: Sequence[str] = (), place: int = place) -> None:
            told.append((place, share, list(labels)))

        together(one.pixels, tell)
    assert told == [
        (0, 0.5, ["0", "1"]),
        (0, 1.0, []),
        (1, 1.0, []),
        (2, 0.5, ["2"]),
        (2, 1.0, []),
    ]


def test_the_seconds_are_shared_evenly() -> None:
    coming = several(0, 1, 2)
    together = Together(Restorer(seconds=0.3), check, iter(coming), most=3)
    found = [together(one.pixels).seconds or 0.0 for one in coming]
    assert found[0] == found[1] == found[2]
    assert sum(found) == pytest.approx(0.3, abs=0.15)


def test_what_is_known_of_a_picture_tells_it_from_another() -> None:
    holed = [np.array([True, True, False, there]).reshape(1, 1, 2, 2) for there in (True, False)]
    coming = [Asked(str(number), picture(1), known) for number, known in enumerate(holed)]
    restorer = Restorer()
    together = Together(restorer, check, iter(coming), most=2)
    assert [int(together(picture(1), known=known).pixels.max()) for known in holed] == [31, 21]
    assert restorer.calls == [["0", "1"]]


def test_a_picture_that_does_not_fit_fails_alone() -> None:
    coming = [Asked("0", picture(0)), Asked("odd", picture(1, side=3)), Asked("2", picture(2))]
    restorer = Restorer()
    together = Together(restorer, check, iter(coming), most=3)
    assert levels(together, [coming[0].pixels]) == [0]
    with pytest.raises(InputError, match="not of side 2"):
        together(coming[1].pixels)
    assert levels(together, [coming[2].pixels]) == [2]
    assert restorer.calls == [["0", "2"]]


def test_a_picture_that_was_not_foreseen_is_restored_all_the_same() -> None:
    restorer = Restorer()
    together = Together(restorer, check, iter([]), most=3)
    assert levels(together, [picture(7), picture(7)]) == [7, 7]
    assert restorer.calls == [[None], [None]]


def test_large_pictures_are_not_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "MOST_BYTES", 8)  # two pictures
    coming, restorer = several(0, 1, 2, 3), Restorer()
    together = Together(restorer, check, iter(coming), most=9)
    assert levels(together, [one.pixels for one in coming]) == [0, 1, 2, 3]
    assert restorer.calls == [["0", "1"], ["2", "3"]]


def test_equal_pictures_have_equal_results_and_their_own_names() -> None:
    coming = [Asked("a", picture(3)), Asked("b", picture(3)), Asked("c", picture(4))]
    restorer = Restorer()
    together = Together(restorer, check, iter(coming), most=2)
    assert levels(together, [one.pixels for one in coming]) == [3, 3, 4]
    assert restorer.calls == [["a", "b"], ["c"]]


def test_a_foreseen_picture_that_is_never_asked_for_does_no_harm() -> None:
    coming = several(0, 1, 2, 3)
    together = Together(Restorer(), check, iter(coming), most=2)
    assert levels(together, [coming[number].pixels for number in (0, 2, 3)]) == [0, 2, 3]
