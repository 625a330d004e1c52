"""Which picture belongs to which by its name: a clean picture, a mask."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from genrestore.errors import UsageError
from genrestore.files import folders, formats
from genrestore.files.formats import shown


class NamedPictures:
    """One picture for all, or a folder of them by name.

    Args:
        place: The file or the folder.
        word: How the user named it, for messages.

    Raises:
        UsageError: It is not there, or the folder cannot be read.
    """

    def __init__(self, place: Path, word: str) -> None:
        self.place = place
        self.is_folder = folders.is_folder(place)
        if not os.path.lexists(place):
            raise UsageError(f"{word} {shown(place)}: no such file or folder")
        try:
            entries = sorted(place.iterdir()) if self.is_folder else []
            files = [path for path in entries if path.is_file() and not path.name.startswith(".")]
        except OSError as error:
            raise UsageError(f"{word} {shown(place)}: cannot be read ({error.strerror})") from error
        self._by_name = {path.name: path for path in files}
        self._by_stem: dict[str, list[Path]] = {}
        for path in files:
            if path.suffix.lower() in formats.IMAGE_SUFFIXES:
                self._by_stem.setdefault(path.stem, []).append(path)

    @property
    def pictures(self) -> list[Path]:
        """Every picture of the folder, known by its suffix; of a file, nothing."""
        return [path for paths in self._by_stem.values() for path in paths]

    def named_like(self, picture: Path | None) -> list[Path]:
        """The one of `picture`; several if its name does not decide, none if there is none.

        The same name goes before the same stem, and a stem before one without "denoised": that of
        photo.denoised.png is photo.denoised.png, photo.denoised.*, photo.* in this order, never itself.
        """
        if not self.is_folder:
            return [self.place]
        if picture is None:
            return []
        own = os.path.realpath(picture)
        for word in (picture.name, picture.stem, bare_stem(picture)):
            exact = [self._by_name[word]] if word in self._by_name else []
            for choice in (exact, self._by_stem.get(word, [])):
                if others := [path for path in choice if os.path.realpath(path) != own]:
                    return others
        return []


def bare_stem(picture: Path) -> str:
    """The stem of a picture without the infix of a result: photo for photo.denoised.png."""
    stem, _, infix = picture.stem.rpartition(".")
    return stem if stem and infix in folders.RESULT_INFIXES else picture.stem


def several(name: str, alike: Sequence[Path]) -> str:
    """Say that a picture's name does not decide which one belongs to it."""
    return f"several pictures are named like {name}: {', '.join(shown(path.name) for path in alike)}"
