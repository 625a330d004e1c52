"""Options that several commands share, each declared once, and the words about the machine.

Grey levels become [0, 1] here and nowhere else.
"""

from __future__ import annotations

import inspect
import math
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_args, get_type_hints

import typer

from genrestore.errors import UsageError
from genrestore.restore.task import MOST_TIMES
from genrestore.runtime import MAX_SEED, MAX_THREADS

if TYPE_CHECKING:
    from genrestore.runtime import Runtime

GREY_LEVELS = 255
"""The largest 8-bit grey level: 1.0 inside the code."""

INPUTS, RESULTS = "Which inputs", "Where results go"
MACHINE, SCREEN = "Machine", "What is said"


def flag(*names: str, help: str, panel: str | None = None) -> Any:
    """A switch of the command line, in a panel of the help."""
    return typer.Option(*names, metavar="", rich_help_panel=panel, help=help)


def described(words: type) -> dict[str, Any]:
    """The options that the docstring of a class of words describes, by field.

    A section "Options (PANEL):" has an entry "FIELD (NAMES METAVAR): HELP" for each; its name is that of the
    field where no other is told, and its type, default and parser are those of the field.
    """
    hints = get_type_hints(words, include_extras=True)
    found = dict[str, Any]()
    for paragraph in inspect.cleandoc(words.__doc__ or "").split("\n\n"):
        title, _, entries = paragraph.partition("\n")
        heading = re.fullmatch(r"Options(?: \((.*)\))?:", title)
        for entry in re.split(r"\n    (?! )", "\n" + entries)[1:] if heading else ():
            told = re.fullmatch(r"(\w+)(?: \((.*?)\))?: (.*)", " ".join(entry.split()))
            assert told is not None, entry
            assert heading is not None
            found[told[1]] = _option(told[1], told[2] or "", told[3], heading[1], hints[told[1]])
    return found


def _option(name: str, given: str, help: str, panel: str | None, hint: Any) -> Any:
    """The type of a field with its option."""
    type_, *parsers = get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
    names = [word for word in given.split() if word.startswith("-")]
    metavar = " ".join(word for word in given.split() if not word.startswith("-")) or None
    if not any(word.startswith("--") for word in names):
        names.insert(0, "--" + name.replace("_", "-"))
    if not parsers and type_ == Path | None:
        parsers = [expand_path]
    parser = parsers[0] if parsers else None
    option = typer.Option(
        *names, metavar="" if type_ is bool else metavar, parser=parser, rich_help_panel=panel, help=help
    )
    return Annotated[type_, option]


