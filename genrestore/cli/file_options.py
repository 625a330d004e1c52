"""The options of every command that reads and writes pictures: which inputs, and where results go."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genrestore.cli.options import INPUTS, RESULTS, expand
from genrestore.errors import NoInputError, UsageError
from genrestore.files.codecs.formats import SUFFIXES
from genrestore.files.plan.jobs import Part, Shard

if TYPE_CHECKING:
    from collections.abc import Sequence


def parse_format(value: str) -> str:
    """A value of --format, in any case and by any suffix of the format, to one of `formats.WRITABLE`.

    Raises:
        UsageError: No format that is written.
    """
    format = SUFFIXES.get(f".{value.lower().removeprefix('.')}")
    if format is None:
        raise UsageError(f"--format {value}: written are png, jpeg, tiff and webp")
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


def parse_shard(value: str | Shard) -> Shard:
    """A value of --shard.

    Raises:
        UsageError: Not K/N with K from 1 to N.
    """
    return value if isinstance(value, Shard) else Shard.parse(value)


Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT", parser=expand, help="Image files, folders, or - for stdin.", show_default=False
    ),
]
Recursive = Annotated[
    bool,
    typer.Option(
        "--recursive",
        "-r",
        metavar="",
        rich_help_panel=INPUTS,
        help="Go into the folders of a folder; [bold]-o[/bold] mirrors them.",
    ),
]
FilesFrom = Annotated[
    str | None,
    typer.Option(
        "--files-from",
        metavar="LIST",
        parser=expand,
        rich_help_panel=INPUTS,
        help="Also take the inputs that this file names, one a line; - for stdin.",
    ),
]
Null = Annotated[
    bool,
    typer.Option(
        "--null",
        "-0",
        metavar="",
        rich_help_panel=INPUTS,
        help="The names in the list end with a NUL byte, as find -print0 writes them.",
    ),
]
ShardOption = Annotated[
    Shard | None,
    typer.Option(
        "--shard",
        metavar="K/N",
        parser=parse_shard,
        rich_help_panel=INPUTS,
        help="Do only share K of N, 1/N to N/N; the shares never overlap.",
    ),
]
FailFast = Annotated[
    bool,
    typer.Option(
        "--fail-fast", metavar="", rich_help_panel=INPUTS, help="Stop at the first input that fails."
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        parser=expand,
        rich_help_panel=RESULTS,
        help="A file for one input, a folder for several, or - for stdout; beside the input if left out.",
    ),
]
Suffix = Annotated[
    str | None,
    typer.Option(
        "--suffix",
        metavar="TEXT",
        parser=parse_suffix,
        rich_help_panel=RESULTS,
        help="Name results STEM.TEXT.EXT.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="png|jpeg|tiff|webp",
        parser=parse_format,
        rich_help_panel=RESULTS,
        help="Write this format; that of the input if left out.",
    ),
]
SkipExisting = Annotated[
    bool,
    typer.Option(
        "--skip-existing",
        metavar="",
        rich_help_panel=RESULTS,
        help="Skip inputs whose result is there, whole and with these parameters; redo other results.",
    ),
]
InPlace = Annotated[
    bool,
    typer.Option("--in-place", metavar="", rich_help_panel=RESULTS, help="Replace the inputs themselves."),
]
DropExtras = Annotated[
    bool,
    typer.Option(
        "--drop-extras",
        metavar="",
        rich_help_panel=RESULTS,
        help="With --in-place: replace files too of which a part cannot be kept, as pictures inside a JPEG.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        metavar="",
        rich_help_panel=RESULTS,
        help="Write nothing; show each [bold]input -> output[/bold] on stdout.",
    ),
]
Compare = Annotated[
    bool,
    typer.Option(
        "--compare",
        metavar="",
        rich_help_panel=RESULTS,
        help="Also write input and result side by side, as STEM.compare.EXT beside the output.",
    ),
]
Preview = Annotated[
    Part | None,
    typer.Option(
        "--preview",
        metavar="X,Y,W,H",
        parser=Part.parse,
        rich_help_panel=RESULTS,
        help="Only show this part, in pixels, at several noise levels and at strengths 0 to 1: a sheet "
        "STEM.preview.png, and no result.",
    ),
]
NoProvenance = Annotated[
    bool,
    typer.Option(
        "--no-provenance",
        metavar="",
        rich_help_panel=RESULTS,
        help="Do not note tool, weights, options, seed and the input's sha256 in the output's metadata.",
    ),
]


def words(inputs: Sequence[str] | None, files_from: str | None, *, null: bool) -> list[str]:
    """The inputs that were named, on the command line and in a list.

    Raises:
        UsageError: Nothing says what the inputs are, or the list cannot be read.
        NoInputError: The list is empty.
    """
    named = list(inputs or ())
    if files_from is None:
        if null:
            raise UsageError("--null (-0) is about --files-from; name the list")
        if not named:
            raise UsageError("no input: name files, folders, - for stdin, or --files-from LIST")
        return named
    from genrestore.files.plan.sources import read_list

    listed = read_list(sys.stdin.buffer if files_from == "-" else Path(files_from), null=null)
    if not named and not listed:
        raise NoInputError(f"--files-from {files_from}: the list is empty")
    return named + listed


def check_streams(
    context: typer.Context,
    inputs: Sequence[str] | None,
    output: str | None,
    *,
    files_from: str | None = None,
    dry_run: bool = False,
    json: bool = False,
    json_file: Path | None = None,
) -> None:
    """Refuse what stdin and stdout cannot carry, before anything is read.

    Raises:
        UsageError: Two things for one stream, pixels for a terminal, or `-` where stdin is a terminal; then
            the help is shown too.
    """
    from_stdin = "-" in (inputs or ())
    if from_stdin and files_from == "-":
        raise UsageError("--files-from - and the input - both want stdin; give the list as a file")
    if (from_stdin or files_from == "-") and sys.stdin is not None and sys.stdin.isatty():
        _show_help(context)
        what = "pipe a picture into it" if from_stdin else "pipe a list of names into it"
        raise UsageError(f"-: stdin is a terminal; {what}")
    if dry_run:
        if json or json_file is not None:
            raise UsageError("--dry-run says what would be done, and --json what was; give one")
        return
    if output != "-" and (output is not None or not from_stdin):
        return
    if json and json_file is None:
        raise UsageError("--json and the picture both want stdout; give --json-file PATH, or -o a file")
    if sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("-o -: stdout is a terminal; send it into a file or a pipe, or give -o a file")


def _show_help(context: Any) -> None:
    """The command's help on stderr, since stdout may be a picture's."""
    with redirect_stdout(sys.stderr):
        typer.echo(context.get_help())
