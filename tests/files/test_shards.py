"""Shares: every item in exactly one, and only shares that exist."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrestore.errors import UsageError
from genrestore.files.plan.jobs import Shard


@given(st.lists(st.integers()), st.integers(1, 12))
def test_shares_are_a_partition_of_even_sizes(items: list[int], count: int) -> None:
    shares = [Shard(index, count).of(items) for index in range(1, count + 1)]
    assert sorted(item for share in shares for item in share) == sorted(items)
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_every_nth_item() -> None:
    assert Shard.parse("2/3").of("abcdefg") == ["b", "e"]
    assert str(Shard.parse("2/3")) == "2/3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0/4", "K is counted from 1 to N, as in --shard 1/4"),
        ("5/4", "K is counted from 1 to N, as in --shard 1/4"),
        ("1/0", "K is counted from 1 to N, as in --shard 1/1"),
        *[
            (text, "write K/N")
            for text in ("", "3", "/4", "1/", "a/b", "-1/4", "1/4/2", "1.5/4", "1/" + "9" * 40)
        ],
    ],
)
def test_what_is_no_share(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^--shard {text}: {message}"):
        Shard.parse(text)
