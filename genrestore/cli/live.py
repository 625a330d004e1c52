"""One bar over all inputs, for a terminal. Loaded only where stderr is one, since rich takes its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from genrestore.cli.report import Screen

if TYPE_CHECKING:
    from genrestore.files.plan.jobs import Job

NARROW = 70
"""Below this many columns the bar gives way to the file's name."""
MARGIN = 3
"""Columns left free at the right for the terminal's own ^C, which else begins a line that stays."""


class LiveScreen(Screen):
    """Lines above one total bar with the time left; inputs count by their bytes."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._bar = _bar(self._console)
        self._sizes = {id(job): _size(job) for job in jobs}
        self._places = {id(job): place for place, job in enumerate(jobs, start=1)}
        self._shares: dict[int, float] = {}
        self._through = 0.0
        self._task = self._bar.add_task("starting", total=max(sum(self._sizes.values()), 1.0))

    def start(self) -> None:
        """Show the bar."""
        self._bar.start()

    def stop(self) -> None:
        """Take the bar away."""
        self._bar.stop()

    def progress(self, job: Job, fraction: float, others: Sequence[Job] = ()) -> None:
        """Move the bar; the input at work is named beside it, and those at work with it are counted."""
        number = f"{self._places.get(id(job), 1)}/{len(self._places)}  " if len(self._places) > 1 else ""
        name = job.name if job.source is None else job.name.rpartition("/")[2]
        for one in {id(one): one for one in (job, *others)}.values():
            self._move(one, fraction)
        self._bar.update(self._task, description=f"{number}{name}", completed=self._through)

    def finished(self, job: Job) -> None:
        """Count the whole input; the next one may be at work already."""
        self._move(job, 1.0)
        self._bar.update(self._task, completed=self._through)

    def _move(self, job: Job, fraction: float) -> None:
        share = fraction * self._sizes.get(id(job), 0.0)
        self._through += share - self._shares.get(id(job), 0.0)
        self._shares[id(job)] = share

    def line(self, text: str, *, failed: bool = False) -> None:
        """Say one line above the bar."""
        self._console.print(text, style="red" if failed else None, soft_wrap=True)


@contextmanager
def bar(name: str) -> Iterator[Callable[[float], None]]:
    """One bar for work that has no inputs; gives what moves it to a share, 0 to 1."""
    with _bar(Console(stderr=True, highlight=False, markup=False, emoji=False)) as shown:
        task = shown.add_task(name, total=1.0)
        yield lambda share: shown.update(task, completed=share)


class _Bar(Progress):
    def get_renderable(self) -> RenderableType:
        """The bar, a few columns narrower than the terminal of the moment."""
        return _Narrower(Group(*self.get_renderables()))


class _Narrower:
    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self._inner, options.update_width(max(options.max_width - MARGIN, 1)))


def _bar(console: Console) -> Progress:
    name = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}", markup=False, table_column=name),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
    ]
    if console.width >= NARROW:
        columns.insert(1, BarColumn(bar_width=30))
    return _Bar(*columns, console=console, transient=True, expand=True, redirect_stdout=False)


def _size(job: Job) -> float:
    """The input's bytes, as a guess of its share of the work; skipped ones are none."""
    if job.skipped is not None:
        return 0.0
    try:
        return float(job.source.stat().st_size) if job.source is not None else 1.0
    except OSError:
        return 0.0
