"""The hidden files in which results grow before they get their names, and what killed runs leave of them.

Whoever writes such a file holds its lock. The system takes the lock back when the process ends, whatever ends
it, so a file that nobody has locked is one that nobody writes any more.
"""

from __future__ import annotations

import os
import platform
import re
import stat
import sys
import time
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from genrestore.files.disk import rights

if sys.platform != "win32":
    import fcntl

_PREFIX, _SUFFIX = ".genrestore-", ".tmp"
_HOST = f"{zlib.crc32(platform.node().encode()):08x}"
_NAME = re.compile(rf"{re.escape(_PREFIX)}(?P<host>[0-9a-f]{{8}})-[0-9a-f]{{8}}{re.escape(_SUFFIX)}")
_DAY = 24 * 60 * 60


def is_temporary(path: Path) -> bool:
    """Whether a name is one of `create`'s, which a process that was killed may leave."""
    return _NAME.fullmatch(path.name) is not None


def create(folder: Path) -> tuple[Path, BinaryIO]:
    """A new hidden file, whose name does not look like a picture, and its stream.

    Convention: the file is locked as long as the stream is open, so it gets its name before that is closed.
    Nobody but its owner may read it until it gets other rights.

    Returns:
        The path, and a stream that can be written, read and sought.

    Raises:
        OSError: It cannot be made.
    """
    while True:
        path = folder / f"{_PREFIX}{_HOST}-{os.urandom(4).hex()}{_SUFFIX}"
        stream = open(path, "x+b", opener=_private)  # noqa: SIM115 -- which a path has not
        try:
            locked = _lock(stream)
        except OSError:  # no locks in this file system, so nobody sweeps it
            return path, stream
        if locked and path.exists():  # a sweep may have come between the two steps
            return path, stream
        stream.close()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, rights.PRIVATE)


@cache
def sweep(folder: Path) -> None:
    """Take away what killed runs have left in a folder; done once a process and folder, since it takes time.

    Convention: a file that any process has locked stays. So do, for a day, files of other machines, since not
    every network file system shows their locks, and for ever what stands where there are no locks.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if found := _NAME.fullmatch(entry.name):
                with suppress(OSError):
                    _remove_if_left(Path(entry.path), found["host"] == _HOST)


def _remove_if_left(path: Path, of_this_machine: bool) -> None:
    about = path.lstat()
    is_old = time.time() - about.st_mtime > _DAY
    if stat.S_ISREG(about.st_mode) and (of_this_machine or is_old):
        with path.open("r+b") as stream:
            if _lock(stream):
                path.unlink()


def _lock(stream: BinaryIO) -> bool:
    """Lock a file until its stream is closed; False if another stream has it.

    Raises:
        OSError: There are no locks here.
    """
    if sys.platform == "win32":
        raise OSError("no locks")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
