"""stderr: plain lines anywhere, one bar over all inputs where it is a terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genrestore.files.outputs import Job

NARROW = 70
"""Below this many columns the bar gives way to the file's name."""


class Screen(Protocol):
    """Where lines and progress go."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End; nothing of a bar stays."""

    def progress(self, job: Job, fraction: float) -> None:
        """`fraction` of this input, 0 to 1, is through."""

    def finished(self, job: Job) -> None:
        """This input is through, well or not."""

    def line(self, text: str, *, failed: bool = False) -> None:
        """Say one line."""


def write(text: str) -> None:
    """One plain line on stderr; a stderr that is gone or full is no reason to stop."""
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201
    except (OSError, ValueError):
        return


def choose(jobs: Sequence[Job], *, bar: bool) -> Screen:
    """A bar where stderr is a terminal and `bar` is wanted, else plain lines."""
    terminal = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return LiveScreen(jobs) if bar and terminal else PlainScreen()


class PlainScreen:
    """No escape codes, no carriage returns, a line each."""

    def start(self) -> None:
        """Nothing to begin."""

    def stop(self) -> None:
        """Nothing to end."""

    def progress(self, job: Job, fraction: float) -> None:
        """Lines only."""

    def finished(self, job: Job) -> None:
        """Lines only."""

    def line(self, text: str, *, failed: bool = False) -> None:  # noqa: ARG002 -- no colours here
        """Say one line."""
        write(text)


class LiveScreen:
    """Lines above one total bar with the time left; inputs count by their bytes."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            ProgressColumn,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.table import Column

        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        name = TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
        )
        columns: list[ProgressColumn] = [name, TaskProgressColumn(), TimeRemainingColumn(compact=True)]
        if self._console.width >= NARROW:
            columns.insert(1, BarColumn(bar_width=30))
        self._bar = Progress(
            *columns, console=self._console, transient=True, expand=True, redirect_stdout=False
        )
        self._sizes = {id(job): _size(job) for job in jobs}
        self._count = len(jobs)
        self._finished = 0
        self._through = 0.0
        self._task = self._bar.add_task("starting", total=max(sum(self._sizes.values()), 1.0))

    def start(self) -> None:
        """Show the bar."""
        self._bar.start()

    def stop(self) -> None:
        """Take the bar away."""
        self._bar.stop()

    def progress(self, job: Job, fraction: float) -> None:
        """Move the bar; the input at work is named beside it."""
        name = "stdin" if job.source is None else job.source.name
        number = f"{min(self._finished + 1, self._count)}/{self._count}  " if self._count > 1 else ""
        through = self._through + fraction * self._sizes.get(id(job), 0.0)
        self._bar.update(self._task, description=f"{number}{name}", completed=through)

    def finished(self, job: Job) -> None:
        """Count the whole input."""
        self._finished += 1
        self._through += self._sizes.get(id(job), 0.0)
        self._bar.update(self._task, completed=self._through)

    def line(self, text: str, *, failed: bool = False) -> None:
        """Say one line above the bar."""
        self._console.print(text, style="red" if failed else None, soft_wrap=True)


def _size(job: Job) -> float:
    """The input's bytes, as a guess of its share of the work; skipped ones are none."""
    if job.skipped is not None:
        return 0.0
    try:
        return float(job.source.stat().st_size) if job.source is not None else 1.0
    except OSError:
        return 0.0
