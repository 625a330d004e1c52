"""Which clean picture belongs to which picture: by name, with or without what genrestore adds to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from genrestore.errors import NoInputError, UsageError
from genrestore.files import folders, formats
from genrestore.files.by_name import NamedPictures, bare_stem
from genrestore.files.formats import shown

if TYPE_CHECKING:
    from pathlib import Path


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


def plan(results: Path, clean: NamedPictures) -> list[Pair]:
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


def left_over(pairs: list[Pair], clean: NamedPictures) -> list[Path]:
    """Clean pictures of the folder that no result belongs to."""
    taken = {path for pair in pairs for path in pair.alike}
    return [path for path in clean.pictures if path not in taken]
