"""Pictures that are asked for one by one, restored together with those that will be asked for."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from genrestore.errors import InputError
from genrestore.restore.progress import OnProgress
from genrestore.restore.tasks.restored import Restored
from genrestore.restore.tiling import Pixels

MOST_BYTES = 64_000_000
"""Of pixels that are held at once: what is larger is restored alone."""
Label = TypeVar("Label")
Result = TypeVar("Result", bound=Restored)


@dataclass(frozen=True)
class Asked(Generic[Label]):
    """A picture that is to be restored.

    Attributes:
        label: What it goes by; None for one that was not foreseen.
        pixels: [1, channel, height, width].
        known: Whether a pixel is known, bool [1, 1, height, width]; None: all are.
    """

    label: Label | None
    pixels: Pixels
    known: Pixels | None = None

    @property
    def nbytes(self) -> int:
        """Bytes that it holds."""
        return self.pixels.nbytes + (0 if self.known is None else self.known.nbytes)

    @property
    def key(self) -> str:
        """Equal for what has the same result."""
        found = hashlib.blake2b()
        for plane in (self.pixels, self.known):
            if plane is not None:
                found.update(repr((plane.shape, plane.dtype)).encode() + plane.tobytes())
        return found.hexdigest()


class Together(Generic[Label, Result]):
    """Restores a picture when it is asked for, and with it the next ones, whose results wait for their turn.

    Args:
        restore: Takes pictures and a callback for their finished share, and gives their results in order.
        check: Raises InputError for a picture that cannot be restored.
        upcoming: The pictures that will be asked for, in that order; some may be missing.
        most: Pictures at once.
    """

    def __init__(
        self,
        restore: Callable[[Sequence[Asked[Label]], OnProgress], list[Result]],
        check: Callable[[Asked[Label]], None],
        upcoming: Iterator[Asked[Label]],
        most: int,
    ) -> None:
        self._restore, self._check, self._upcoming, self._most = restore, check, upcoming, most
        self._waiting: defaultdict[str, list[Result]] = defaultdict(list)

    def __call__(
        self, pixels: Pixels, on_progress: Callable[..., None] | None = None, known: Pixels | None = None
    ) -> Result:
        """The result for a picture; its seconds are an even share of what took so many at once.

        Args:
            pixels: [1, channel, height, width].
            on_progress: Is told the finished share, 0 to 1, and the labels of all of which it is the share.
            known: Whether a pixel is known, bool [1, 1, height, width]; None: all are.

        Raises:
            InputError: The picture cannot be restored.
        """
        asked = Asked[Label](None, pixels, known)
        self._check(asked)
        key = asked.key
        if key not in self._waiting:
            self._restore_with_the_next(asked, on_progress)
        if on_progress is not None:
            on_progress(1.0)
        result = self._waiting[key].pop(0)
        if not self._waiting[key]:
            del self._waiting[key]
        return result

    def _restore_with_the_next(self, asked: Asked[Label], on_progress: Callable[..., None] | None) -> None:
        started = time.perf_counter()
        group = self._with_the_next(asked)
        labels = [one.label for one in group if one.label is not None]

        def tell(share: float) -> None:
            if on_progress is not None:
                on_progress(share, labels)

        found = self._restore(group, tell)
        seconds = (time.perf_counter() - started) / len(group)
        for one, result in zip(group, found, strict=True):
            self._waiting[one.key].append(replace(result, seconds=seconds))

    def _with_the_next(self, asked: Asked[Label]) -> list[Asked[Label]]:
        group = [asked]
        while len(group) < self._most and sum(one.nbytes for one in group) < MOST_BYTES:
            coming = next(self._upcoming, None)
            if coming is None:
                break
            with suppress(InputError):
                self._check(coming)
                if group[0].label is None and coming.key == asked.key:
                    group[0] = coming
                else:
                    group.append(coming)
        return group
