"""Input by input: read, restore, write, one `Outcome` each. Takes the restoring as an argument."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Generic, Literal, TypeVar

from genrestore.errors import InputError, shown
from genrestore.files.disk.atomic import check_writable
from genrestore.files.plan import outputs, skipping, sources
from genrestore.files.plan.jobs import Job, beside
from genrestore.files.plan.skipping import Existing
from genrestore.files.work import stages
from genrestore.files.work.stages import BatchOptions, Findings, Picture, Restore, Restored

__all__ = ["BatchOptions", "Outcome", "Restore", "Restored", "examine", "run"]

Item = TypeVar("Item")
Taken = TypeVar("Taken")
Worked = TypeVar("Worked")
Result = TypeVar("Result")
LIGHT = 100_000_000
"""Bytes of pixels: larger pictures are neither read ahead nor written behind, so that they do not pile up."""
MOST_BYTES = 64_000_000
"""Of pixels that are restored at once: what is larger is restored alone."""
_WIDEST = 8
"""Bytes of the widest pixel: four channels of 16 bits."""
_OF_ONE_INPUT = (InputError, MemoryError, OSError)
"""Errors of an input that do not end the batch."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of one job.

    Attributes:
        job: The job.
        status: "done", "skipped" (on purpose) or "failed".
        seconds: Reading, restoring and writing; not the time for which the picture waited in between. Those
            that are restored together have an even share of it each. Since the pictures before and after are
            written and read meanwhile, a batch takes less than their sum.
        notes: Remarks for the user, one sentence each.
        error: Why it failed or was skipped, one line; None if done.
        target: The file that was written; None for standard output, and if not done.
        findings: Findings of the restoration; None if not done.
    """

    job: Job
    status: Literal["done", "skipped", "failed"]
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    error: str | None = None
    target: Path | None = None
    findings: Findings | None = None


def run(
    jobs: Sequence[Job],
    make: Callable[[], Restore],
    options: BatchOptions,
    on_progress: Callable[[Job, float, Sequence[Job]], None],
    prepare: Callable[[], None] | None = None,
    size: int = 1,
) -> Iterator[Outcome]:
    """Do the jobs in their order; a job that fails does not stop the others.

    While a picture is restored, a light one is read ahead and a light one is written behind (`LIGHT`). Who
    stops asking for outcomes stops the batch: nothing is written any more.

    Args:
        jobs: From `outputs.plan`.
        make: Makes the restoring when the first picture needs it; a batch of skipped ones needs none.
            It is called in the caller's thread.
        options: Of the batch.
        on_progress: Called with the job, its fraction done, 0 to 1, and all jobs that are restored at once,
            of which it is the fraction too; in the caller's thread, maybe for the next job before the
            outcome of the last is given.
        prepare: Takes its time before the first picture can be restored, and none once it was called. It is
            called in the caller's thread while that picture is read, unless nothing is to be restored.
        size: Pictures that are restored at once: those after the one whose turn it is, each read once. Their
            results wait for their turn.

    Returns:
        One outcome a job, in their order.
    """
    batch = _Batch(make, options, on_progress, prepare, jobs, size)
    meanwhile = None if prepare is None else batch.prepare_for
    return pipelined(jobs, Stages(batch.read_ahead, batch.restore, batch.write, _is_light, meanwhile))


def examine(job: Job, options: BatchOptions) -> Existing:
    """Judgement of `run` on an output that exists; with `options.skip_existing` only."""
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
    """Reason why a job cannot be done because of what exists, one line, or None."""
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


@dataclass
class _Batch:
    """The stages of `pipelined` for each job; one that ends early goes through as its outcome."""

    make: Callable[[], Restore]
    options: BatchOptions
    on_progress: Callable[[Job, float, Sequence[Job]], None]
    prepare: Callable[[], None] | None
    jobs: Sequence[Job]
    size: int
    ended: dict[int, Picture | Outcome] = field(default_factory=dict)
    """By id() of a job: how it ended together with another, before its turn."""
    pictures: dict[int, Picture] = field(default_factory=dict)
    """By id() of a job: read for others that then failed together."""

    def prepare_for(self, job: Job) -> None:
        """Prepare for restoring while a job's picture is read ahead."""
        if self.prepare is not None and self._can_be_ahead(job):
            self.prepare()

    def read_ahead(self, job: Job) -> Picture | None:
        """The picture of a job, if it is light, and nothing else is to be looked at first.

        Whatever goes wrong is left for the job's turn, in which it is tried again.
        """
        if not self._can_be_ahead(job) or (self.size > 1 and job is not self.jobs[0]):
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
        """True if there is a file to read, and no result that is to be looked at first."""
        readable = job.is_open and self.options.read_ahead
        if not readable or job.source is None or not sources.is_file(job.source):
            return False
        return not (self.options.skip_existing and job.target is not None and os.path.lexists(job.target))

    def restore(self, job: Job, picture: Picture | None) -> Picture | Outcome:
        """The restored picture of a job, which may have been read ahead, or restored with one before it."""
        if id(job) in self.ended:
            self.on_progress(job, 1.0, ())
            return self.ended.pop(id(job))
        first = self._read(job, picture)
        if isinstance(first, Outcome):
            return first
        group = [first, *self._next(first)]
        others = [one.job for one in group]
        started = time.perf_counter()
        try:
            if self.prepare is not None:
                self.prepare()
            found = self._restoring(group, lambda share: self.on_progress(job, share, others))
        except _OF_ONE_INPUT as error:
            self.pictures |= {id(one.job): one for one in group[1:]}
            failed = _failed(job, self.options, error)
            return replace(failed, seconds=first.seconds + time.perf_counter() - started)
        share = (time.perf_counter() - started) / len(group)
        for one, restored in zip(group, found, strict=True):
            self.ended[id(one.job)] = self._finish(one, restored, share)
        return self.ended.pop(id(job))

    @cached_property
    def _restoring(self) -> Restore:
        return self.make()

    def _read(self, job: Job, picture: Picture | None) -> Picture | Outcome:
        """The picture of a job that is to be restored, or the outcome of one that is not."""
        if job.skipped or job.problem:
            return Outcome(job, "skipped" if job.skipped else "failed", error=job.skipped or job.problem)
        picture = self.pictures.pop(id(job), picture)
        seconds, started = 0.0 if picture is None else picture.seconds, time.perf_counter()
        found: Picture | Outcome
        try:
            existing = examine(job, self.options)
            if problem := in_the_way(job, existing, self.options):
                raise InputError(problem)
            if existing.done is None and job.target is not None:
                check_writable(job.target)
            if existing.done is not None:
                found = Outcome(job, "skipped", error=existing.done)
            else:
                picture = picture or stages.read(job, self.options, self.options.max_pixels)
                found = replace(picture, stale=existing.stale)
        except _OF_ONE_INPUT as error:
            found = _failed(job, self.options, error)
        return replace(found, seconds=seconds + time.perf_counter() - started)

    def _next(self, first: Picture) -> Iterator[Picture]:
        """The pictures after one that are restored with it; the outcomes of those that are not, are noted."""
        place, held = self._places[id(first.job)], first.nbytes
        count = 1
        while count < self.size and held < MOST_BYTES and (place := place + 1) < len(self.jobs):
            job = self.jobs[place]
            found = self._read(job, None)
            if isinstance(found, Outcome):
                self.ended[id(job)] = found
                continue
            count, held = count + 1, held + found.nbytes
            yield found

    @cached_property
    def _places(self) -> dict[int, int]:
        return {id(job): place for place, job in enumerate(self.jobs)}

    def _finish(self, picture: Picture, restored: Restored | InputError, share: float) -> Picture | Outcome:
        """A picture with its result, or its failure; `share` is its part of the seconds of all."""
        started, found = time.perf_counter(), picture
        if isinstance(restored, InputError):
            failed = _failed(picture.job, self.options, restored)
            return replace(failed, seconds=picture.seconds + share)
        try:
            found = stages.finish(picture, restored, self.options)
        except _OF_ONE_INPUT as error:
            failed = _failed(picture.job, self.options, error)
            return replace(failed, seconds=picture.seconds + share + time.perf_counter() - started)
        return replace(found, seconds=picture.seconds + share + time.perf_counter() - started)

    def write(self, restored: Picture | Outcome) -> Outcome:
        """The outcome of a job, when its picture is written."""
        if isinstance(restored, Outcome):
            return restored
        started = time.perf_counter()
        try:
            outcome = self._write(restored)
        except _OF_ONE_INPUT as error:
            outcome = _failed(restored.job, self.options, error)
        return replace(outcome, seconds=restored.seconds + time.perf_counter() - started)

    def _write(self, picture: Picture) -> Outcome:
        job, stale = picture.job, picture.stale
        overwrite = self.options.overwrite or job.target == job.source or stale is not None
        if overwrite and job.target is not None and job.target != job.source:
            self._check_no_input(job.target)
        assert picture.findings is not None
        notes = (*picture.image.metadata.notes, *picture.notes, *picture.findings.notes)
        notes += stages.write(picture, self.options, overwrite)
        if stale is not None:
            notes += (f"made again: {stale}",)
        return Outcome(job, "done", notes=notes, target=job.target, findings=picture.findings)

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
        sources = (job.source for job in self.jobs if job.is_open)
        return frozenset(outputs.identity(source) for source in sources if source is not None)


