"""Inputs: what was named or listed, what is in folders, and which picture belongs to which by its name."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from genrestore.errors import UsageError, shown
from genrestore.files.codecs import formats
from genrestore.files.codecs.metadata import read_provenance
from genrestore.files.disk.atomic import is_temporary
from genrestore.files.plan.jobs import STDIO, Job, OutputOptions

RESULT_INFIXES = ("denoised", "inpainted", "inverted", "dejpeg", "restored")
OWN_INFIXES = (*RESULT_INFIXES, "compare", "preview")
OWN_OUTPUT = "an output of genrestore; name it to take it as an input"
SOURCE = "source_sha256"
"""The key of provenance that holds the input's sha256."""
MASK = "mask_sha256"
"""The key of provenance that holds the sha256 of the input's mask file, if it has one."""
AVOIDED = "avoid_sha256"
"""The same of the mask of what texture is not copied from."""
TOP = Path()
"""The folder itself, as a folder below it."""
_UTF8_MARK, _UTF16_MARKS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")


def is_folder(path: Path) -> bool:
    """Tell whether a folder can be seen there."""
    return stat.S_ISDIR(_mode(path))


def is_file(path: Path) -> bool:
    """Tell whether a regular file can be seen there."""
    return stat.S_ISREG(_mode(path))


def _mode(path: Path) -> int:
    """Type and rights of what is there; 0 where nothing can be seen."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def content_format(path: Path) -> str | None:
    """Return the format that a file's first bytes show; None where they cannot be read."""
    return formats.of_content(_header(path), path.suffix)


def result_format(path: Path) -> str:
    """Return the format of a file's result, if none is asked for: its own if that is written."""
    header = _header(path)
    content = formats.of_content(header, path.suffix)
    return "PNG" if content is None else formats.result_of(content, header)


def _header(path: Path) -> bytes:
    if not is_file(path):
        return b""
    try:
        with path.open("rb") as stream:
            return stream.read(formats.HEADER_BYTES)
    except OSError:
        return b""


def source_sha256(source: Path | io.BytesIO) -> str | None:
    """Return the sha256 of an input's bytes; None for a pipe, which can be read only once, or a lost file."""
    if isinstance(source, io.BytesIO):
        return hashlib.sha256(source.getbuffer()).hexdigest()
    if not is_file(source):
        return None
    sum = hashlib.sha256()
    try:
        with source.open("rb") as stream:
            while chunk := stream.read(2**20):
                sum.update(chunk)
    except OSError:
        return None
    return sum.hexdigest()


def mask_of(job: Job) -> dict[str, str | None]:
    """Return what a result says of its mask files: nothing if it has none."""
    files = {MASK: job.mask, AVOIDED: job.avoid}
    return {key: source_sha256(path) for key, path in files.items() if path is not None}


def read_list(source: Path | BinaryIO, *, null: bool = False) -> list[str]:
    """Return the names in a list, as they stand there: no pattern, no quotes and no ~ means anything.

    Convention: empty names are left out, and a name "-" is a file of that name.

    Args:
        source: The list's path, or a stream (standard input), which is read to its end.
        null: Names end with a NUL byte, as `find -print0` writes them, instead of a line's end.

    Raises:
        UsageError: The list cannot be read, or is none of that kind.
    """
    word = f"--files-from {shown(source) if isinstance(source, Path) else STDIO}"
    try:
        data = source.read_bytes() if isinstance(source, Path) else source.read()
    except OSError as error:
        raise UsageError(f"{word}: cannot be read ({error.strerror or error})") from error
    if null:
        names = data.split(b"\0")
    elif data.startswith(_UTF16_MARKS):
        raise UsageError(f"{word}: is UTF-16; save the list as UTF-8")
    elif b"\0" in data:
        raise UsageError(f"{word}: holds NUL bytes; add --null (-0), or give a list of one name a line")
    else:
        names = [name.removesuffix(b"\r") for name in data.removeprefix(_UTF8_MARK).split(b"\n")]
    decoded = [os.fsdecode(name) for name in names if name]
    return [os.path.join(os.curdir, name) if name == STDIO else name for name in decoded]  # noqa: PTH118


def sources(words: Sequence[str], options: OutputOptions) -> Iterator[Job]:
    """Yield a job for every file that the words mean, in their order, and for what is no input.

    A name that is reached twice is an input once, and in place so is a file that has several names. Else
    every name has a result of its own, be it that of a link.
    """
    seen: dict[str, Path] = {}
    for word in words:
        if word == STDIO:
            yield Job(None)
            continue
        path = Path(word)
        for found in tree(path, options) if is_folder(path) else [Job(path)]:
            if not found.is_open or (file := found.source) is None:
                yield found
                continue
            real = os.path.realpath(file if options.in_place else file.parent)
            key = real if options.in_place else os.path.join(real, file.name)  # noqa: PTH118
            first = seen.setdefault(key, file)
            same = "named before" if first.name == file.name else f"the same file as {shown(first)}"
            yield found if first is file else replace(found, skipped=same)


def tree(root: Path, options: OutputOptions) -> Iterator[Job]:
    """Yield a job for every file of a folder, in order of names; with `options.recursive` its folders follow.

    Convention: a link to a folder below `root` is not followed, so that there are no loops, and nothing
    outside of `root` is ever touched. genrestore's own temporary files are not listed at all.
    """
    own: tuple[str, ...] = OWN_INFIXES
    if options.output is None:  # the results will lie among the inputs
        own = (*own, options.suffix or options.infix)
    results = None if options.output is None else os.path.realpath(options.output)
    waiting = [TOP]
    while waiting:
        inside = waiting.pop()
        below = []
        try:
            entries = sorted((root / inside).iterdir())
        except OSError as error:
            problem = f"{shown(root / inside)}: the folder cannot be read ({error.strerror})"
            yield Job(root / inside, problem=problem, inside=inside)
            continue
        for path in entries:
            if is_temporary(path):
                continue
            if not is_folder(path):
                yield Job(path, skipped=reason_to_skip(path, own), inside=inside)
            elif reason := _reason_to_stay_out(path, options.recursive, results):
                yield Job(path, skipped=reason, inside=inside)
            else:
                below.append(inside / path.name)
        waiting += reversed(below)


