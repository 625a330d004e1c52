"""Who may do what with a file that is written: mode, owner and extended attributes."""

from __future__ import annotations

import os
import stat
import sys
import threading
from contextlib import suppress
from pathlib import Path

PRIVATE = 0o600
"""Of a file until it is complete and gets the mode that it keeps."""
_USUAL = 0o666
_OWNERS = 0o700
_ACL = "system.posix_acl_access"
_UMASK = threading.Lock()


def settle(descriptor: int, place: Path, source: Path | None) -> None:
    """Give a complete file the rights that it keeps, as far as the system lets it.

    Convention: what it replaces leaves it its mode, owner and extended attributes. A new file has the usual
    mode. Neither is ever open to more than its source is, but for its owner, who may read and write it.

    Args:
        descriptor: Of the file, open; still under another name.
        place: What it will replace, if anything is there.
        source: The file that it was made of; None: of none whose rights are known.
    """
    replaced = _about(place)
    origin = None if source is None else _about(source)
    mode = _USUAL & ~_umask() if replaced is None else stat.S_IMODE(replaced.st_mode)
    in_place = replaced is not None and (origin is None or os.path.samestat(replaced, origin))
    if origin is not None and source is not None and not in_place:
        mode &= _OWNERS | stat.S_IMODE(origin.st_mode) & (~0o070 if _has_access_list(source) else ~0)
    if sys.platform != "win32":
        if replaced is not None and not _gave_to_owner(descriptor, replaced):
            mode &= ~0o070 | (mode & 0o007) << 3  # another group has it: no more than everyone may
        if in_place:
            _copy_attributes(place, descriptor)
        with suppress(OSError):
            os.fchmod(descriptor, mode)


def _about(path: Path) -> os.stat_result | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _umask() -> int:
    """What the process leaves out of the mode of a new file; it can only be read by setting another one."""
    with _UMASK:
        found = os.umask(0o077)
        os.umask(found)
    return found


def _has_access_list(path: Path) -> bool:
    """Whether single users have rights; then the group's bits in the mode are not what the group may do."""
    if sys.platform != "linux":
        return False
    try:
        return _ACL in os.listxattr(path)
    except OSError:
        return False


def _gave_to_owner(descriptor: int, replaced: os.stat_result) -> bool:
    """Give a file to the owner and group of another; whether its group is the same now."""
    for owner in (replaced.st_uid, -1):  # whoever may not give it away may still change its group
        with suppress(OSError):
            os.fchown(descriptor, owner, replaced.st_gid)
            break
    return os.fstat(descriptor).st_gid == replaced.st_gid


def _copy_attributes(place: Path, descriptor: int) -> None:
    if sys.platform != "linux":
        return
    with suppress(OSError):
        for name in os.listxattr(place):
            with suppress(OSError):
                os.setxattr(descriptor, name, os.getxattr(place, name))
