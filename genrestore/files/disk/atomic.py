"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from genrestore.errors import InputError
from genrestore.files.codecs.formats import shown
from genrestore.files.disk import rights, temporary


def check_writable(path: Path) -> None:
    """Find out before the work whether `path` can be written; makes nothing.

    Raises:
        InputError: Its folder is none, or must not be written to.
    """
    folder = path.parent
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        usable = folder.is_dir()
    except OSError as error:
        raise InputError(f"{shown(path)}: cannot be written ({error.strerror})") from error
    if not usable:
        raise InputError(f"{shown(path)}: cannot be written, {shown(folder)} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{shown(path)}: cannot be written, no permission for the folder {shown(folder)}")


@contextmanager
def atomic(path: Path, *, overwrite: bool = True, source: Path | None = None) -> Iterator[BinaryIO]:
    """A stream whose content appears at `path` all at once when the block ends, or not at all.

    It can be written, read and sought. Until the end the bytes are in a hidden file beside `path`, whose name
    does not look like a picture; missing folders are made, and what killed runs left in the folder is taken
    away. A file that is replaced keeps its mode, owner and extended attributes, a symbolic link stays and its
    target is replaced.

    Args:
        path: Where the file goes.
        overwrite: False: fail if something is there at the end.
        source: What it is made of: the file is never open to more than that.

    Raises:
        InputError: It cannot be written; one line with the path.
    """
    place = Path(os.path.realpath(path))
    try:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            check_writable(place)  # names the file that is in the way
            raise
        temporary.sweep(place.parent)
        waiting, stream = temporary.create(place.parent)
        try:
            with stream:
                yield stream
                stream.flush()
                rights.settle(stream.fileno(), place, source)
                os.fsync(stream.fileno())
                if sys.platform == "win32":  # where an open file cannot be moved, and has no lock to keep
                    stream.close()
                if not _move(waiting, place, overwrite):
                    raise InputError(f"{shown(path)}: exists already; replace it with --overwrite")
        finally:
            waiting.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{shown(path)}: cannot be written ({error.strerror or error})") from error


def _move(waiting: Path, place: Path, overwrite: bool) -> bool:
    """Give the finished file its name; False if something has it already and must stay."""
    if overwrite:
        waiting.replace(place)
    else:
        try:
            os.link(waiting, place)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if place.exists():
                return False
            waiting.replace(place)
    with suppress(OSError):  # so that the new name survives a power cut, where folders can be synced
        folder = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return True