def _reason_to_stay_out(folder: Path, recursive: bool, results: str | None) -> str | None:
    """The reason why a folder inside a folder is left alone, or None if it is gone into."""
    if not recursive:
        return "a folder inside the folder; -r goes into it"
    if folder.name.startswith("."):
        return "a hidden folder"
    if folder.is_symlink():
        return "a link to a folder; name it to take what is in it"
    return "the folder of the results" if os.path.realpath(folder) == results else None


def reason_to_skip(path: Path, own_infixes: Collection[str] = OWN_INFIXES) -> str | None:
    """Return the reason why a file of a folder is no input, or None if it is one.

    A picture is known by its suffix, or else by its content; a broken file with a picture's suffix is an
    input, and so is a picture of a kind that is not read, so that its failure is seen.
    """
    if path.name.startswith("."):
        return "a hidden file"
    mode = _mode(path)
    if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return "not a regular file"
    if any(path.stem.endswith(f".{infix}") for infix in own_infixes):
        return OWN_OUTPUT
    if path.suffix.lower() not in formats.IMAGE_SUFFIXES:
        header = _header(path)
        if formats.unreadable_kind(path.suffix, header) is not None:
            return None
        if formats.of_content(header, path.suffix) is None:
            return "not a picture"
    return None if read_provenance(path) is None else OWN_OUTPUT


class NamedPictures:
    """One picture for all, or a folder of them by name: clean pictures, masks.

    Args:
        place: The file or the folder.
        word: The option that named it, for messages.
        recursive: Also those in the folders of the folder; links to folders and hidden ones are left out.

    Raises:
        UsageError: It is not there, or the folder cannot be read.
    """

    def __init__(self, place: Path, word: str, *, recursive: bool = False) -> None:
        self.place = place
        self.is_folder = is_folder(place)
        self._folders: dict[Path, tuple[dict[str, list[Path]], dict[str, list[Path]]]] = {}
        if not os.path.lexists(place):
            raise UsageError(f"{word} {shown(place)}: no such file or folder")
        try:
            for inside, files in _files(place, recursive) if self.is_folder else ():
                by_stem: dict[str, list[Path]] = {}
                for path in files:
                    if path.suffix.lower() in formats.IMAGE_SUFFIXES:
                        by_stem.setdefault(path.stem, []).append(path)
                self._folders[inside] = {path.name: [path] for path in files}, by_stem
        except OSError as error:
            raise UsageError(f"{word} {shown(place)}: cannot be read ({error.strerror})") from error

    @property
    def pictures(self) -> list[Path]:
        """Pictures of the folder, known by its suffix; of a file, nothing."""
        return [path for _, by_stem in self._folders.values() for paths in by_stem.values() for path in paths]

    @classmethod
    def for_jobs(cls, place: Path, word: str, jobs: Sequence[Job]) -> NamedPictures:
        """Make those of a place for `of_job`: with pictures in folders, also those in its folders."""
        return cls(place, word, recursive=any(job.inside != TOP for job in jobs))

    @cached_property
    def _is_flat(self) -> bool:
        """No folder below holds a picture."""
        return not any(by_stem for inside, (_, by_stem) in self._folders.items() if inside != TOP)

    def of_job(self, job: Job) -> list[Path]:
        """Return the one of a job's input, as `named_like`.

        It is looked for in the folder that mirrors the input's; if no folder below `place` holds any, by name
        alone.
        """
        return self.named_like(job.source, TOP if self._is_flat else job.inside)

    def named_like(self, picture: Path | None, inside: Path = TOP) -> list[Path]:
        """Return the one of `picture`; several if its name does not decide, none if there is none.

        The same name goes before the same stem, and a stem before one without "denoised": that of
        photo.denoised.png is photo.denoised.png, photo.denoised.*, photo.* in this order, never itself.

        Args:
            picture: The picture; None is standard input.
            inside: The folder below `place` in which it is looked for.
        """
        if not self.is_folder:
            return [self.place]
        if picture is None or inside not in self._folders:
            return []
        own, both = os.path.realpath(picture), self._folders[inside]
        for word in (picture.name, picture.stem, bare_stem(picture)):
            for choice in both:
                if others := [path for path in choice.get(word, []) if os.path.realpath(path) != own]:
                    return others
        return []


def _files(place: Path, recursive: bool) -> Iterator[tuple[Path, list[Path]]]:
    """The files of a folder, and with `recursive` of those in it, by their folder below `place`."""
    waiting = [TOP]
    while waiting:
        inside = waiting.pop()
        entries = [path for path in sorted((place / inside).iterdir()) if not path.name.startswith(".")]
        yield inside, [path for path in entries if path.is_file()]
        if recursive:
            below = [path for path in entries if path.is_dir() and not path.is_symlink()]
            waiting += [inside / path.name for path in reversed(below)]


def bare_stem(picture: Path) -> str:
    """Return the stem of a picture without the infix of a result: photo for photo.denoised.png."""
    stem, _, infix = picture.stem.rpartition(".")
    return stem if stem and infix in RESULT_INFIXES else picture.stem


def several(name: str, alike: Sequence[Path]) -> str:
    """Return the message that a picture's name does not decide which one belongs to it."""
    return f"several pictures are named like {name}: {', '.join(shown(path.name) for path in alike)}"
