"""Shares of a plan, so that several processes or machines do one folder without a word between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from genrestore.errors import UsageError

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """Share `index` of `count`, counted from 1.

    Raises:
        UsageError: There is no such share.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise UsageError(
                f"--shard {self}: K is counted from 1 to N, as in --shard 1/{max(self.count, 1)}"
            )

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """A shard from "K/N".

        Raises:
            UsageError: Anything else.
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and len(text) <= 20):
            raise UsageError(
                f"--shard {text}: write K/N, for example --shard 1/4 for the first of four shares"
            )
        return cls(int(index), int(count))

    def of(self, items: Sequence[Item]) -> list[Item]:
        """Every `count`-th item, from item `index` on: over all shards, each item is in exactly one."""
        return list(items[self.index - 1 :: self.count])
