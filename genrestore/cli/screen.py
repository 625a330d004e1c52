"""stderr: plain lines anywhere, one bar over all inputs where it is a terminal."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from genrestore.files.plan.jobs import Job


class Screen:
    """A place for lines and progress: plain ones, without escape codes and carriage returns."""

    def start(self) -> None:
        """Nothing to begin."""

    def stop(self) -> None:
        """Nothing to end."""

    def progress(self, job: Job, fraction: float, others: Sequence[Job] = ()) -> None:
        """Lines only."""

    def finished(self, job: Job) -> None:
        """Lines only."""

    def line(self, text: str, *, failed: bool = False) -> None:  # noqa: ARG002 -- no colours here
        """Say one line."""
        write(text)


def write(text: str) -> None:
    """One plain line on stderr; a stderr that is gone or full is no reason to stop."""
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201
    except (OSError, ValueError):
        return


def choose(jobs: Sequence[Job], *, bar: bool) -> Screen:
    """A bar where stderr is a terminal and `bar` is wanted, else plain lines."""
    if not (bar and is_terminal()):
        return Screen()
    from genrestore.cli.live import LiveScreen

    return LiveScreen(jobs)


def bar(name: str, *, wanted: bool) -> AbstractContextManager[Callable[[float], None] | None]:
    """A bar for work that has no inputs, where stderr is a terminal; gives what moves it, or None."""
    if not (wanted and is_terminal()):
        return nullcontext()
    from genrestore.cli import live

    return live.bar(name)


def is_terminal() -> bool:
    """True if stderr is a terminal that can move its cursor."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def columns() -> int | None:
    """Columns of stderr's terminal; None where it is none, and lines are as long as they are."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns if is_terminal() else None
    except (OSError, ValueError):
        return None


def fitted(path: str, room: int) -> str:
    """A path of at most `room` columns, as far as its file name allows: shortened from the left."""
    if len(path) <= room or os.sep not in path:
        return path
    name = path.rpartition(os.sep)[2]
    return "…" + path[len(path) - max(room - 1, len(name) + 1) :] if len(path) > len(name) + 2 else path
