"""The stages of every command that restores: from the user's words to a plan, and what it shows."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from genrestore.cli import reference as references
from genrestore.cli import report, screen
from genrestore.files.plan.jobs import STDIO

if TYPE_CHECKING:
    from genrestore.cli.report_page import Page
    from genrestore.cli.words import Words
    from genrestore.files.plan.jobs import Job, OutputOptions
    from genrestore.files.work.batch import BatchOptions
    from genrestore.restore.pictures import Restore
    from genrestore.restore.task import Task

LONG = 20.0
"""Seconds from which on it is worth saying how long it will take."""


def page_of(words: Words) -> Page | None:
    """The page that --report asks for, before any work.

    Raises:
        UsageError: Its folder holds something, and no page of ours.
    """
    if words.report is None:
        return None
    from genrestore.cli.report_page import Page

    return Page(words.report, sys.argv[1:], words.max_pixels)


def planned(
    words: Words, named: Sequence[str], wanted: OutputOptions
) -> tuple[list[Job], references.Scorer | None]:
    """The jobs of the words, and what compares their results.

    Raises:
        UsageError: Words that cannot be meant.
        NoInputError: Nothing to restore.
    """
    from genrestore.files.plan import outputs

    jobs = words.assigned(outputs.plan(named, wanted, listed=words.files_from is not None))
    score = references.scorer(words.reference, jobs, gains=words.report is not None)
    written = outputs.targets(jobs, wanted) + ([words.json_file] if words.json_file else [])
    outputs.check_only_read(written, list(_only_read(words.files_from, jobs, score)))
    return jobs, score


def _only_read(
    files_from: str | None, jobs: Sequence[Job], score: references.Scorer | None
) -> Iterator[tuple[str, Path]]:
    """Files that are read besides the inputs, with the option that names each."""
    if files_from is not None and files_from != STDIO:
        yield "--files-from", Path(files_from)
    for job in jobs:
        if job.mask is not None:
            yield "--mask", job.mask
    for clean in score.clean.values() if score else ():
        yield "--reference", clean


def batch_options(words: Words, wanted: OutputOptions, jobs: Sequence[Job], task: Task) -> BatchOptions:
    """The options of the batch of a task."""
    from genrestore.files.work import batch

    noted = report.provenance(words.damage.name, words.seed, {**task.provenance, **words.noted})
    settings: BatchOptions = words.of_batch(batch.BatchOptions.of(wanted, noted, words.max_pixels), jobs)
    return settings


def restoring(words: Words, task: Task) -> Restore:
    """The restoring of a task; imports torch."""
    from genrestore.cli import traces
    from genrestore.restore.pictures import Restore

    trace = None if words.trace is None else traces.of(task, words.trace)
    told = _ignore if words.quiet else say_duration
    return Restore(task, words.runtime, trace=trace, estimate=told, operator=words.operator)


def _ignore(_: float) -> None:
    """Nobody wants to know."""


def say_duration(seconds: float) -> None:
    """Say on stderr how long a picture will take at most, if it is long."""
    if seconds >= LONG:
        amount = f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
        if seconds < 90:
            amount = f"{seconds:.0f} s"
        screen.write(f"--prior dip: at most {amount} for this picture; --steps sets fewer, Ctrl-C stops")


def is_work_left(jobs: Sequence[Job], skip_existing: bool) -> bool:
    """True if something will surely be restored; told from names alone, since it is asked of everything."""
    todo = [job.target for job in jobs if job.is_open]
    return any(not skip_existing or target is None or not os.path.lexists(target) for target in todo)


def show_plan(jobs: Sequence[Job], settings: BatchOptions, *, quiet: bool) -> int:
    """Say `input -> output` of every job, one a line; what would be skipped is said on stderr.

    Returns:
        The exit code: 1 if an input has failed already, else 0.
    """
    from genrestore.files.work import batch

    failed = False
    for job in jobs:
        existing = batch.examine(job, settings) if job.is_open else None
        skipped, problem = job.skipped, job.problem
        if existing is not None:
            skipped, problem = existing.done, batch.in_the_way(job, existing, settings)
        failed = failed or problem is not None
        if problem is not None:
            screen.write(report.one_line(f"{job.name}  failed: {problem.removeprefix(f'{job.name}: ')}"))
        elif skipped is None:
            source, target = ("-" if path is None else str(path) for path in (job.source, job.target))
            typer.echo(report.printable(f"{source} -> {target}"))
        elif not quiet:
            screen.write(report.one_line(f"{job.name}  skipped: {skipped}"))
    return int(failed)
