"""Pictures that are asked for one by one, restored together with those that will be asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from genrestore.errors import InputError
from genrestore.restore.tiling import Pixels

MOST_BYTES = 64_000_000
"""Of pixels that are held at once: what is larger is restored alone."""
Result = TypeVar("Result")
Named = tuple[str, Pixels]
"""A name, and pixels [1, channel, height, width]."""


class Together(Generic[Result]):
    """Restores a picture when it is asked for, and with it the next ones, whose results wait for their turn.

    Args:
        restore: Takes named pictures, and gives their results in that order.
        check: Raises InputError for a picture that cannot be restored.
        upcoming: The pictures that will be asked for, in that order; some may be missing.
        most: Pictures at once.
    """

    def __init__(
        self,
        restore: Callable[[Sequence[Named]], list[Result]],
        check: Callable[[Pixels], None],
        upcoming: Iterator[Named],
        most: int,
    ) -> None:
        self._restore, self._check, self._upcoming, self._most = restore, check, upcoming, most
        self._waiting: dict[str, Result] = {}

    def __call__(self, pixels: Pixels, on_progress: Callable[[float], None] | None = None) -> Result:
        """The result for a picture.

        Args:
            pixels: [1, channel, height, width].
            on_progress: Is told 1 when it is done.

        Raises:
            InputError: The picture cannot be restored.
        """
        self._check(pixels)
        key = _key(pixels)
        if key not in self._waiting:
            group = self._with_the_next(key, pixels)
            self._waiting.update(zip(group, self._restore(list(group.values())), strict=True))
        result = self._waiting.pop(key)
        if on_progress is not None:
            on_progress(1.0)
        return result

    def _with_the_next(self, key: str, pixels: Pixels) -> dict[str, Named]:
        group: dict[str, Named] = {key: ("", pixels)}
        while len(group) < self._most and sum(one.nbytes for _, one in group.values()) < MOST_BYTES:
            name, coming = next(self._upcoming, ("", None))
            if coming is None:
                break
            with suppress(InputError):
                self._check(coming)
                group[_key(coming)] = (name, coming)
        return group


def _key(pixels: Pixels) -> str:
    return hashlib.blake2b(repr((pixels.shape, pixels.dtype)).encode() + pixels.tobytes()).hexdigest()
