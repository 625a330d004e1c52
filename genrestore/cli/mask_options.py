"""The options that say what is missing from a picture, and how it is filled."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from genrestore.cli.options import RESULTS, expand, parse_sigma, parse_whole
from genrestore.errors import UsageError
from genrestore.files.plan.jobs import Part

MASK = "What is missing"
LARGEST_GROWTH, LARGEST_FEATHER = 1000, 32


def parse_colour(value: str) -> tuple[int, int, int]:
    """A value of --mask-color to 8-bit red, green and blue.

    Raises:
        UsageError: Not six hexadecimal digits.
    """
    digits = value.removeprefix("#")
    if not re.fullmatch(r"[0-9a-fA-F]{6}", digits):
        raise UsageError(f"--mask-color {value}: must be six hexadecimal digits, such as '#ff00ff'")
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def parse_box(value: str) -> Part:
    """A value of --box.

    Raises:
        UsageError: Not x,y,width,height, or of no size.
    """
    return Part.parse(value, "--box", None)


def parse_grow(value: str | int) -> int:
    """A value of --grow.

    Raises:
        UsageError: Not a whole number from 0 to `LARGEST_GROWTH`.
    """
    return parse_whole("--grow", value, 0, LARGEST_GROWTH, "pixels")


def parse_feather(value: str | int) -> int:
    """A value of --feather.

    Raises:
        UsageError: Not a whole number from 0 to `LARGEST_FEATHER`.
    """
    return parse_whole("--feather", value, 0, LARGEST_FEATHER, "pixels")


def _path(value: str) -> Path:
    return Path(expand(value))


Mask = Annotated[
    Path | None,
    typer.Option(
        "--mask",
        "-m",
        metavar="PATH",
        parser=_path,
        rich_help_panel=MASK,
        help="A mask for all inputs, or a folder of masks by name: white is missing. "
        "The input's own alpha if nothing is named.",
    ),
]
InvertMask = Annotated[
    bool,
    typer.Option("--invert-mask", metavar="", rich_help_panel=MASK, help="Black is missing instead."),
]
MaskColour = Annotated[
    # A union with a tuple would be read as an option of three values.
    str | None,
    typer.Option(
        "--mask-color",
        metavar="'#RRGGBB'",
        rich_help_panel=MASK,
        help="Pixels of exactly this colour are missing.",
    ),
]
Box = Annotated[
    list[Part] | None,
    typer.Option(
        "--box",
        metavar="X,Y,W,H",
        parser=parse_box,
        rich_help_panel=MASK,
        help="This rectangle is missing, in pixels; may be given more than once.",
    ),
]
Grow = Annotated[
    int,
    typer.Option(
        "--grow",
        metavar="N",
        parser=parse_grow,
        rich_help_panel=MASK,
        help="Let the hole grow by N pixels on every side.",
    ),
]
Feather = Annotated[
    int,
    typer.Option(
        "--feather",
        metavar="N",
        parser=parse_feather,
        rich_help_panel=MASK,
        help="Inside the hole, go over from the picture to the result within N pixels, 0 to 32.",
    ),
]
ShowMask = Annotated[
    Path | None,
    typer.Option(
        "--show-mask",
        metavar="PATH",
        parser=_path,
        rich_help_panel=RESULTS,
        help="Also write the mask that was used, white is missing: a PNG file, a folder for several inputs.",
    ),
]
KnownSigma = Annotated[
    float,
    typer.Option(
        "--sigma",
        metavar="N",
        parser=parse_sigma,
        help="Noise level of the known pixels in 8-bit grey levels, 0 to 255. "
        "At 0 they come back to the bit, above it they are denoised too.",
    ),
]
