"""Which clean picture belongs to which picture: by name, with or without what genrestore adds to it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genrestore.errors import NoInputError, UsageError
from genrestore.files import folders, formats, trees
from genrestore.files.formats import shown
from genrestore.files.jobs import OutputOptions, Source

_TOP = Path()
"""The folder itself, as a folder below it."""


class _Folder:
    """The files of one folder by name, and its pictures by stem."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.by_name = {path.name: [path] for path in files}
        self.by_stem: dict[str, list[Path]] = {}
        for path in files:
            if path.suffix.lower() in formats.IMAGE_SUFFIXES:
                self.by_stem.setdefault(path.stem, []).append(path)


class CleanPictures:
    """One clean picture for all, or a folder of them by name.

    Args:
        place: The file or the folder.
        word: How the user named it, for messages.
        recursive: Also those in the folders of the folder; links to folders and hidden ones are left out.

    Raises:
        UsageError: It is not there, or the folder cannot be read.
    """

    def __init__(self, place: Path, word: str, *, recursive: bool = False) -> None:
        self.place = place
        self.is_folder = folders.is_folder(place)
        self._folders: dict[Path, _Folder] = {}
        if not os.path.lexists(place):
            raise UsageError(f"{word} {shown(place)}: no such file or folder")
        try:
            if self.is_folder:
                self._folders = {inside: _Folder(files) for inside, files in _files(place, recursive)}
        except OSError as error:
            raise UsageError(f"{word} {shown(place)}: cannot be read ({error.strerror})") from error

    @property
    def pictures(self) -> list[Path]:
        """Every picture of the folder, known by its suffix; of a file, nothing."""
        return [path for one in self._folders.values() for paths in one.by_stem.values() for path in paths]

    def named_like(self, picture: Path | None, inside: Path = _TOP) -> list[Path]:
        """The clean picture of `picture`; several if its name does not decide, none if there is none.

        The same name goes before the same stem, and a stem before one without "denoised": the clean picture
        of photo.denoised.png is photo.denoised.png, photo.denoised.*, photo.* in this order, never itself.

        Args:
            picture: The picture; None is standard input.
            inside: The folder below the clean ones in which they are looked for.
        """
        if not self.is_folder:
            return [self.place]
        if picture is None or inside not in self._folders:
            return []
        own, folder = os.path.realpath(picture), self._folders[inside]
        for word in (picture.name, picture.stem, bare_stem(picture)):
            for choice in (folder.by_name.get(word, []), folder.by_stem.get(word, [])):
                if others := [path for path in choice if os.path.realpath(path) != own]:
                    return others
        return []


def _files(place: Path, recursive: bool) -> Iterator[tuple[Path, list[Path]]]:
    """The files of a folder, and with `recursive` of those in it, by their folder below `place`."""
    waiting = [_TOP]
    while waiting:
        inside = waiting.pop()
        entries = [path for path in sorted((place / inside).iterdir()) if not path.name.startswith(".")]
        yield inside, [path for path in entries if path.is_file()]
        if recursive:
            below = [path for path in entries if path.is_dir() and not path.is_symlink()]
            waiting += [inside / path.name for path in reversed(below)]


def bare_stem(picture: Path) -> str:
    """The stem of a picture without the infix of a result: photo for photo.denoised.png."""
    stem, _, infix = picture.stem.rpartition(".")
    return stem if stem and infix in folders.RESULT_INFIXES else picture.stem


def several(name: str, alike: Sequence[Path]) -> str:
    """Say that a picture's name does not decide which clean picture is its own."""
    return f"several pictures are named like {name}: {', '.join(shown(path.name) for path in alike)}"


@dataclass(frozen=True)
class Pair:
    """A result, and its clean picture.

    Attributes:
        result: The picture to be judged.
        alike: The clean pictures of its name; one, if all is well.
        inside: Its folder below the one of all results.
        skipped: Why it is none, or None.
        problem: Why it cannot be looked at, or None.
    """

    result: Path
    alike: list[Path]
    inside: Path = _TOP
    skipped: str | None = None
    problem: str | None = None


def plan(results: Path, clean: CleanPictures, *, recursive: bool = False) -> list[Pair]:
    """Pair every result with the clean picture of its name.

    Args:
        results: A picture or a folder.
        clean: The clean pictures.
        recursive: Also results in the folders of the folder; those of sub/ belong to the clean ones of sub/.

    Raises:
        UsageError: No file or folder of results is there.
        NoInputError: The folder has no picture, or not one with a clean picture.
    """
    if not folders.is_folder(results):
        if not results.exists() and results.suffix.lower() not in formats.IMAGE_SUFFIXES:
            raise UsageError(f"RESULTS {shown(results)}: no such file or folder")
        return [Pair(results, clean.named_like(results))]
    pairs = list(_pairs(results, clean, recursive))
    waiting = [pair for pair in pairs if pair.skipped is None and pair.problem is None]
    if not waiting and not any(pair.problem for pair in pairs):
        raise NoInputError(f"{shown(results)}: no picture to compare")
    if waiting and not any(pair.alike for pair in waiting):
        first = shown(waiting[0].result.name)
        raise NoInputError(
            f"{shown(results)}: none of {len(waiting)} pictures has one of its name in {shown(clean.place)}; "
            f"for {first} it would be {shown(bare_stem(waiting[0].result))}.*"
        )
    return pairs


def _pairs(folder: Path, clean: CleanPictures, recursive: bool) -> Iterator[Pair]:
    """A pair for every entry of a folder; results of genrestore are what is wanted."""
    reasons = {
        source: _reason_to_skip(source) for source in trees.tree(folder, OutputOptions(recursive=recursive))
    }
    made = {
        (source.inside, bare_stem(source.path)): source.path
        for source, reason in reasons.items()
        if source.path and not (reason or source.problem) and bare_stem(source.path) != source.path.stem
    }
    for source, reason in reasons.items():
        path, inside = source.path or folder, source.inside
        result = made.get((inside, path.stem)) or made.get((inside, path.name))
        if reason is None and result is not None and result != path:
            reason = f"the input of {shown(result.name)}, which is compared"
        alike = [] if reason or source.problem else clean.named_like(path, inside)
        yield Pair(path, alike, inside, reason, source.problem)


def _reason_to_skip(source: Source) -> str | None:
    """Why an entry of a folder is no result, or None."""
    if source.skipped != folders.OWN_OUTPUT or source.path is None:
        return source.skipped
    suffix = source.path.suffix.lower()
    if suffix not in formats.IMAGE_SUFFIXES and folders.content_format(source.path) is None:
        return "not a picture"
    infix = source.path.stem.rpartition(".")[2]
    if infix in folders.OWN_INFIXES and infix not in folders.RESULT_INFIXES:
        return "a sheet of several pictures, no result"
    return None


def left_over(pairs: list[Pair], clean: CleanPictures) -> list[Path]:
    """Clean pictures of the folder that no result belongs to, by their paths below it."""
    taken = {path for pair in pairs for path in pair.alike}
    return [path.relative_to(clean.place) for path in clean.pictures if path not in taken]
