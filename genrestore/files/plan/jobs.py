"""What a plan is made of: sources that were found, the user's words about results, and jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genrestore.files.codecs.formats import shown
from genrestore.files.plan.shards import Shard

STDIO = "-"
"""How standard input and standard output are written."""


@dataclass(frozen=True)
class Source:
    """Something that was named, or found in a folder that was.

    Attributes:
        path: The file; None is standard input.
        inside: Its folder below the one that was named; results in a folder of their own mirror it.
        skipped: Why it is no input, or None.
        problem: Why it cannot be looked at, or None.
    """

    path: Path | None
    inside: Path = Path()
    skipped: str | None = None
    problem: str | None = None

    @property
    def is_input(self) -> bool:
        """Whether there is something to restore."""
        return self.skipped is None and self.problem is None


@dataclass(frozen=True)
class Job:
    """One input and what becomes of it.

    Attributes:
        source: The input; None is standard input.
        target: The output; None is standard output.
        format: One of `formats.WRITABLE`; None: as the input's.
        skipped: Why there is nothing to do, or None.
        problem: Why it has failed before it began, one line, or None.
        mask: The file that says which pixels are missing, or None.
    """

    source: Path | None
    target: Path | None
    format: str | None
    skipped: str | None = None
    problem: str | None = None
    mask: Path | None = None

    @property
    def name(self) -> str:
        """The input as it is shown to the user."""
        return "standard input" if self.source is None else shown(self.source)

    @property
    def is_open(self) -> bool:
        """Whether there is something to do."""
        return self.skipped is None and self.problem is None


@dataclass(frozen=True)
class Attachment:
    """A file that is written beside each output, besides pictures.

    Attributes:
        suffix: Of its name, without the first dot.
        infix: Of the output's name, which its own does without.
        content: Its bytes, of what the restoring gave.
        what: What it is, in words.
        is_ours: Whether a file says that it is one.
    """

    suffix: str
    infix: str
    content: Callable[[Any], bytes]
    what: str
    is_ours: Callable[[Path], bool]

    def path(self, target: Path) -> Path:
        """Where that of an output goes: photo.latent.safetensors for photo.inverted.png and for photo.png."""
        return target.with_name(f"{target.stem.removesuffix(f'.{self.infix}')}.{self.suffix}")


@dataclass(frozen=True)
class OutputOptions:
    """The user's words about inputs and outputs.

    Attributes:
        output: Value of --output: a file, a folder, "-" for standard output, or None for beside the input.
        infix: What goes between stem and suffix beside the input: photo.denoised.png.
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

    def beside(self, target: Path) -> list[Path]:
        """What is written beside an output."""
        return beside(target, self.attachment, compare=self.compare)


def beside(target: Path, attachment: Attachment | None, *, compare: bool) -> list[Path]:
    """What is written beside an output: the comparison, if there is one, and the attachment."""
    comparison = [comparison_path(target)] if compare else []
    return comparison + ([] if attachment is None else [attachment.path(target)])


def comparison_path(target: Path) -> Path:
    """Where the comparison beside an output goes: photo.denoised.compare.png."""
    return target.with_name(f"{target.stem}.compare{target.suffix}")
