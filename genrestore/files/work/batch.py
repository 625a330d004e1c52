"""Input by input: read, restore, write, one `Outcome` each. Takes the restoring as an argument."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Literal

from genrestore.errors import InputError, shown
from genrestore.files.disk.atomic import check_writable
from genrestore.files.plan import outputs, skipping, sources
from genrestore.files.plan.jobs import Job, beside
from genrestore.files.plan.skipping import Existing
from genrestore.files.work import pipeline, stages
from genrestore.files.work.pipeline import Stages
from genrestore.files.work.stages import BatchOptions, Figures, Picture, Restore, Restored

__all__ = ["BatchOptions", "Outcome", "Restore", "Restored", "examine", "on_first_use", "run"]

LIGHT = 100_000_000
"""Bytes of pixels: larger pictures are neither read ahead nor written behind, so that they do not pile up."""
_WIDEST = 8
"""Bytes of the widest pixel: four channels of 16 bits."""
_OF_ONE_INPUT = (InputError, MemoryError, OSError)
"""What an input may fail of without ending the batch."""


@dataclass(frozen=True)
class Outcome:
    """What became of one job.

    Attributes:
        job: The job.
        status: "done", "skipped" (on purpose) or "failed".
        seconds: Reading, restoring and writing; not the time for which the picture waited in between. Those
            that are restored together have an even share of it each. Since the pictures before and after are
            written and read meanwhile, a batch takes less than their sum.
        noise_level: On the [0, 1] scale, or None.
        notes: What the user is told, one sentence each.
        error: Why it failed or was skipped, one line; None if done.
        target: The file that was written; None for standard output, and if not done.
        in_domain: Whether the prior knows such pictures; None where it knows all, and if not done.
        figures: What else is told in numbers, by name.
    """

    job: Job
    status: Literal["done", "skipped", "failed"]
    seconds: float = 0.0
    noise_level: float | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None
    target: Path | None = None
    in_domain: bool | None = None
    figures: Figures = field(default_factory=dict)


def on_first_use(make: Callable[[], Restore]) -> Restore:
    """A restoring that is made when the first picture comes, so that a batch of skipped ones needs none.

    Args:
        make: Gives what restores pixels, [1, channel, height, width] of uint8 or uint16.
    """
    made = cache(make)
    return lambda pixels, on_progress, *known: made()(pixels, on_progress, *known)


def run(
    jobs: Sequence[Job],
    restore: Restore,
    options: BatchOptions,
    on_progress: Callable[..., None],
    prepare: Callable[[], None] | None = None,
) -> Iterator[Outcome]:
    """Do the jobs in their order; a job that fails does not stop the others.

    While a picture is restored, a light one is read ahead and a light one is written behind (`LIGHT`). Who
    stops asking for outcomes stops the batch: nothing is written any more.

    Args:
        jobs: From `outputs.plan`.
        restore: Takes pixels, [1, channel, height, width] of uint8 or uint16, and a callback for the fraction
            done. Is called in the caller's thread, for one picture at a time.
        options: How.
        on_progress: Called with the job and its fraction done, 0 to 1, in the caller's thread, and where it
            is restored together with others with these jobs, of which it is the fraction too; may be called
            for the next job before the outcome of the last is given.
        prepare: What takes its time before the first picture can be restored, and none once it was called.
            It is called in the caller's thread while that picture is read, unless nothing is to be restored.

    Yields:
        One outcome a job, in their order.
    """
    batch = _Batch(restore, options, on_progress, prepare, jobs)
    meanwhile = None if prepare is None else batch.prepare_for
    yield from pipeline.run(jobs, Stages(batch.read_ahead, batch.restore, batch.write, _is_light, meanwhile))


def examine(job: Job, options: BatchOptions) -> Existing:
    """What `run` will make of an output that exists; with `options.skip_existing` only."""
    if not options.skip_existing:
        return Existing()
    return skipping.examine(
        job,
        options.provenance,
        compare=options.compare,
        max_pixels=options.max_pixels,
        attachment=options.attachment,
    )


def in_the_way(job: Job, existing: Existing, options: BatchOptions) -> str | None:
    """Why a job cannot be done because of what exists, one line, or None."""
    if existing.foreign is None or options.overwrite:
        return None
    place = shown(existing.foreign)
    return f"{job.name}: {place} exists already, and {skipping.NOT_OURS}; --overwrite replaces it"


def _failed(job: Job, options: BatchOptions, error: Exception) -> Outcome:
    """A failure; but if another run has made the very output meanwhile, nothing is left to do."""
    if isinstance(error, MemoryError):
        return Outcome(job, "failed", error=f"{job.name}: not enough memory for this picture")
    if isinstance(error, OSError):
        return Outcome(job, "failed", error=f"{job.name}: {error.strerror or error}")
    if examine(job, options).done is not None:
        return Outcome(job, "skipped", error="done by another run meanwhile, with the same parameters")
    return Outcome(job, "failed", error=str(error))


@dataclass(frozen=True)
class _Batch:
    """What `pipeline.run` does with each job; one that ends early goes through as its outcome."""

    restoring: Restore
    options: BatchOptions
    on_progress: Callable[..., None]
    prepare: Callable[[], None] | None
    jobs: Sequence[Job] = ()

    def prepare_for(self, job: Job) -> None:
        """Prepare for restoring while a job's picture is read ahead."""
        if self.prepare is not None and self._can_be_ahead(job):
            self.prepare()

    def read_ahead(self, job: Job) -> Picture | None:
        """The picture of a job, if it is light, and nothing else is to be looked at first.

        Whatever goes wrong is left for the job's turn, in which it is tried again.
        """
        if not self._can_be_ahead(job):
            return None
        assert job.source is not None
        limit = min(self.options.max_pixels, LIGHT // _WIDEST)
        started = time.perf_counter()
        try:
            picture = stages.read(job, self.options, limit)
        except _OF_ONE_INPUT:
            return None
        return replace(picture, seconds=time.perf_counter() - started)

    def _can_be_ahead(self, job: Job) -> bool:
        """Whether there is a file to read, and no result that is to be looked at first."""
        if not job.is_open or job.source is None or not sources.is_file(job.source):
            return False
        return not (self.options.skip_existing and job.target is not None and os.path.lexists(job.target))

    def restore(self, job: Job, picture: Picture | None) -> Picture | Outcome:
        """The restored picture of a job, which may have been read ahead."""
        if job.skipped or job.problem:
            return Outcome(job, "skipped" if job.skipped else "failed", error=job.skipped or job.problem)
        seconds = 0.0 if picture is None else picture.seconds
        return self._timed(job, seconds, partial(self._restore, job, picture))

    def write(self, restored: Picture | Outcome) -> Outcome:
        """What became of a job, when its picture is written."""
        if isinstance(restored, Outcome):
            return restored
        outcome = self._timed(restored.job, restored.seconds, partial(self._write, restored))
        assert isinstance(outcome, Outcome)
        return outcome

    def _timed(self, job: Job, seconds: float, step: Callable[[], Picture | Outcome]) -> Picture | Outcome:
        """What a step gives, or its failure, with the seconds before it and its own."""
        started = time.perf_counter()
        try:
            result = step()
        except _OF_ONE_INPUT as error:
            result = _failed(job, self.options, error)
        before = result.seconds if isinstance(result, Picture) else seconds
        return replace(result, seconds=before + time.perf_counter() - started)

    def _restore(self, job: Job, picture: Picture | None) -> Picture | Outcome:
        existing = examine(job, self.options)
        if existing.done is not None:
            return Outcome(job, "skipped", error=existing.done)
        if problem := in_the_way(job, existing, self.options):
            raise InputError(problem)
        if job.target is not None:
            check_writable(job.target)
        if picture is None:
            picture = stages.read(job, self.options, self.options.max_pixels)
        if self.prepare is not None:
            self.prepare()
        restored = stages.restore(picture, self.restoring, self.options, partial(self.on_progress, job))
        return replace(restored, stale=existing.stale)

    def _write(self, picture: Picture) -> Outcome:
        job, stale = picture.job, picture.stale
        overwrite = self.options.overwrite or job.target == job.source or stale is not None
        if overwrite and job.target is not None and job.target != job.source:
            self._check_no_input(job.target)
        notes = (*picture.image.metadata.notes, *picture.notes)
        notes += stages.write(picture, self.options, overwrite)
        if stale is not None:
            notes += (f"made again: {stale}",)
        return Outcome(
            job,
            "done",
            noise_level=picture.noise_level,
            notes=notes,
            target=job.target,
            in_domain=picture.in_domain,
            figures=picture.figures,
        )

    def _check_no_input(self, target: Path) -> None:
        """Refuse to replace an input: a folder may have become a link to theirs since the plan was made.

        Raises:
            InputError: The output, or what goes beside it, is one.
        """
        for path in (target, *beside(target, self.options.attachment, compare=self.options.compare)):
            if (identity := outputs.identity(path)) and identity in self._inputs:
                raise InputError(f"{shown(path)}: has become an input meanwhile; nothing is replaced")

    @cached_property
    def _inputs(self) -> frozenset[tuple[int, int] | None]:
        sources = (job.source for job in self.jobs)
        return frozenset(outputs.identity(source) for source in sources if source is not None)


def _is_light(restored: Picture | Outcome) -> bool:
    return isinstance(restored, Picture) and restored.nbytes <= LIGHT
