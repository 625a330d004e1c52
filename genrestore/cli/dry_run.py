"""``--dry-run``: the plan on stdout, and nothing done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from genrestore.cli import screen
from genrestore.cli.report import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genrestore.files.plan.jobs import Job
    from genrestore.files.work.batch import BatchOptions


def show(jobs: Sequence[Job], settings: BatchOptions, *, quiet: bool) -> int:
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
            screen.write(one_line(f"{job.name}  failed: {problem.removeprefix(f'{job.name}: ')}"))
        elif skipped is None:
            source, target = ("-" if path is None else str(path) for path in (job.source, job.target))
            typer.echo(printable(f"{source} -> {target}"))
        elif not quiet:
            screen.write(one_line(f"{job.name}  skipped: {skipped}"))
    return int(failed)
