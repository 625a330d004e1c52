"""How far a work is whose parts follow one another: what each says of itself, as a share of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

OnProgress = Callable[[float], None]
"""Is told the finished share, 0 to 1."""


def shares(on_progress: OnProgress | None, parts: Sequence[float]) -> list[OnProgress]:
    """A callback for each part of a work: told the part's finished share, it tells that of the whole.

    Args:
        on_progress: Is told the finished share of all parts together; None: nobody is.
        parts: How long each takes, in any unit, roughly.
    """
    total = sum(parts) or 1.0
    before = [sum(parts[:place]) for place in range(len(parts))]

    def of(start: float, length: float) -> OnProgress:
        def tell(share: float) -> None:
            if on_progress is not None:
                on_progress((start + length * min(share, 1.0)) / total)

        return tell

    return [of(start, length) for start, length in zip(before, parts, strict=True)]


class Tally:
    """Work that is counted while it is done.

    Args:
        on_progress: Is told the finished share whenever something is added.
        expected: How much it will be, about.
    """

    def __init__(self, on_progress: OnProgress, expected: float) -> None:
        self._on_progress, self._expected = on_progress, expected
        self._done = 0.0

    def add(self, work: float) -> None:
        """Count some more, in the unit of what is expected."""
        self._done += work
        self._on_progress(min(self._done / self._expected, 1.0))
