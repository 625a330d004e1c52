"""Which clean picture belongs to which picture: by name, with or without what genrestore adds to it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genrestore.errors import NoInputError, UsageError
from genrestore.files import folders, formats
from genrestore.files.formats import shown

if TYPE_CHECKING:
    from pathlib import Path


class CleanPictures:
    """One clean picture for all, or a folder of them by name.

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
        """The clean picture of `picture`; several if its name does not decide, none if there is none.

        The same name goes before the same stem, and a stem before one without "denoised": the clean picture
        of photo.denoised.png is photo.denoised.png, photo.denoised.*, photo.* in this order, never itself.
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
    """Say that a picture's name does not decide which clean picture is its own."""
    return f"several pictures are named like {name}: {', '.join(shown(path.name) for path in alike)}"


@dataclass(frozen=True)
class Pair:
    """A result, and its clean picture.

    Attributes:
        result: The picture to be judged.
        alike: The clean pictures of its name; one, if all is well.
        skipped: Why it is none, or None.
    """

    result: Path
    alike: list[Path]
    skipped: str | None = None


def plan(results: Path, clean: CleanPictures) -> list[Pair]:
    """Pair every result with the clean picture of its name.

    Raises:
        UsageError: No file or folder of results is there.
        NoInputError: The folder has no picture, or not one with a clean picture.
    """
    if not folders.is_folder(results):
        if not results.exists() and results.suffix.lower() not in formats.IMAGE_SUFFIXES:
            raise UsageError(f"RESULTS {shown(results)}: no such file or folder")
        return [Pair(results, clean.named_like(results))]
    listed = list(_listed(results).items())
    pairs = [Pair(path, [] if skipped else clean.named_like(path), skipped) for path, skipped in listed]
    waiting = [pair for pair in pairs if pair.skipped is None]
    if not waiting:
        raise NoInputError(f"{shown(results)}: no picture to compare")
    if not any(pair.alike for pair in waiting):
        first = shown(waiting[0].result.name)
        raise NoInputError(
            f"{shown(results)}: none of {len(waiting)} pictures has one of its name in {shown(clean.place)}; "
            f"for {first} it would be {shown(bare_stem(waiting[0].result))}.*"
        )
    return pairs


def _listed(folder: Path) -> dict[Path, str | None]:
    """Every entry of a folder, and why it is no result, or None; results of genrestore are what is wanted."""
    entries = {
        path: _reason_to_skip_own(path) if reason == folders.OWN_OUTPUT else reason
        for path, reason in folders.listed(folder)
    }
    waiting = [path for path, reason in entries.items() if reason is None]
    made = {bare_stem(path): path for path in waiting if bare_stem(path) != path.stem}
    for path in waiting:
        result = made.get(path.stem) or made.get(path.name)
        if result is not None and result != path:
            entries[path] = f"the input of {shown(result.name)}, which is compared"
    return entries


def _reason_to_skip_own(path: Path) -> str | None:
    if path.suffix.lower() not in formats.IMAGE_SUFFIXES and folders.content_format(path) is None:
        return "not a picture"
    infix = path.stem.rpartition(".")[2]
    if infix in folders.OWN_INFIXES and infix not in folders.RESULT_INFIXES:
        return "a sheet of several pictures, no result"
    return None


def left_over(pairs: list[Pair], clean: CleanPictures) -> list[Path]:
    """Clean pictures of the folder that no result belongs to."""
    taken = {path for pair in pairs for path in pair.alike}
    return [path for path in clean.pictures if path not in taken]
