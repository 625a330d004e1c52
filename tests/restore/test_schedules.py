"""Schedules against the property that names them."""

from __future__ import annotations

import pytest

from genrestore.restore.schedules import falling


def test_each_level_is_the_same_share_of_the_one_before() -> None:
    levels = falling(0.4, 0.05, 4)
    assert levels == pytest.approx([0.4, 0.2, 0.1, 0.05])
    assert falling(0.2, 0.1, 1) == (0.1,)
    assert falling(0.1, 0.1, 3) == pytest.approx([0.1] * 3)


@pytest.mark.parametrize("words", [(0.1, 0.2, 3), (0.1, 0.0, 3), (0.2, 0.1, 0), (1.5, 0.1, 3)])
def test_other_numbers_are_refused(words: tuple[float, float, int]) -> None:
    with pytest.raises(ValueError, match=f"{words[2]} noise levels from {words[0]} to {words[1]}"):
        falling(*words)
