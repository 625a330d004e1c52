"""Options that several commands share, each declared once, and the words about the machine.

Grey levels become [0, 1] here and nowhere else.
"""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from genrestore.errors import UsageError
from genrestore.restore.settings import ONE_CLASS
from genrestore.restore.task import MOST_TIMES
from genrestore.runtime import DEVICES, MAX_SEED, MAX_THREADS, PRECISIONS
from genrestore.settings import setting

if TYPE_CHECKING:
    from genrestore.runtime import Runtime

GREY_LEVELS = 255
"""The largest 8-bit grey level: 1.0 inside the code."""

INPUTS, RESULTS = "Which inputs", "Where results go"
MACHINE, SCREEN = "Machine", "What is said"
MASK, FILLING = "What is missing", "How it is filled"
PRIOR, SEARCH = "Prior", ONE_CLASS


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


def _number(option: str, value: str | float, largest: int, meaning: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number <= largest:
        raise UsageError(f"{option} {value}: {meaning} must be a number from 0 to {largest}")
    return number


def check_stdout(word: str = "-o") -> None:
    """Refuse a picture for a terminal.

    Args:
        word: The option that says where it goes, for the message.

    Raises:
        UsageError: stdout is one.
    """
    if sys.stdout is not None and sys.stdout.isatty():
        raise UsageError(
            f"{word} -: stdout is a terminal; send it into a file or a pipe, or give {word} a file"
        )


def expand(path: str) -> str:
    """A leading ~ to the home folder, unless something of that very name is there.

    Raises:
        typer.BadParameter: The empty word, as of a variable that is not set; nobody means the current folder.
    """
    if not path:
        raise typer.BadParameter("empty; give a name, or . for the current folder")
    return path if os.path.lexists(path) else os.path.expanduser(path)  # noqa: PTH111 -- unknown users stay


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Options that several commands have: a field of such a name is such an option.

    Options:
        weights (NAME|PATH): A name of [bold]genrestore weights list[/bold], or a file.

    Options (Where results go):
        overwrite: Replace outputs that exist.
        max_pixels (N, 1 or more): Refuse larger pictures (250 million if left out).
        no_provenance: Do not note in the output how it was made.

    Options (What is said):
        reference (CLEAN): Clean picture, or a folder by name: show PSNR, SSIM.
        json: One JSON object an input, on stdout.
        json_file (PATH): The JSON objects into this file, as with -o -.
        report (FOLDER): A page of all, before and after: open its index.html.
        quiet (-q): Say nothing but errors.
    """

    weights: Annotated[str, expand]
    overwrite: bool = False
    max_pixels: int | None = None
    no_provenance: bool = False
    device: str = setting(
        "auto", "Where to compute.", panel=MACHINE, choices=DEVICES, envvar="GENRESTORE_DEVICE"
    )
    precision: str = setting("auto", "auto: bf16 where hardware has it.", panel=MACHINE, choices=PRECISIONS)
    threads: int | None = setting(
        None, "CPU threads; all cores if left out.", "N", panel=MACHINE, least=1, most=MAX_THREADS
    )
    seed: int = setting(
        0, "Of every random draw.", "N", panel=MACHINE, least=0, most=MAX_SEED, envvar="GENRESTORE_SEED"
    )
    reference: Path | None = None
    json: bool = False
    json_file: Path | None = None
    report: Path | None = None
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The words about where to compute, as `Runtime.create` takes them."""

    device: str = "auto"
    threads: int | None = None
    seed: int = 0
    precision = "fp32"

    @cached_property
    def runtime(self) -> Runtime:
        """The open choices settled; imports torch."""
        from genrestore.runtime import Runtime, load_torch

        load_torch()
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
