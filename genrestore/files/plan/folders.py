"""Which files of a folder are pictures to restore, and why the others are not."""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from genrestore.errors import InputError
from genrestore.files.codecs import formats
from genrestore.files.codecs.formats import shown
from genrestore.files.disk import temporary

RESULT_INFIXES = ("denoised", "inpainted", "inverted")
OWN_INFIXES = (*RESULT_INFIXES, "compare", "preview")
OWN_OUTPUT = "an output of genrestore; name it to take it as an input"


def listed(folder: Path, own_infixes: Collection[str] = OWN_INFIXES) -> Iterator[tuple[Path, str | None]]:
    """Every entry of a folder in the order of names, and why it is no input, or None if it is one.

    Convention: genrestore's own temporary files are not listed at all.

    Args:
        folder: Is not gone deeper into.
        own_infixes: What stands between stem and suffix in the names of genrestore's outputs.

    Raises:
        InputError: The folder cannot be read.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{shown(folder)}: the folder cannot be read ({error.strerror})") from error
    for path in entries:
        if not temporary.is_temporary(path):
            yield path, reason_to_skip(path, own_infixes)


def reason_to_skip(path: Path, own_infixes: Collection[str] = OWN_INFIXES) -> str | None:
    """Why an entry of a folder is no input, or None if it is one.

    A picture is known by its suffix, or else by its content; a broken file with a picture's suffix is an
    input, and so is a picture of a kind that is not read, so that its failure is seen.
    """
    if path.name.startswith("."):
        return "a hidden file"
    if is_folder(path):
        return "a folder inside the folder"
    if _is_device(path):
        return "not a regular file"
    if any(path.stem.endswith(f".{infix}") for infix in own_infixes):
        return OWN_OUTPUT
    if path.suffix.lower() not in formats.IMAGE_SUFFIXES:
        header = _header(path)
        if formats.unreadable_kind(path.suffix, header) is not None:
            return None
        if formats.of_content(header) is None:
            return "not a picture"
    from genrestore.files.codecs import provenance

    return None if provenance.read(path) is None else OWN_OUTPUT


def is_folder(path: Path) -> bool:
    """Whether a folder can be seen there."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Whether a regular file can be seen there."""
    try:
        return path.is_file()
    except OSError:
        return False


def _is_device(path: Path) -> bool:
    """Whether a pipe, a socket or a device can be seen there."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def content_format(path: Path) -> str | None:
    """The format that a file's first bytes show; None where they cannot be read."""
    return formats.of_content(_header(path))


def _header(path: Path) -> bytes:
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as stream:
            return stream.read(formats.HEADER_BYTES)
    except OSError:
        return b""
