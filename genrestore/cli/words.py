"""Words of all commands that restore: which inputs, where results go, the machine, and what is said."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from genrestore.cli import options, report, restore
from genrestore.cli.commands import Record, is_given, parameters
from genrestore.cli.options import expand
from genrestore.errors import NoInputError, UsageError
from genrestore.files.codecs.formats import BY_NAME, SUFFIXES, WORDS, has_library
from genrestore.files.plan.jobs import Attachment, Job, OutputOptions, Shard
from genrestore.restore.task import Damage, Request, Task
from genrestore.runtime import load_torch

if TYPE_CHECKING:
    from genrestore.weights.store import Choice


def parse_format(value: str) -> str:
    """A value of --format, in any case and by any suffix of the format, to one of `formats.WRITABLE`.

    Raises:
        UsageError: No format that is written.
    """
    format = SUFFIXES.get(f".{value.lower().removeprefix('.')}")
    if format is None:
        raise UsageError(f"--format {value}: written are {', '.join(WORDS)}")
    if not has_library(format):
        raise UsageError(f"--format {value}: {BY_NAME[format].refusal}")
    return format


def parse_suffix(value: str) -> str:
    """A value of --suffix, without a dot before it.

    Raises:
        UsageError: Nothing, or what a file's name cannot hold.
    """
    text = value.removeprefix(".")
    if not text or not text.isprintable() or any(separator in text for separator in (os.sep, "/", "\\")):
        raise UsageError(
            f"--suffix '{value}': must be a word for the middle of a file's name, without slashes"
        )
    return text


@dataclass(frozen=True, kw_only=True)
class Words(options.Machine, Record):
    """The user's words, an option a field; the class's docstring is the command's help.

    Attributes:
        damage: The kind of damage that the command restores.
        infix: The middle of the names of its results.
        whole: Options that are not for priors of one class, with their usual values.
        alone: Options besides --weights that `--prior dip` does without.
        without: Settings of the priors that the command does not offer.
        in_place: Whether the inputs themselves are replaced.
        drop_extras: Whether an input is replaced though a part of its file is lost.
        prior: Kind of a prior without weights, or "auto".
        asked: Values of the options that the damage and the priors have: None where one is left out.

    Arguments:
        inputs (INPUT): Image files (of the formats that [bold]genrestore doctor[/bold] lists), folders, or -
            for stdin.

    Options (Where results go):
        output (-o PATH): A file for one input, a folder for several, or - for stdout; beside the input if
            left out.
        suffix (TEXT): Name results STEM.TEXT.EXT.
        format (FORMAT): png, jpeg, tiff, webp, avif, jxl or exr; else the input's.
        skip_existing: Skip inputs that are done with the same options.
        dry_run: Write nothing; show each [bold]input -> output[/bold] on stdout.
        compare: Also write both side by side, as STEM.compare.EXT.

    Options (Which inputs):
        recursive (-r): Go into the folders of a folder; [bold]-o[/bold] mirrors them.
        files_from (LIST): Also take the inputs this file lists; - for stdin.
        null (-0): The list is of find -print0 (NUL after each name).
        shard (K/N): Do only share K of N; shares never overlap.
        fail_fast: Stop at the first input that fails.

    Options (Prior):
        trace (DIR): Write trace.csv and pictures of a search there.
    """

    damage: ClassVar[Damage]
    infix: ClassVar[str]
    whole: ClassVar[dict[str, Any]] = {}
    alone: ClassVar[tuple[str, ...]] = ()
    without: ClassVar[tuple[str, ...]] = ()
    in_place = drop_extras = False
    prior = "auto"
    inputs: Annotated[list[str] | None, expand] = None
    output: str | None = None
    weights: str
    recursive: bool = False
    files_from: Annotated[str | None, expand] = None
    null: bool = False
    shard: Annotated[Shard | None, Shard.parse] = None
    fail_fast: bool = False
    suffix: Annotated[str | None, parse_suffix] = None
    format: Annotated[str | None, parse_format] = None
    skip_existing: bool = False
    overwrite: bool = False
    dry_run: bool = False
    compare: bool = False
    trace: Path | None = None
    no_provenance: bool = False
    max_pixels: int | None = None
    reference: Path | None = None
    json: bool = False
    json_file: Path | None = None
    report: Path | None = None
    quiet: bool = False
    asked: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """Parameters of the command: its own, those of a request, and those of its priors."""
        request = (one for one in parameters(cls.damage.request) if one.name in cls.damage.asks)
        return [*parameters(cls), *request, *restore.search_options(cls.damage.kinds, cls.without)]

    @classmethod
    def of(cls, values: dict[str, Any]) -> Words:
        """The words of the values of the parameters."""
        own = {one.name for one in fields(cls)}
        asked = {name: value for name, value in values.items() if name not in own}
        return cls(**{name: value for name, value in values.items() if name in own}, asked=asked)

    def run(self, context: typer.Context) -> int:
        """Restore what the words name.

        Returns:
            The exit code.
        """
        self.before(context)
        named = self.named(context)
        wanted = self.wanted(named)
        jobs, score = restore.planned(self, named, wanted)
        page = restore.page_of(self)
        task = restore.task_of(self, has_weights=is_given(context, "weights"))
        settings = restore.batch_options(self, wanted, jobs, task)
        if self.dry_run:
            return restore.show_plan(jobs, settings, quiet=self.quiet)
        if restore.is_work_left(jobs, self.skip_existing):
            self.check()
        from genrestore.files.work import batch

        make, settings = self.instead(task, settings) or (
            lambda: restore.restoring(self, task).together,
            settings,
        )
        lines = report.json_lines(self.json, self.json_file, jobs, overwrite=self.overwrite)
        with (
            lines as stream,
            report.Report(
                jobs, self.estimated, self.quiet, stream, score, self.fail_fast, self.taken, page
            ) as tally,
        ):
            for outcome in batch.run(jobs, make, settings, tally.progress, load_torch, task.prior.batch):
                if tally.add(outcome):
                    break
            return tally.sum_up()

    def value(self, name: str) -> Any:
        """Value of an option, also of a damage or a prior; None if the command does not have it."""
        return self.asked.get(name, getattr(self, name, None))

    @property
    def estimated(self) -> bool:
        """True where noise levels are estimated rather than given."""
        return False

    @property
    def place(self) -> tuple[str, str | None]:
        """Option that says where results go, and its value."""
        return "-o", self.output

    @property
    def attachment(self) -> Attachment | None:
        """A file that is written beside each output, or None."""
        return None

    @cached_property
    def chosen(self) -> Choice:
        """The weights, whose name is resolved and whose header is read once.

        Raises:
            WeightsError: They are missing, or their header cannot be read.
        """
        from genrestore.weights.store import choose

        return choose(self.weights)

    def request(self, task_of_one_class: bool) -> Request:  # noqa: ARG002
        """The request of these words, for a prior of one class or of any pictures."""
        asked = {name: self.asked.get(name, getattr(Request, name)) for name in self.damage.asks}
        return replace(self.damage.request, **asked)

    def wanted(self, named: Sequence[str]) -> OutputOptions:  # noqa: ARG002
        """The words about results, for these inputs."""
        return OutputOptions(
            self.output,
            self.infix,
            self.overwrite,
            self.in_place,
            self.compare,
            self.recursive,
            self.suffix,
            self.format,
            self.skip_existing,
            not self.no_provenance,
            self.shard,
            self.attachment,
            drop_extras=self.drop_extras,
        )

    def assigned(self, jobs: list[Job]) -> list[Job]:
        """Jobs with all that they need."""
        return jobs

    def also_written(self, jobs: Sequence[Job]) -> list[Path]:  # noqa: ARG002
        """Files that are written besides those of each result."""
        return [] if self.json_file is None else [self.json_file]

    @property
    def provenance(self) -> dict[str, Any]:
        """Notes of results besides those of the task."""
        return {}

    def of_batch(self, settings: Any, jobs: Sequence[Job]) -> Any:  # noqa: ARG002
        """The options of a batch, with those of its pictures."""
        return settings

    def operator(self, picture: Any) -> Any:  # noqa: ARG002
        """A of a picture that was read, as `restore.problem.Operator` has it.

        Raises:
            InputError: Its file does not say it.
        """
        from genrestore.restore.problem import IDENTITY

        return IDENTITY

    def before(self, context: typer.Context) -> None:
        """Do something before, or instead of, a plan."""

    def instead(self, task: Task, settings: Any) -> tuple[Callable[[], Any], Any] | None:
        """Another restoring, with the options of its batch; None: the usual one."""

    def named(self, context: typer.Context) -> list[str]:
        """The inputs that were named, on the command line and in a list; none of a list is read twice.

        Raises:
            UsageError: Nothing says what the inputs are, a list that cannot be read, or one stream for two.
            NoInputError: The list is empty.
        """
        self._check_streams(context)
        named = list(self.inputs or ())
        if self.files_from is None:
            if self.null:
                raise UsageError("--null (-0) is about --files-from; name the list")
            if not named:
                raise UsageError("no input: name files, folders, - for stdin, or --files-from LIST")
            return named
        from genrestore.files.plan.sources import read_list

        source = sys.stdin.buffer if self.files_from == "-" else Path(self.files_from)
        listed = read_list(source, null=self.null)
        if not named and not listed:
            raise NoInputError(f"--files-from {self.files_from}: the list is empty")
        return named + listed

    def _check_streams(self, context: typer.Context) -> None:
        """Refuse what stdin and stdout cannot carry, before anything is read.

        Raises:
            UsageError: Two things for one stream, pixels for a terminal, or `-` where stdin is a terminal;
                then the help is shown too.
        """
        from_stdin = "-" in (self.inputs or ())
        if from_stdin and self.files_from == "-":
            raise UsageError("--files-from - and the input - both want stdin; give the list as a file")
        if (from_stdin or self.files_from == "-") and sys.stdin is not None and sys.stdin.isatty():
            with redirect_stdout(sys.stderr):  # stdout may be a picture's
                typer.echo(context.get_help())
            what = "pipe a picture into it" if from_stdin else "pipe a list of names into it"
            raise UsageError(f"-: stdin is a terminal; {what}")
        if self.dry_run:
            if self.json or self.json_file is not None:
                raise UsageError("--dry-run says what would be done, and --json what was; give one")
            return
        word, output = self.place
        if output != "-" and (output is not None or not from_stdin):
            return
        if self.json and self.json_file is None:
            raise UsageError(
                f"--json and the picture both want stdout; give --json-file PATH, or {word} a file"
            )
        options.check_stdout(word)
