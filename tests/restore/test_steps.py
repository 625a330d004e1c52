"""Shares of a whole."""

from __future__ import annotations

import pytest

from genrestore.restore.problem import Tally, shares


def test_parts_tell_the_share_of_the_whole() -> None:
    told: list[float] = []
    first, second, third = shares(told.append, [1.0, 3.0, 0.0])
    for part, share in ((first, 0.5), (first, 1.0), (second, 1 / 3), (second, 2.0), (third, 0.5)):
        part(share)
    assert told == pytest.approx([0.125, 0.25, 0.5, 1.0, 1.0])


def test_more_work_than_was_expected_is_the_end() -> None:
    told: list[float] = []
    tally = Tally(told.append, 4)
    for work in (1, 2, 3):
        tally.add(work)
    assert told == [0.25, 0.75, 1.0]
