"""Errors that a user can meet, with their exit codes.

A message says what is wrong, with which file or value, and what to do about it, in one line.
Nothing but the command line's error boundary turns an error into an exit.
"""

from __future__ import annotations

import errno
import os
import unicodedata

NO_MEMORY = ("can't allocate memory", "annot allocate memory", "failed to map segment", "out of memory")
"""Words of libraries in errors of other types where memory is short."""


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as one printable line: control characters and bytes that are no UTF-8 are escaped."""
    return "".join(
        character.encode("unicode_escape", "backslashreplace").decode("ascii")
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        else character
        for character in os.fspath(path)
    )


def circumstance(error: BaseException) -> str | None:
    """Lack of the machine in one line, where that and no fault of ours is what an error says."""
    if _is_lack_of_memory(error):
        return "not enough memory; give the process more, or a smaller task"
    if not isinstance(error, OSError):
        return None
    try:
        os.getcwd()  # noqa: PTH109 -- for its error
    except OSError:
        return "the folder that this runs in is gone; change to one that exists"
    if error.filename is None or not error.strerror:
        return None
    return f"{os.fsdecode(error.filename)}: {error.strerror}"


def _is_lack_of_memory(error: BaseException) -> bool:
    """True if an error, of whatever type, says that there was not enough; also one that it came of."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    if any(words in str(error) for words in NO_MEMORY):
        return True
    cause = error.__cause__ or error.__context__
    return cause is not None and _is_lack_of_memory(cause)


class GenrestoreError(Exception):
    """Base of all errors that genrestore raises on purpose."""

    exit_code = 1


class InputError(GenrestoreError):
    """One input cannot be read, restored or written; the others of a batch go on."""


class UsageError(GenrestoreError):
    """Options or values that cannot be meant, or an output that must not be replaced."""

    exit_code = 2


class NoInputError(GenrestoreError):
    """No input matched: an empty folder or list."""

    exit_code = 3


class DeviceError(GenrestoreError):
    """The device or the precision asked for is not available here."""

    exit_code = 4


class WeightsError(GenrestoreError):
    """Weights that are missing, corrupted, not ours, or of a kind that the command cannot use."""

    exit_code = 5


class Interrupted(GenrestoreError):
    """Ctrl-C or SIGTERM arrived; what was finished is kept."""

    exit_code = 130