def _is_light(restored: Picture | Outcome) -> bool:
    return isinstance(restored, Picture) and restored.nbytes <= LIGHT


@dataclass(frozen=True)
class Stages(Generic[Item, Taken, Worked, Result]):
    """Stages of every item, one after the other.

    Attributes:
        read_ahead: Takes an item up before its turn, in another thread; None where it has to wait for it.
        work: In the caller's thread: takes the item up if that is still to do, and works on it.
        behind: Puts away what was worked on.
        is_light: Whether that may stay in memory while the next item is worked on. It is put away by another
            thread then, and else by the caller's, before anything goes on.
        meanwhile: In the caller's thread, while the first item is taken up ahead; None: nothing is to be
            done, and the first item is not taken up ahead.
    """

    read_ahead: Callable[[Item], Taken | None]
    work: Callable[[Item, Taken | None], Worked]
    behind: Callable[[Worked], Result]
    is_light: Callable[[Worked], bool]
    meanwhile: Callable[[Item], None] | None = None


def pipelined(items: Sequence[Item], each: Stages[Item, Taken, Worked, Result]) -> Iterator[Result]:
    """Take every item through the stages; at most three are in memory, one of them at work.

    Nothing is put away while the caller has the turn: a caller that stops, because of a result or of an
    interruption, finds put away what it was given and nothing else. An exception of a stage ends the run
    after what was put away until then has been given. No thread outlives the run, and one item needs none
    but for what `meanwhile` is for.

    Args:
        items: In the order in which they are worked on.
        each: What is done with every one.

    Yields:
        One result an item, in their order; that of a light item after the next one was worked on, if that
        was taken up ahead.
    """
    taking: Future[Taken | None] | None = None
    putting: list[Future[None]] = []
    put: list[Result] = []

    def put_away(worked: Worked) -> None:
        put.append(each.behind(worked))  # here, since an interruption may come before its future is kept

    try:
        with ThreadPoolExecutor(2, thread_name_prefix="genrestore-files") as threads:
            if items and each.meanwhile is not None:
                taking = threads.submit(each.read_ahead, items[0])
                each.meanwhile(items[0])
            for index, item in enumerate(items, start=1):
                is_last = index == len(items)
                taken = None if taking is None else taking.result()
                if taken is None:
                    yield from _given(putting, put)
                taking = None if is_last else threads.submit(each.read_ahead, items[index])
                worked = each.work(item, taken)
                del taken
                yield from _given(putting, put)
                if is_last or not each.is_light(worked):
                    yield each.behind(worked)
                else:
                    putting.append(threads.submit(put_away, worked))
                del worked
    except BaseException:
        yield from _given(putting, put)  # the threads have ended, so it is put away
        raise


def _given(putting: list[Future[None]], put: list[Result]) -> Iterator[Result]:
    """The result of what is being put away, if anything is; from then on nothing is."""
    while putting:
        putting.pop().result()
    while put:
        result = put[0]
        del put[0]
        yield result
