"""What was named, and what is in the folders among it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from genrestore.errors import InputError
from genrestore.files.codecs.formats import shown
from genrestore.files.plan import folders
from genrestore.files.plan.jobs import STDIO, OutputOptions, Source


def sources(words: Sequence[str], options: OutputOptions) -> Iterator[Source]:
    """Every file that the words of the command line mean, in their order, and what is no input among it.

    A name that is reached twice is an input once, and in place so is a file that has several names. Else
    every name has a result of its own, be it that of a link.
    """
    seen: dict[str, Path] = {}
    for word in words:
        if word == STDIO:
            yield Source(None)
            continue
        path = Path(word)
        for found in tree(path, options) if folders.is_folder(path) else [Source(path)]:
            if not found.is_input or found.path is None:
                yield found
                continue
            key = os.path.realpath(found.path) if options.in_place else _own_name(found.path)
            first = seen.setdefault(key, found.path)
            same = "named before" if first.name == found.path.name else f"the same file as {shown(first)}"
            yield Source(found.path, found.inside, None if first is found.path else same)


def _own_name(path: Path) -> str:
    """The name of a file itself, also of a link, in whatever way its folder was named."""
    return os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118 -- never raises


def tree(root: Path, options: OutputOptions) -> Iterator[Source]:
    """Every file of a folder; with `options.recursive` those of the folders in it follow, in order of names.

    Convention: a link to a folder below `root` is not followed, so that there are no loops, and nothing
    outside of `root` is ever touched.
    """
    own: tuple[str, ...] = folders.OWN_INFIXES
    if options.output is None:  # the results will lie among the inputs
        own = (*own, options.suffix or options.infix)
    results = None if options.output is None else os.path.realpath(options.output)
    waiting = [Path()]
    while waiting:
        inside = waiting.pop()
        below = []
        try:
            for path, reason in folders.listed(root / inside, own):
                if folders.is_folder(path):
                    reason = _reason_to_stay_out(path, options.recursive, results)
                    if reason is None:
                        below.append(inside / path.name)
                        continue
                yield Source(path, inside, reason)
        except InputError as error:
            yield Source(root / inside, inside, problem=str(error))
        waiting += reversed(below)


def _reason_to_stay_out(folder: Path, recursive: bool, results: str | None) -> str | None:
    """Why a folder inside a folder is left alone, or None if it is gone into."""
    if not recursive:
        return "a folder inside the folder; -r goes into it"
    if folder.name.startswith("."):
        return "a hidden folder"
    if folder.is_symlink():
        return "a link to a folder; name it to take what is in it"
    return "the folder of the results" if os.path.realpath(folder) == results else None
