"""The pictures of a batch that a prior of one class restores, several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrestore.cli import tracing
from genrestore.errors import GenrestoreError

if TYPE_CHECKING:
    from genrestore.files.plan.jobs import Job
    from genrestore.files.work.batch import BatchOptions, Restore
    from genrestore.restore.ahead import Asked
    from genrestore.restore.progress import OnProgress
    from genrestore.restore.tasks import DenoiseOneClass, InpaintOneClass, Invert

    Task = DenoiseOneClass | InpaintOneClass | Invert


def maker(
    make: Callable[[], Task], jobs: Sequence[Job], settings: BatchOptions, trace: Path | None
) -> Callable[[], Restore]:
    """What makes the restoring of a batch.

    Args:
        make: Gives the task; loads torch.
        jobs: Of the batch.
        settings: How it is run; where it has masks, the task fills, and they are asked for once more.
        trace: A folder for how the search went, or None.
    """

    def made() -> Restore:
        from genrestore.restore.ahead import Together
        from genrestore.restore.priors.padding import BATCH

        task = make()
        restore = partial(_restored, task, None if trace is None else tracing.Traces(trace))
        return Together(restore, partial(_check, task), _upcoming(jobs, settings), BATCH)

    return made


def _restored(
    task: Task,
    traces: tracing.Traces | None,
    pictures: Sequence[Asked[Job]],
    on_progress: OnProgress,
) -> list[Any]:
    """The results of pictures, in their order; with their traces written, if they are wanted."""
    from genrestore.restore.tasks import InpaintOneClass

    on_trace = None if traces is None else traces.begin(pictures)
    pixels = [one.pixels for one in pictures]
    found: list[Any]
    if isinstance(task, InpaintOneClass):
        found = task.together(pixels, [one.known for one in pictures], on_trace, on_progress)
    else:
        found = [*task.together(pixels, on_trace, on_progress)]
    if traces is not None:
        traces.write()
    return found


def _check(task: Task, asked: Asked[Job]) -> None:
    """Whether a picture can be restored.

    Raises:
        InputError: It cannot.
    """
    from genrestore.restore.tasks import InpaintOneClass

    if isinstance(task, InpaintOneClass):
        task.check(asked.pixels, asked.known)
    else:
        task.check(asked.pixels)


def _upcoming(jobs: Sequence[Job], settings: BatchOptions) -> Iterator[Asked[Job]]:
    """Every input that is still to be done and can be read, with what is known of it."""
    from genrestore.files.codecs import images
    from genrestore.files.work import batch
    from genrestore.restore.ahead import Asked

    for job in jobs:
        if job.source is None or job.skipped or job.problem or batch.examine(job, settings).done is not None:
            continue
        with suppress(GenrestoreError, OSError, MemoryError):
            image = images.read(job.source, max_pixels=settings.max_pixels)
            mask = None if settings.masks is None else settings.masks(job, image)
            yield Asked(job, image.pixels, None if mask is None else mask.known)
