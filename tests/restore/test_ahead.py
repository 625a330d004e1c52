"""Pictures that are restored together with those that will come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from genrestore.errors import InputError
from genrestore.restore import ahead
from genrestore.restore.ahead import Named, Together
from genrestore.restore.tiling import Pixels


def picture(level: int, side: int = 2) -> Pixels:
    return np.full((1, 1, side, side), level, np.uint8)


def check(pixels: Pixels) -> None:
    if pixels.shape[-1] != 2:
        raise InputError("not of side 2")


class Restorer:
    """Gives the level of a picture, and remembers what was restored together."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, pictures: Sequence[Named]) -> list[int]:
        self.calls.append([name for name, _ in pictures])
        return [int(pixels.max()) for _, pixels in pictures]


def test_as_many_as_fit_are_restored_at_once_and_given_in_their_turn() -> None:
    coming = [(str(level), picture(level)) for level in range(5)]
    restorer = Restorer()
    together = Together(restorer, check, iter(coming), most=2)
    told: list[float] = []
    assert [together(pixels, told.append) for _, pixels in coming] == [0, 1, 2, 3, 4]
    assert restorer.calls == [["0", "1"], ["2", "3"], ["4"]]
    assert told == [1.0] * 5


def test_a_picture_that_does_not_fit_fails_alone() -> None:
    coming = [("0", picture(0)), ("odd", picture(1, side=3)), ("2", picture(2))]
    restorer = Restorer()
    together = Together(restorer, check, iter(coming), most=3)
    assert together(coming[0][1]) == 0
    with pytest.raises(InputError, match="not of side 2"):
        together(coming[1][1])
    assert together(coming[2][1]) == 2
    assert restorer.calls == [["0", "2"]]


def test_a_picture_that_was_not_foreseen_is_restored_all_the_same() -> None:
    restorer = Restorer()
    together = Together(restorer, check, iter([]), most=3)
    assert (together(picture(7)), together(picture(7))) == (7, 7)
    assert restorer.calls == [[""], [""]]


def test_large_pictures_are_not_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "MOST_BYTES", 8)  # two pictures
    coming = [(str(level), picture(level)) for level in range(4)]
    restorer = Restorer()
    together = Together(restorer, check, iter(coming), most=9)
    assert [together(pixels) for _, pixels in coming] == [0, 1, 2, 3]
    assert restorer.calls == [["0", "1"], ["2", "3"]]


def test_equal_pictures_have_equal_results() -> None:
    coming = [("a", picture(3)), ("b", picture(3)), ("c", picture(4))]
    together = Together(Restorer(), check, iter(coming), most=2)
    assert [together(pixels) for _, pixels in coming] == [3, 3, 4]


def test_a_foreseen_picture_that_is_never_asked_for_does_no_harm() -> None:
    coming = [(str(level), picture(level)) for level in range(4)]
    together = Together(Restorer(), check, iter(coming), most=2)
    assert [together(coming[number][1]) for number in (0, 2, 3)] == [0, 2, 3]
