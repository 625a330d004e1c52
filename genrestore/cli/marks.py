"""The words of --find and --save-mask: what is missing is found, and may be written instead of a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from genrestore.cli.options import MASK, expand
from genrestore.cli.words import Words
from genrestore.errors import UsageError, WeightsError
from genrestore.files.plan.jobs import OutputOptions
from genrestore.restore.task import Task
from genrestore.settings import setting
from genrestore.weights.header import FINDER, MARKS

if TYPE_CHECKING:
    from genrestore.files.codecs.images import Array, Image

MOST_GROWN = 1000
"""Pixels."""


class Kinds(tuple[str, ...]):
    """Kinds of marks, each once."""

    __slots__ = ()


def parse(value: str) -> Kinds:
    """A value of --find: names of marks, with commas.

    Raises:
        UsageError: A name that is none, or none at all.
    """
    names = Kinds(dict.fromkeys(word.strip() for word in value.split(",")))
    for name in names:
        if name not in MARKS:
            raise UsageError(f"--find {value}: marks are {', '.join(MARKS)}; write several with commas")
    return names


@dataclass(frozen=True)
class Grow:
    """A value of --grow.

    Attributes:
        by: Pixels.
        auto: As far as an edge is seen, and by those pixels more.
    """

    by: int = 0
    auto: bool = False

    def __str__(self) -> str:
        """Spelling on the command line."""
        return "auto" if self.auto else str(self.by)

    @classmethod
    def parse(cls, value: str | Grow) -> Grow:
        """A value of --grow: pixels, or auto.

        Raises:
            UsageError: Neither.
        """
        if isinstance(value, Grow):
            return value
        if value.strip().lower() == "auto":
            return cls(auto=True)
        try:
            by = int(value)
        except ValueError as error:
            raise UsageError(f"--grow {value}: must be a number of pixels, or auto") from error
        if not 0 <= by <= MOST_GROWN:
            raise UsageError(f"--grow {value}: must be from 0 to {MOST_GROWN}, or auto")
        return cls(by)


@dataclass(frozen=True, kw_only=True)
class Finding(Words):
    """The words about marks that are found.

    Options (What is missing):
        find (MARKS): Find marks, and take them for missing: dust, scratches (hairs too) or hot (pixels);
            several with commas.
        finder (NAME|PATH): With --find: weights of a finder (photo-marks).
        grow (N|auto): Let the hole grow by N pixels on every side, 0 to 1000; auto: over the soft edge of
            what was marked, and what JPEG made around it.

    Options (Where results go):
        save_mask (PATH): Only write masks there, a file or a folder, for a hand to correct and for --mask;
            nothing is filled.
    """

    find: Annotated[Kinds | None, parse] = None
    sensitivity: float | None = setting(
        None,
        "With --find: take marks for X times as likely; above 1 finds more, true and false (1).",
        "X",
        panel=MASK,
        above=0,
        most=1e6,
    )
    finder: Annotated[str | None, expand] = None
    grow: Annotated[Grow, Grow.parse] = Grow()
    save_mask: Annotated[str | None, expand] = None

    @cached_property
    def sought(self) -> dict[str, str | float]:
        """The record of the marks that are looked for; empty where none are.

        Raises:
            UsageError: It is said how they are looked for, and not which.
            WeightsError: The finder is missing, or is none.
        """
        for word, given in (("--sensitivity", self.sensitivity), ("--finder", self.finder)):
            if given is not None and not self.find:
                raise UsageError(f"{word}: is about --find, which says what to look for; give both")
        if not self.find:
            return {}
        from genrestore.weights.store import choose

        chosen = choose(self.finder or FINDER)
        if chosen.header.kind != "finder":
            raise WeightsError(
                f"--finder {chosen.name}: weights of kind '{chosen.header.kind}', and marks need a finder"
            )
        return {
            "find": ",".join(self.find),
            "sensitivity": self.sensitivity or 1.0,
            "finder_sha256": chosen.header.sha256,
        }

    @staticmethod
    def with_edges(pixels: Any, missing: Any) -> Any:
        """Missing pixels of [1, channel, height, width] with their edges, bool [height, width]."""
        from genrestore.restore.edges import with_edges

        return with_edges(pixels, missing)

    def found(self, pixels: Any) -> Any:
        """Marks of a picture [1, channel, height, width]: bool [height, width]."""
        return self._marks(pixels)

    @cached_property
    def _marks(self) -> Any:
        runtime = self.runtime
        from genrestore.restore.marks import Marks

        return Marks(self.find or (), self.sensitivity or 1.0, self.finder or FINDER, runtime)

    def wanted(self, named: Sequence[str]) -> OutputOptions:
        """The words about results; with --save-mask those about masks, which are written in their place.

        Raises:
            UsageError: An option that is about results.
        """
        usual = super().wanted(named)
        if self.save_mask is None:
            return usual
        about_results = {
            "-o": usual.output,
            "--in-place": usual.in_place,
            "--compare": usual.compare,
            "--suffix": usual.suffix,
            "--format": usual.format,
            "--show-mask": self.value("show_mask"),
            "--reference": self.reference,
            "--report": self.report,
            "--feather": self.value("feather"),
            "--sigma": self.value("sigma"),
            "--fill": self.value("fill") != self.damage.request.fill,
            "--from": self.value("source"),
            "--avoid": self.value("avoid"),
        }
        for word, given in about_results.items():
            if given:
                raise UsageError(f"--save-mask writes masks and fills nothing, so {word} is for another run")
        return replace(usual, output=self.save_mask, infix="mask", format="PNG", word="--save-mask")

    @property
    def place(self) -> tuple[str, str | None]:
        """Option that says where results, or masks in their place, go, and its value."""
        return super().place if self.save_mask is None else ("--save-mask", self.save_mask)

    @property
    def kind_of_result(self) -> dict[str, str]:
        """The record of masks that are written in the place of results."""
        return {} if self.save_mask is None else {"result": "mask"}

    def instead(self, task: Task, settings: Any) -> tuple[Callable[[], Any], Any] | None:
        """Restoring that gives masks, for --save-mask, and the options of their batch."""
        if self.save_mask is None:
            return super().instead(task, settings)
        return lambda: _masks, replace(settings, finish=_shown)


def _masks(pictures: Sequence[Any], on_progress: Callable[[float], None]) -> list[Any]:
    """The masks of pictures in the place of results, white is missing."""
    import numpy as np

    from genrestore.restore.task import Restored

    on_progress(1.0)
    return [Restored(pixels=np.where(one.known, 0, 255).astype(np.uint8)) for one in pictures]


def _shown(image: Image, mask: Array) -> Image:  # noqa: ARG001
    """A mask [1, 1, height, width] as a picture of its own."""
    from genrestore.files.codecs.images import Image
    from genrestore.files.codecs.metadata import Metadata

    return Image(mask, None, Metadata("PNG", "L"))
