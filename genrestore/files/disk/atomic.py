"""Writing a file whole or not at all: it grows under a hidden name, gets its rights, and then its own name.

Whoever writes a hidden file holds its lock. The system takes the lock back when the process ends, whatever
ends it, so a file that nobody has locked is one that nobody writes any more.
"""

from __future__ import annotations

import os
import platform
import re
import stat
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from genrestore.errors import InputError, shown

if sys.platform != "win32":
    import fcntl

_PREFIX, _SUFFIX = ".genrestore-", ".tmp"
_HOST = f"{zlib.crc32(platform.node().encode()):08x}"
_NAME = re.compile(rf"{re.escape(_PREFIX)}(?P<host>[0-9a-f]{{8}})-[0-9a-f]{{8}}{re.escape(_SUFFIX)}")
_DAY = 24 * 60 * 60
_PRIVATE, _USUAL, _OWNERS = 0o600, 0o666, 0o700
"""Modes: of a file until it is complete, of a new file before the umask, and the bits of its owner."""
_ACL = "system.posix_acl_access"
_UMASK = threading.Lock()


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
    """Give a stream whose content appears at `path` all at once when the block ends, or not at all.

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
        sweep(place.parent)
        waiting, stream = create(place.parent)
        try:
            with stream:
                yield stream
                stream.flush()
                _settle(stream.fileno(), place, source)
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


def is_temporary(path: Path) -> bool:
    """Tell whether a name is one of `create`'s, which a process that was killed may leave."""
    return _NAME.fullmatch(path.name) is not None


def create(folder: Path) -> tuple[Path, BinaryIO]:
    """Make a hidden file, whose name does not look like a picture; return its path and its stream.

    Convention: the file is locked as long as the stream is open, so it gets its name before that is closed.
    Nobody but its owner may read it until it gets other rights.

    Raises:
        OSError: It cannot be made.
    """
    while True:
        path = folder / f"{_PREFIX}{_HOST}-{os.urandom(4).hex()}{_SUFFIX}"
        stream = open(path, "x+b", opener=lambda name, flags: os.open(name, flags, _PRIVATE))  # noqa: SIM115
        try:
            locked = _lock(stream)
        except OSError:  # no locks in this file system, so nobody sweeps it
            return path, stream
        if locked and path.exists():  # a sweep may have come between the two steps
            return path, stream
        stream.close()


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
    """Lock a file until its stream is closed; False if another stream has it, OSError without locks."""
    if sys.platform == "win32":
        raise OSError("no locks")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _settle(descriptor: int, place: Path, source: Path | None) -> None:
    """Give a complete file, still under its hidden name, the rights that it keeps, as far as the system lets.

    Convention: what it replaces leaves it its mode, owner and extended attributes. A new file has the usual
    mode. Neither is ever open to more than its source is, but for its owner, who may read and write it.
    """
    replaced, origin = _about(place), None if source is None else _about(source)
    mode = _USUAL & ~_umask() if replaced is None else stat.S_IMODE(replaced.st_mode)
    in_place = replaced is not None and (origin is None or os.path.samestat(replaced, origin))
    if origin is not None and source is not None and not in_place:
        # With rights of single users, the group's bits in the mode are not what the group may do.
        listed = _ACL in _attributes(source)
        mode &= _OWNERS | stat.S_IMODE(origin.st_mode) & (~0o070 if listed else ~0)
    if sys.platform != "win32":
        if replaced is not None and not _gave_to_owner(descriptor, replaced):
            mode &= ~0o070 | (mode & 0o007) << 3  # another group has it: no more than everyone may
        for name in _attributes(place) if in_place else ():
            with suppress(OSError):
                os.setxattr(descriptor, name, os.getxattr(place, name))
        with suppress(OSError):
            os.fchmod(descriptor, mode)


def _about(path: Path) -> os.stat_result | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _umask() -> int:
    """The mode bits that the process leaves out of new files; read by setting others for a moment."""
    with _UMASK:
        found = os.umask(0o077)
        os.umask(found)
    return found


def _attributes(path: Path) -> list[str]:
    """Names of a file's extended attributes, where the system has them."""
    if sys.platform == "linux":
        with suppress(OSError):
            return os.listxattr(path)
    return []


def _gave_to_owner(descriptor: int, replaced: os.stat_result) -> bool:
    """Give a file to the owner and group of another; False if its group is not the same then."""
    for owner in (replaced.st_uid, -1):  # whoever may not give it away may still change its group
        with suppress(OSError):
            os.fchown(descriptor, owner, replaced.st_gid)
            break
    return os.fstat(descriptor).st_gid == replaced.st_gid
