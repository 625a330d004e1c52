"""The words of a plan: the user's about results, jobs, shares, rectangles."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from genrestore.errors import InputError, UsageError, shown

if TYPE_CHECKING:
    from genrestore.files.codecs.images import Array

Item = TypeVar("Item")
STDIO = "-"
"""Standard input and standard output, as they are written."""
MAX_PART = 2**22
"""Pixels of a part that is shown once a strength; more would make a sheet that no screen shows."""


@dataclass(frozen=True)
class Job:
    """One input, that was named or found in a folder that was, and what becomes of it.

    Attributes:
        source: The input; None is standard input.
        target: The output; None is standard output, or not planned yet.
        format: One of `formats.WRITABLE`; None: as the input's.
        skipped: Why there is nothing to do, or None.
        problem: Why it has failed before it began, one line, or None.
        mask: The file that says which pixels are missing, or None.
        avoid: The file that says from which ones texture is not copied, or None.
        inside: Folder of the input below the one that was named; results in a folder of their own mirror it.
    """

    source: Path | None
    target: Path | None = None
    format: str | None = None
    skipped: str | None = None
    problem: str | None = None
    mask: Path | None = None
    avoid: Path | None = None
    inside: Path = field(default=Path(), compare=False)

    @property
    def name(self) -> str:
        """The input as it is shown to the user."""
        return "standard input" if self.source is None else shown(self.source)

    @property
    def is_open(self) -> bool:
        """There is something to do."""
        return self.skipped is None and self.problem is None


@dataclass(frozen=True)
class Attachment:
    """A file that is written beside each output, besides pictures.

    Attributes:
        suffix: Of its name, without the first dot.
        infix: Of the output's name, which its own does without.
        content: Makes its bytes of what the restoring gave.
        what: What it is, in words.
        is_ours: Tells whether a file says that it is one.
    """

    suffix: str
    infix: str
    content: Callable[[Any], bytes]
    what: str
    is_ours: Callable[[Path], bool]

    def path(self, target: Path) -> Path:
        """Return its place: photo.latent.safetensors for photo.inverted.png and for photo.png."""
        return target.with_name(f"{target.stem.removesuffix(f'.{self.infix}')}.{self.suffix}")


@dataclass(frozen=True)
class Shard:
    """Share `index` of `count`, counted from 1, so that several processes do one folder without a word.

    Raises:
        UsageError: There is no such share.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            most = max(self.count, 1)
            raise UsageError(f"--shard {self}: K is counted from 1 to N, as in --shard 1/{most}")

    def __str__(self) -> str:
        """Spelling on the command line."""
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Make a shard of "K/N".

        Raises:
            UsageError: Anything else.
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and len(text) <= 20):
            raise UsageError(
                f"--shard {text}: write K/N, for example --shard 1/4 for the first of four shares"
            )
        return cls(int(index), int(count))

    def of(self, items: Sequence[Item]) -> list[Item]:
        """Return every `count`-th item, from item `index` on: over all shards, each is in exactly one."""
        return list(items[self.index - 1 :: self.count])


@dataclass(frozen=True)
class OutputOptions:
    """The user's words about inputs and outputs.

    Attributes:
        output: Value of --output: a file, a folder, "-" for standard output, or None for beside the input.
        infix: Goes between stem and suffix beside the input: photo.denoised.png.
        overwrite: Replace outputs that exist; an input is never replaced by it.
        in_place: Replace the inputs themselves.
        compare: A comparison is written beside each output, at `comparison_path`.
        recursive: Go into the folders of a folder.
        suffix: Value of --suffix: goes between stem and suffix instead of `infix`, in a folder too.
        format: Value of --format: one of `formats.WRITABLE`, whatever the input's is.
        skip_existing: Outputs that exist are no reason to refuse; see `skipping`.
        provenance: Outputs say how they were made.
        shard: Only this share of the inputs.
        attachment: What else is written beside each output, or None.
        drop_extras: An input may be replaced though a part of its file is lost.
        word: The option that named `output`, for messages; of another one than --output the format is not
            the user's.
    """

    output: str | None = None
    infix: str = "denoised"
    overwrite: bool = False
    in_place: bool = False
    compare: bool = False
    recursive: bool = False
    suffix: str | None = None
    format: str | None = None
    skip_existing: bool = False
    provenance: bool = True
    shard: Shard | None = None
    attachment: Attachment | None = None
    drop_extras: bool = False
    word: str = "--output"

    def beside(self, target: Path) -> list[Path]:
        """List what is written beside an output."""
        return beside(target, self.attachment, compare=self.compare)


def beside(target: Path, attachment: Attachment | None, *, compare: bool) -> list[Path]:
    """List what is written beside an output: the comparison, if there is one, and the attachment."""
    comparison = [comparison_path(target)] if compare else []
    return comparison + ([] if attachment is None else [attachment.path(target)])


def comparison_path(target: Path) -> Path:
    """Return the place of the comparison beside an output: photo.denoised.compare.png."""
    return target.with_name(f"{target.stem}.compare{target.suffix}")


@dataclass(frozen=True)
class Range:
    """The values of black and white in a file, as the user knows them."""

    low: float
    high: float

    def __str__(self) -> str:
        """Spelling on the command line."""
        return f"{self.low:g},{self.high:g}"

    @classmethod
    def parse(cls, text: str) -> Range:
        """Make a range of "LOW,HIGH".

        Raises:
            UsageError: Not two numbers, the smaller one first.
        """
        try:
            low, high = map(float, text.split(","))
        except ValueError:
            low = high = 0.0
        if not (low < high and math.isfinite(high - low)):
            raise UsageError(
                f"--range {text}: must be LOW,HIGH in the file's own values, LOW below HIGH, such as 0,1500"
            )
        return cls(low, high)


@dataclass(frozen=True)
class Part:
    """A rectangle of the upright picture, in pixels: left and upper edge from 0, sides from 1."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def parse(cls, value: str, word: str = "--preview", largest: int | None = MAX_PART) -> Part:
        """Make a rectangle of an option's value.

        Args:
            value: As it was written.
            word: The option, for messages.
            largest: Pixels that it may have; None: any number.

        Raises:
            UsageError: Not x,y,width,height, of no size, or too large.
        """
        numbers = value.split(",")
        if len(numbers) != 4 or not all(re.fullmatch(r"\s*[0-9]{1,9}\s*", number) for number in numbers):
            raise UsageError(f"{word} {value}: must be x,y,width,height in pixels, such as 40,30,256,192")
        part = cls(*map(int, numbers))
        if part.width * part.height == 0:
            raise UsageError(f"{word} {value}: width and height must be at least 1 pixel")
        if largest is not None and part.width * part.height > largest:
            raise UsageError(
                f"{word} {value}: the part may have {largest} pixels, since it is shown "
                "once a strength; take a smaller one"
            )
        return part

    def __str__(self) -> str:
        return f"{self.x},{self.y},{self.width},{self.height}"

    @property
    def region(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def of(self, pixels: Array, word: str = "--preview") -> Array:
        """Return the part of a picture, [..., height, width], as a view.

        Args:
            pixels: The picture.
            word: The option that named the part, for the message.

        Raises:
            InputError: It reaches outside the picture.
        """
        height, width = pixels.shape[-2:]
        if self.x + self.width > width or self.y + self.height > height:
            raise InputError(f"{word} {self} reaches outside the picture of {width} x {height} pixels")
        rows, columns = self.region
        return pixels[..., rows, columns]
