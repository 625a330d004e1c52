"""Which picture belongs to which by its name: a clean picture, a mask."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from genrestore.errors import UsageError
from genrestore.files.codecs import formats
from genrestore.files.codecs.formats import shown
from genrestore.files.plan import folders

TOP = Path()
"""The folder itself, as a folder below it."""


class _Folder:
    """The files of one folder by name, and its pictures by stem."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.by_name = {path.name: [path] for path in files}
        self.by_stem: dict[str, list[Path]] = {}
        for path in files:
            if path.suffix.lower() in formats.IMAGE_SUFFIXES:
                self.by_stem.setdefault(path.stem, []).append(path)


class NamedPictures:
    """One picture for all, or a folder of them by name.

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

    def named_like(self, picture: Path | None, inside: Path = TOP) -> list[Path]:
        """The one of `picture`; several if its name does not decide, none if there is none.

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
        own, folder = os.path.realpath(picture), self._folders[inside]
        for word in (picture.name, picture.stem, bare_stem(picture)):
            for choice in (folder.by_name.get(word, []), folder.by_stem.get(word, [])):
                if others := [path for path in choice if os.path.realpath(path) != own]:
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
    """The stem of a picture without the infix of a result: photo for photo.denoised.png."""
    stem, _, infix = picture.stem.rpartition(".")
    return stem if stem and infix in folders.RESULT_INFIXES else picture.stem


def several(name: str, alike: Sequence[Path]) -> str:
    """Say that a picture's name does not decide which one belongs to it."""
    return f"several pictures are named like {name}: {', '.join(shown(path.name) for path in alike)}"
