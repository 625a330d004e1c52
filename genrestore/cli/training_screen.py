"""A training on stderr: a bar with the time left where it is a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from genrestore.cli import report

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from genrestore.train.loop.checkpoint import Progress
    from genrestore.train.loop.session import Result

NOT_SHOWN = frozenset({"step", "seconds", "learning_rate", "images_per_second"})


def choose(*, quiet: bool) -> TrainingScreen:
    """A bar on a terminal, else plain lines; nothing when quiet."""
    if quiet:
        return SilentScreen()
    return LiveScreen() if report.is_terminal() else TrainingScreen()


class TrainingScreen:
    """An observer of the loop that writes one plain line a row of the log."""

    def __init__(self) -> None:
        self._steps = self._last = 0
        self._first: tuple[int, float] | None = None

    def __enter__(self) -> TrainingScreen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def note(self, text: str) -> None:
        """Say one line."""
        report.write(text)

    def stepped(self, step: int, steps: int) -> None:
        """A step was done; time runs from the first, and anew where another training begins."""
        if self._first is None or step <= self._last:
            self._first = (step, time.monotonic())
        self._steps, self._last = steps, step

    def logged(self, row: Mapping[str, float]) -> None:
        """Say the numbers of a row, the speed and the time left."""
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in row.items() if name not in NOT_SHOWN)
        speed = f"{row['images_per_second']:.4g} images/s"
        self.note(f"step {row['step']:.0f}/{self._steps}  {numbers}  {speed}{self._left(row['step'])}")

    def finished(self, result: Result) -> None:
        """Say where the weights are, and what every training of the run did."""
        *before, last = result.trainings
        if result.finished:
            done = [
                f"{f'; {name}: ' if before else ', '}{one.step} steps in {duration(one.seconds)}{_best(one)}"
                for name, one in result.trainings.items()
            ]
            self.note(f"{result.weights}: done{''.join(done)}")
        else:
            whose = f" of the {last}" if before else ""
            where = f"step {result.progress.step} of {self._steps}{whose}{_best(result.progress)}"
            self.note(f"stopped at {where}; go on with --resume")

    def _left(self, step: float) -> str:
        if self._first is None or step <= self._first[0]:
            return ""
        first, since = self._first
        return f"  {duration((time.monotonic() - since) / (step - first) * (self._steps - step))} left"


class SilentScreen(TrainingScreen):
    """Says nothing."""

    def note(self, text: str) -> None:
        """Keep silent."""


class LiveScreen(TrainingScreen):
    """Lines above a bar of the steps."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            redirect_stdout=False,
            speed_estimate_period=600,
        )
        self._task = self._bar.add_task("training", total=None)

    def __enter__(self) -> LiveScreen:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def note(self, text: str) -> None:
        """Say one line above the bar."""
        self._console.print(text, soft_wrap=True)

    def stepped(self, step: int, steps: int) -> None:
        """Move the bar."""
        super().stepped(step, steps)
        self._bar.update(self._task, completed=step, total=steps)


def _best(progress: Progress) -> str:
    """The best score of a training, if it was validated."""
    if progress.score is None:
        return ""
    return f", best score {progress.score:.4f} at step {progress.score_step}"


def duration(seconds: float) -> str:
    """Time in words, such as 3 h 07 min, 4 min 05 s or 12 s."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
