"""The body of every command that restores: from the user's words to a plan, and through it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import field, fields, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from genrestore.cli import loading, report, screen
from genrestore.cli import reference as references
from genrestore.cli.options import described, is_given
from genrestore.cli.prior_options import searching_options, task_of
from genrestore.files.plan.jobs import STDIO

if TYPE_CHECKING:
    from genrestore.cli.options import Machine
    from genrestore.cli.report_page import Page
    from genrestore.cli.words import Words
    from genrestore.files.plan.jobs import Job, OutputOptions
    from genrestore.files.work.batch import BatchOptions
    from genrestore.restore.pictures import Restore
    from genrestore.restore.task import Task

LONG = 20.0
"""Seconds from which on it is worth saying how long it will take."""


def with_options(words: type[Words]) -> type[Words]:
    """The words of a command with their options, and with those of all priors that it takes, for Typer."""
    own = {name: hint for one in reversed(words.__mro__[:-1]) for name, hint in described(one).items()}
    defaults = {one.name: one.default for one in fields(words)}
    doc, _, _ = (words.__doc__ or "").partition("\n\n    Options")
    return make_dataclass(
        words.__name__,
        [
            *((name, hint, field(default=defaults[name])) for name, hint in own.items()),
            *searching_options(words.damage.kinds, words.without),
        ],
        bases=(words,),
        namespace={"__doc__": doc, "__module__": words.__module__},
        frozen=True,
        kw_only=True,
    )


class Command(TyperCommand):
    """A command that restores: its callback is the class of its words, and this is its body."""

    def invoke(self, ctx: Any) -> Any:
        """Restore what the words name.

        Raises:
            typer.Exit: Always, with the exit code.
        """
        words: Words = super().invoke(ctx)
        machine = words.machine
        words.before(ctx, machine)
        named = words.named(ctx)
        wanted = words.wanted(named)
        jobs, score = planned(words, named, wanted)
        page = page_of(words)
        task = task_of(words, has_weights=is_given(ctx, "weights"))
        settings = batch_options(words, wanted, jobs, task)
        if words.dry_run:
            raise typer.Exit(show_plan(jobs, settings, quiet=words.quiet))
        if _is_work_left(jobs, words.skip_existing):
            machine.check()
        from genrestore.files.work import batch

        make, settings = words.instead(task, machine, settings) or (
            lambda: restoring(words, task, machine).together,
            settings,
        )
        lines = report.json_lines(words.json, words.json_file, jobs, overwrite=words.overwrite)
        with (
            lines as stream,
            report.Report(
                jobs, words.estimated, words.quiet, stream, score, words.fail_fast, machine.taken, page
            ) as told,
        ):
            outcomes = batch.run(jobs, make, settings, told.progress, loading.load_torch, task.prior.batch)
            raise typer.Exit(told.show(outcomes))


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


def restoring(words: Words, task: Task, machine: Machine) -> Restore:
    """The restoring of a task; imports torch."""
    from genrestore.cli import traces
    from genrestore.restore.pictures import Restore

    trace = None if words.trace is None else traces.of(task, words.trace)
    return Restore(task, machine.runtime, trace=trace, estimate=_ignore if words.quiet else say_duration)


def _ignore(_: float) -> None:
    """Nobody wants to know."""


def say_duration(seconds: float) -> None:
    """Say on stderr how long a picture will take at most, if it is long."""
    if seconds >= LONG:
        amount = f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
        if seconds < 90:
            amount = f"{seconds:.0f} s"
        screen.write(f"--prior dip: at most {amount} for this picture; --steps sets fewer, Ctrl-C stops")


def _is_work_left(jobs: Sequence[Job], skip_existing: bool) -> bool:
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
