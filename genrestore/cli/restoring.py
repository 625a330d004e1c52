"""What every command does that restores pictures: from the user's words to a plan, and through it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from genrestore.cli import dry_run as rehearsal
from genrestore.cli import file_options as files
from genrestore.cli import loading, report
from genrestore.cli import reference as references
from genrestore.files.plan.jobs import STDIO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genrestore.files.plan.jobs import Job, OutputOptions
    from genrestore.files.work.batch import BatchOptions, Restore
    from genrestore.runtime import Runtime


@dataclass(frozen=True)
class Inputs:
    """The user's words about inputs.

    Attributes:
        named: Files, folders, or "-".
        files_from: A list of more of them, or None.
        null: The names in the list end with a NUL byte.
        fail_fast: Stop at the first that fails.
        max_pixels: Refuse larger pictures; None takes the usual limit.
    """

    named: list[str] | None
    files_from: str | None
    null: bool
    fail_fast: bool
    max_pixels: int | None


@dataclass(frozen=True)
class Machine:
    """The user's words about where to compute, as `Runtime.create` takes them."""

    device: str
    precision: str
    threads: int | None
    seed: int

    @cached_property
    def runtime(self) -> Runtime:
        """The open choices settled; imports torch."""
        from genrestore.runtime import Runtime

        loading.load_torch()
        return Runtime.create(self.device, self.precision, self.threads, self.seed)

    def taken(self) -> str | None:
        """The device that is computed on; None as long as nothing was computed."""
        runtime: Runtime | None = self.__dict__.get("runtime")
        return None if runtime is None else runtime.device

    def check(self) -> None:
        """Tell that a device is not here before any input is looked at; imports torch only if one is named.

        Raises:
            DeviceError: It is not here.
        """
        if self.device not in ("auto", "cpu"):
            _ = self.runtime


@dataclass(frozen=True)
class Said:
    """The user's words about what is said.

    Attributes:
        reference: A clean picture, or a folder of them, to compare results with.
        json: Records on stdout.
        json_file: Records into this file.
        quiet: Failures only.
        dry_run: Show the plan, and do nothing.
    """

    reference: Path | None
    json: bool
    json_file: Path | None
    quiet: bool
    dry_run: bool


@dataclass(frozen=True)
class Plan:
    """Jobs with all that the user said of them.

    Attributes:
        jobs: In their order.
        inputs: The user's words.
        wanted: The user's words about results.
        said: The user's words about what is said.
        score: Compares a written file with its reference, if asked for.
    """

    jobs: list[Job]
    inputs: Inputs
    wanted: OutputOptions
    said: Said
    score: references.Scorer | None

    def settings(self, command: str, machine: Machine, made: Mapping[str, report.JSONValue]) -> BatchOptions:
        """How the batch is run; `made` is what the results say of how the command made them.

        Raises:
            DeviceError: There is work, and the device that it was asked for on is not here.
        """
        from genrestore.files.work import batch

        if not self.said.dry_run and _is_work_left(self.jobs, self.wanted.skip_existing):
            machine.check()
        noted = report.provenance(command, machine.seed, made)
        return batch.BatchOptions.of(self.wanted, noted, self.inputs.max_pixels)

    def carry_out(
        self, task: Restore, settings: BatchOptions, machine: Machine, *, estimated: bool = False
    ) -> None:
        """Do the jobs, or with --dry-run show them, say what becomes of each, and exit.

        Args:
            task: Restores pixels, [1, channel, height, width].
            settings: How the batch is run.
            machine: Where the task computes.
            estimated: Noise levels are estimated rather than given.

        Raises:
            typer.Exit: Always, with the exit code.
        """
        from genrestore.files.work import batch

        jobs, said = self.jobs, self.said
        if said.dry_run:
            raise typer.Exit(rehearsal.show(jobs, settings, quiet=said.quiet))
        overwrite, fail_fast = self.wanted.overwrite, self.inputs.fail_fast
        with (
            report.json_lines(said.json, said.json_file, jobs, overwrite=overwrite) as lines,
            report.Report(jobs, estimated, said.quiet, lines, self.score, fail_fast, machine.taken) as told,
        ):
            outcomes = batch.run(jobs, task, settings, told.progress, loading.load_torch)
            raise typer.Exit(told.show(outcomes))


def _is_work_left(jobs: Sequence[Job], skip_existing: bool) -> bool:
    """Whether something will surely be restored; told from names alone, since it is asked of everything."""
    todo = [job.target for job in jobs if job.is_open]
    return any(not skip_existing or target is None or not os.path.lexists(target) for target in todo)


def is_given(context: typer.Context, name: str) -> bool:
    """Whether a parameter was written on the command line, rather than left at its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def plan(
    context: typer.Context,
    inputs: Inputs,
    wanted: OutputOptions,
    said: Said,
    *,
    adjust: Callable[[Sequence[str], OutputOptions], OutputOptions] | None = None,
    assign: Callable[[Sequence[Job]], list[Job]] | None = None,
) -> Plan:
    """Turn the user's words into jobs.

    Args:
        context: Of the command, for its help.
        inputs: What to restore.
        wanted: Where results go.
        said: What is said.
        adjust: Changes the words about results once the inputs are known.
        assign: Gives jobs what else they need.

    Raises:
        UsageError: Words that cannot be meant.
        NoInputError: Nothing to restore.
    """
    files.check_streams(
        context,
        inputs.named,
        wanted.output,
        files_from=inputs.files_from,
        dry_run=said.dry_run,
        json=said.json,
        json_file=said.json_file,
    )
    from genrestore.files.plan import outputs

    named = files.words(inputs.named, inputs.files_from, null=inputs.null)
    wanted = wanted if adjust is None else adjust(named, wanted)
    jobs = outputs.plan(named, wanted, listed=inputs.files_from is not None)
    jobs = jobs if assign is None else assign(jobs)
    score = references.scorer(said.reference, jobs)
    written = outputs.targets(jobs, wanted) + ([said.json_file] if said.json_file else [])
    outputs.check_only_read(written, list(_only_read(inputs, jobs, score)))
    return Plan(jobs, inputs, wanted, said, score)


def _only_read(
    inputs: Inputs, jobs: Sequence[Job], score: references.Scorer | None
) -> Iterator[tuple[str, Path]]:
    """What is read besides the inputs, with the option that names it."""
    if inputs.files_from not in (None, STDIO):
        yield "--files-from", Path(inputs.files_from)
    for job in jobs:
        if job.mask is not None:
            yield "--mask", job.mask
    for clean in score.clean.values() if score else ():
        yield "--reference", clean