def is_given(context: typer.Context, name: str) -> bool:
    """True for a parameter that was written on the command line, rather than left at its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def to_unit(grey_levels: float) -> float:
    """A noise level in 8-bit grey levels, 0 to 255, to the [0, 1] scale."""
    return grey_levels / GREY_LEVELS


def to_grey_levels(noise_level: float) -> float:
    """A noise level on the [0, 1] scale to 8-bit grey levels, 0 to 255."""
    return noise_level * GREY_LEVELS


def parse_sigma(value: str | float) -> float:
    """A value of --sigma in grey levels to a noise level on the [0, 1] scale.

    Raises:
        UsageError: Not a number from 0 to 255.
    """
    return to_unit(_number("--sigma", value, GREY_LEVELS, "a noise level in grey levels"))


class NoiseLevel(NamedTuple):
    """A noise level as --sigma has it.

    Attributes:
        level: σ on the [0, 1] scale, or None where it is estimated.
        factor: Take this many times the estimate.
    """

    level: float | None = None
    factor: float = 1.0


def parse_noise_level(value: str | float | NoiseLevel) -> NoiseLevel:
    """A value of --sigma: grey levels, or a multiple of the estimate such as 2x.

    Raises:
        UsageError: Neither a number from 0 to 255 nor a multiple above 0.
    """
    if isinstance(value, NoiseLevel):
        return value
    text = str(value).strip().lower()
    if not text.endswith("x"):
        return NoiseLevel(parse_sigma(value))
    try:
        factor = _number("--sigma", text[:-1], MOST_TIMES, "how many times the estimate")
    except UsageError as error:
        raise UsageError(
            f"--sigma {value}: such as 2x, up to {MOST_TIMES}x, is times the estimate"
        ) from error
    if factor == 0:
        raise UsageError(f"--sigma {value}: must be above 0 times the estimate; --sigma 0 keeps the picture")
    return NoiseLevel(factor=factor)


def parse_strength(value: str | float, word: str = "--strength") -> float:
    """A value of --strength, --luma or --chroma.

    Raises:
        UsageError: Not a number from 0 to 1.
    """
    try:
        return _number(word, value, 1, "the share of the restored picture")
    except UsageError as error:
        if not _is_above(value, 1):
            raise
        raise UsageError(f"{error}; for more, take a higher noise level: --sigma 2x") from error


def _is_above(value: str | float, limit: float) -> bool:
    try:
        return float(value) > limit
    except ValueError:
        return False


def _number(option: str, value: str | float, largest: int, meaning: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number <= largest:
        raise UsageError(f"{option} {value}: {meaning} must be a number from 0 to {largest}")
    return number


def parse_threads(value: str | int) -> int:
    """A value of --threads.

    Raises:
        UsageError: Not a whole number from 1 to `MAX_THREADS`.
    """
    return parse_whole("--threads", value, 1, MAX_THREADS)


def parse_max_pixels(value: str | int) -> int:
    """A value of --max-pixels.

    Raises:
        UsageError: Not a whole number from 1.
    """
    return parse_whole("--max-pixels", value, 1)


def parse_seed(value: str | int) -> int:
    """A value of --seed or GENRESTORE_SEED.

    Raises:
        UsageError: Not a whole number from 0 to 2**63 - 1.
    """
    return parse_whole("--seed", value, 0)


def parse_whole(option: str, value: str | int, least: int, most: int = MAX_SEED, of: str = "") -> int:
    """A value that is a whole number.

    Args:
        option: As the user writes it.
        value: What was given.
        least: The least that is taken.
        most: The most.
        of: What is counted, in a word.

    Raises:
        UsageError: No whole number, or out of its range.
    """
    try:
        number = int(value)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise UsageError(
            f"{option} {value}: must be a whole number{of and f' of {of}'} from {least} to {most}"
        )
    return number


def expand(path: str) -> str:
    """A leading ~ to the home folder, unless something of that very name is there.

    Raises:
        typer.BadParameter: The empty word, as of a variable that is not set; nobody means the current folder.
    """
    if not path:
        raise typer.BadParameter("empty; give a name, or . for the current folder")
    return path if os.path.lexists(path) else os.path.expanduser(path)  # noqa: PTH111 -- unknown users stay


def expand_path(path: str | Path) -> Path:
    """A value that is a path, with a leading ~ expanded."""
    return Path(expand(os.fspath(path)))


Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", metavar="", rich_help_panel=RESULTS, help="Replace outputs that exist."),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        "--max-pixels",
        metavar="N",
        parser=parse_max_pixels,
        rich_help_panel=RESULTS,
        show_default=False,
        help="Refuse larger pictures, which may be decompression bombs (250 million if left out).",
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        "--weights",
        metavar="NAME|PATH",
        parser=expand,
        help="The prior: a name of [bold]genrestore weights list[/bold], or a file.",
    ),
]
NoProvenance = Annotated[
    bool,
    flag(
        "--no-provenance",
        panel=RESULTS,
        help="Do not note tool, weights, options, seed and the input's sha256 in the output's metadata.",
    ),
]
Reference = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        metavar="CLEAN",
        parser=expand_path,
        rich_help_panel=SCREEN,
        help="A clean picture, or a folder of them by name: show PSNR and SSIM of the written file.",
    ),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"],
    typer.Option(
        "--device",
        envvar="GENRESTORE_DEVICE",
        show_envvar=True,
        rich_help_panel=MACHINE,
        help="Where to compute.",
    ),
]
Precision = Annotated[
    Literal["auto", "fp32", "bf16"],
    typer.Option(
        "--precision", rich_help_panel=MACHINE, help="auto takes bf16 where the hardware multiplies in it."
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        parser=parse_threads,
        rich_help_panel=MACHINE,
        help="CPU threads; all cores if left out.",
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N",
        envvar="GENRESTORE_SEED",
        show_envvar=True,
        parser=parse_seed,
        rich_help_panel=MACHINE,
        help="Of every random draw.",
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", metavar="", rich_help_panel=SCREEN, help="One JSON object an input, on stdout."),
]
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json-file",
        metavar="PATH",
        parser=expand_path,
        rich_help_panel=SCREEN,
        help="The JSON objects into this file instead, for example with -o -.",
    ),
]
ReportFolder = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FOLDER",
        parser=expand_path,
        rich_help_panel=SCREEN,
        help="Make a page of all pictures, before and after, in this folder: open its index.html.",
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", metavar="", rich_help_panel=SCREEN, help="Say nothing but errors."),
]


@dataclass(frozen=True)
class Machine:
    """The words about where to compute, as `Runtime.create` takes them."""

    device: str
    precision: str
    threads: int | None
    seed: int

    @cached_property
    def runtime(self) -> Runtime:
        """The open choices settled; imports torch."""
        from genrestore.cli import loading
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
