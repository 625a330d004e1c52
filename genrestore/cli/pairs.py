"""Pairs of results and clean pictures, by name, with or without what genrestore adds to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genrestore.errors import NoInputError, UsageError, shown
from genrestore.files.codecs import formats
from genrestore.files.plan import sources
from genrestore.files.plan.jobs import Job, OutputOptions
from genrestore.files.plan.sources import TOP, NamedPictures, bare_stem


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
    inside: Path = TOP
    skipped: str | None = None
    problem: str | None = None


def plan(results: Path, clean: NamedPictures, *, recursive: bool = False) -> list[Pair]:
    """Pair every result with the clean picture of its name.

    Args:
        results: A picture or a folder.
        clean: The clean pictures.
        recursive: Also results in the folders of the folder; those of sub/ belong to the clean ones of sub/.

    Raises:
        UsageError: No file or folder of results is there.
        NoInputError: The folder has no picture, or not one with a clean picture.
    """
    if not sources.is_folder(results):
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


def _pairs(folder: Path, clean: NamedPictures, recursive: bool) -> Iterator[Pair]:
    """A pair for every entry of a folder; results of genrestore are what is wanted."""
    entries = sources.tree(folder, OutputOptions(recursive=recursive))
    reasons = {entry: _reason_to_skip(entry) for entry in entries}
    results = {
        (entry.inside, bare_stem(entry.source)): entry.source
        for entry, reason in reasons.items()
        if entry.source and not (reason or entry.problem) and bare_stem(entry.source) != entry.source.stem
    }
    for entry, reason in reasons.items():
        path, inside = entry.source or folder, entry.inside
        result = results.get((inside, path.stem)) or results.get((inside, path.name))
        if reason is None and result is not None and result != path:
            reason = f"the input of {shown(result.name)}, which is compared"
        alike = [] if reason or entry.problem else clean.named_like(path, inside)
        yield Pair(path, alike, inside, reason, entry.problem)


def _reason_to_skip(entry: Job) -> str | None:
    """Reason why an entry of a folder is no result, or None."""
    path = entry.source
    if entry.skipped != sources.OWN_OUTPUT or path is None:
        return entry.skipped
    if path.suffix.lower() not in formats.IMAGE_SUFFIXES and sources.content_format(path) is None:
        return "not a picture"
    infix = path.stem.rpartition(".")[2]
    if infix in sources.OWN_INFIXES and infix not in sources.RESULT_INFIXES:
        return "a sheet of several pictures, no result"
    return None


def left_over(pairs: list[Pair], clean: NamedPictures) -> list[Path]:
    """Clean pictures of the folder that no result belongs to, by their paths below it."""
    taken = {path for pair in pairs for path in pair.alike}
    return [path.relative_to(clean.place) for path in clean.pictures if path not in taken]
