"""``--report``: one page in a folder that shows every picture before and after, from disk and offline.

The page links the pictures where they are; beside it are small JPEGs only. Everything stands in the page
without JavaScript, which sorts and compares.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shlex
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from genrestore import __version__
from genrestore.cli import thumbnails
from genrestore.errors import GenrestoreError, InputError, UsageError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Template

    from genrestore.cli.report import Scores
    from genrestore.files.codecs.images import Image
    from genrestore.files.work.batch import Outcome

PAGE, SMALL = "index.html", "report-files"
"""Contents of the folder: the page, and the folder of its small pictures."""
MARK = b'<meta name="generator" content="genrestore report">'
"""Mark at the beginning of a page of ours."""
CANNOT_BE_DRAWN = (GenrestoreError, OSError, MemoryError)
_BEGINNING = 2000
_NAME_OF_SMALL = re.compile(r"\d{5}(-before|-after)?\.jpg")
_HERE = Path(__file__).parent
_SAFE = "/-._~!$&()*+,=@"
"""Signs that stand for themselves in the path of a link, besides letters and digits."""


@dataclass(frozen=True)
class Entry:
    """Outcome of one input.

    Attributes:
        source: The input; None is standard input.
        target: Its result, made now or found done; None where there is no file of it.
        status: "done", "skipped" or "failed".
        seconds: That it took.
        sigma: Noise level in grey levels, or None.
        psnr: Of the result, in decibels; None where it was not compared.
        ssim: Of the result, likewise.
        gain: Decibels that it is nearer to the clean picture than the input, likewise.
        notes: What the user is told, one sentence each.
        error: Why it failed or was skipped, or None.
    """

    source: Path | None
    target: Path | None
    status: str
    seconds: float = 0.0
    sigma: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    gain: float | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Side:
    """A picture of a comparison, as the page links it.

    Attributes:
        link: To the picture itself.
        shown: What a browser shows of it: the picture, or its preview.
    """

    link: str
    shown: str


@dataclass(frozen=True)
class Tile:
    """An entry as the page shows it.

    Attributes:
        entry: What became of the input.
        before: The input, where there is one still.
        after: The result, where there is one.
        thumbnail: Link, width and height of the small picture; None where none could be made.
        remarks: The entry's notes, and what is said of the small pictures.
    """

    entry: Entry
    before: Side | None
    after: Side | None
    thumbnail: tuple[str, int, int] | None
    remarks: tuple[str, ...]


@dataclass
class Page:
    """Gathers what became of the inputs, and writes the page.

    Attributes:
        folder: Where the page goes.
        words: The words of the command line, without the program's name.
        max_pixels: Pictures of more than these have no thumbnail; None takes the usual limit.

    Raises:
        UsageError: The folder holds something, and no page of ours.
    """

    folder: Path
    words: Sequence[str]
    max_pixels: int | None = None
    tiles: list[Tile] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_folder(self.folder)
        self._renewed = False

    def add(self, entry: Entry) -> None:
        """Take in what became of an input, and make its small pictures.

        A picture that cannot be drawn costs the page its thumbnail, never the run its result.
        """
        number = len(self.tiles) + 1
        in_place = entry.source is not None and entry.source == entry.target
        remarks = [*entry.notes, *(["replaced in place: nothing to compare with"] if in_place else [])]
        before, trouble = self._side(None if in_place else entry.source, number, "before")
        if entry.status != "failed":  # of which the reason is told
            remarks += trouble
        after, trouble = self._side(entry.target, number, "after")
        remarks += trouble
        thumbnail = None
        if entry.target is not None and not trouble:
            try:
                thumbnail = self._thumbnail(entry.target, number)
            except CANNOT_BE_DRAWN as error:
                remarks.append(f"not drawn: {error}")
        self.tiles.append(Tile(entry, before, after, thumbnail, tuple(remarks)))

    def add_outcome(self, outcome: Outcome, status: str, error: str | None, scores: Scores | None) -> None:
        """Take in an outcome; the arguments are those of `report.record`."""
        from genrestore.cli.options import to_grey_levels
        from genrestore.cli.report import finite

        job, target = outcome.job, outcome.target
        level = None if outcome.findings is None else outcome.findings.noise_level
        if target is None and status == "skipped" and job.target is not None and job.target.is_file():
            target = job.target
        figures = (None, None, None) if scores is None else (scores.psnr, scores.ssim, scores.gain)
        psnr, ssim, gain = (None if value is None else finite(value) for value in figures)
        sigma = None if level is None else to_grey_levels(level)
        notes = (*outcome.notes, *(scores.notes if scores else ()))
        why = error or job.skipped
        self.add(Entry(job.source, target, status, outcome.seconds, sigma, psnr, ssim, gain, notes, why))

    def write(self) -> Path:
        """Write the page.

        Returns:
            Its path.

        Raises:
            InputError: It cannot be written; one line with its path.
        """
        from genrestore.files.disk.atomic import atomic

        self._renew()
        html = _template().render(self._content())
        path = self.folder / PAGE
        with atomic(path) as stream:
            stream.write(html.encode("utf-8", "backslashreplace"))
        return path

    def _content(self) -> dict[str, object]:
        """Values that the template is filled with."""
        from markupsafe import Markup

        style, script = (
            (_HERE / f"report_page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js")
        )
        entries = [tile.entry for tile in self.tiles]
        named = _named(self.tiles)
        return {
            "version": __version__,
            "made": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
            "command": shown(shlex.join(["genrestore", *self.words])),
            "folder": shown(_absolute(self.folder)),
            "pictures": [(name, tile) for name, tile in named if tile.after is not None],
            "failed": [(name, tile) for name, tile in named if tile.entry.status == "failed"],
            "skipped": [
                (name, tile) for name, tile in named if tile.entry.status == "skipped" and tile.after is None
            ],
            "counts": {
                status: sum(entry.status == status for entry in entries)
                for status in ("done", "skipped", "failed")
            },
            "means": {
                what: sum(found) / len(found)
                for what in ("psnr", "ssim", "gain")
                if (found := [value for one in entries if (value := getattr(one, what)) is not None])
            },
            "sorts": [
                what
                for what in ("sigma", "gain", "psnr", "seconds")
                if any(getattr(entry, what) is not None for entry in entries)
            ],
            "style": Markup(style),  # our own files, without a word of the user's
            "script": Markup(script),
            "style_hash": _hash(style),
            "script_hash": _hash(script),
        }

    def _thumbnail(self, path: Path, number: int) -> tuple[str, int, int]:
        """Make the small picture of a result."""
        small = self._place(f"{number:05}.jpg")
        width, height = thumbnails.save(self._read(path), small, thumbnails.THUMBNAIL, path)
        return f"{SMALL}/{small.name}", width, height

    def _side(self, path: Path | None, number: int, name: str) -> tuple[Side | None, list[str]]:
        """A picture of the comparison, previewed if browsers do not show its format; why it could not be."""
        if path is None:
            return None, []
        link = self._link(path)
        try:
            if thumbnails.is_shown_by_browsers(path):
                return Side(link, link), []
            small = self._place(f"{number:05}-{name}.jpg")
            thumbnails.save(self._read(path), small, thumbnails.PREVIEW, path)
        except CANNOT_BE_DRAWN as error:
            return Side(link, link), [f"not drawn: {error}"]
        return Side(link, f"{SMALL}/{small.name}"), []

    def _read(self, path: Path) -> Image:
        from genrestore.files.codecs import images

        limit = images.DEFAULT_MAX_PIXELS if self.max_pixels is None else self.max_pixels
        return images.read(path, max_pixels=limit)

    def _place(self, name: str) -> Path:
        """Place of a small picture."""
        self._renew()
        (self.folder / SMALL).mkdir(parents=True, exist_ok=True)
        return self.folder / SMALL / name

    def _renew(self) -> None:
        """Take away the small pictures of an old page; once, before the first file is written."""
        if self._renewed:
            return
        self._renewed = True
        if (self.folder / PAGE).is_file():
            for path in (self.folder / SMALL).glob("*.jpg"):
                if _NAME_OF_SMALL.fullmatch(path.name):
                    path.unlink()

    def _link(self, path: Path) -> str:
        """A link from the page to a picture, relative so that both can be moved together."""
        target = _absolute(path)
        try:
            words = os.path.relpath(target, _absolute(self.folder))
        except ValueError:  # another drive
            return target.as_uri()
        return quote(os.fsencode(words.replace(os.sep, "/")), safe=_SAFE)


def check_folder(folder: Path) -> None:
    """Find out before the work whether a report may go into a folder; makes nothing.

    Raises:
        UsageError: It is no folder, or holds something else than a report.
    """
    from genrestore.files.disk.atomic import check_writable

    try:
        if not os.path.lexists(folder):
            check_writable(folder / PAGE)
            return
        if not folder.is_dir():
            raise UsageError(f"--report {shown(folder)}: is a file; name a folder")
        if not any(folder.iterdir()):
            check_writable(folder / PAGE)
            return
        with (folder / PAGE).open("rb") as stream:
            ours = MARK in stream.read(_BEGINNING)
        check_writable(folder / PAGE)
    except FileNotFoundError:
        ours = False
    except InputError as error:
        raise UsageError(f"--report {error}") from error
    except OSError as error:
        raise UsageError(f"--report {shown(folder)}: cannot be looked at ({error.strerror})") from error
    if not ours:
        raise UsageError(f"--report {shown(folder)}: holds files, and no report; name a new or empty folder")


def _template() -> Template:
    """The page, with everything that is filled in escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(_HERE, encoding="utf-8")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["shown"] = shown
    return environment.get_template("report_page.html")


def _hash(text: str) -> str:
    """Name that a content security policy has for the one style or script that may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _named(tiles: Sequence[Tile]) -> list[tuple[str, Tile]]:
    """Tiles by name: the input's, without the folders that all inputs share; 9 goes before 10."""
    sources = {number: _absolute(tile.entry.source) for number, tile in enumerate(tiles) if tile.entry.source}
    try:
        shared = len(os.path.commonpath([source.parent for source in sources.values()])) if sources else 0
    except ValueError:  # several drives
        shared = 0
    names = [
        shown(os.fspath(sources[number])[shared:].lstrip(os.sep)) if number in sources else "standard input"
        for number in range(len(tiles))
    ]
    return sorted(zip(names, tiles, strict=True), key=lambda named: _natural(named[0]))


def _natural(name: str) -> list[tuple[int, str]]:
    """Key that names are sorted by: numbers in them by their size."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(part) if number % 2 else 0, part) for number, part in enumerate(parts)]


def _absolute(path: Path) -> Path:
    """A path from the root, through the links that it names; only where it goes up are they followed.

    A browser takes the names of a link as they are, as the user sees them.
    """
    return path.resolve() if ".." in path.parts else path.absolute()
