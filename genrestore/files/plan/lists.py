"""Names of inputs from a list: one a line, or separated by NUL bytes as `find -print0` writes them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from genrestore.errors import UsageError
from genrestore.files.codecs.formats import shown
from genrestore.files.plan.jobs import STDIO

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read(source: Path | BinaryIO, *, null: bool = False) -> list[str]:
    """The names in a list, as they stand there: no pattern, no quotes and no ~ means anything.

    Convention: empty names are left out, and a name "-" is a file of that name.

    Args:
        source: The list's path, or a stream (standard input), which is read to its end.
        null: Names end with a NUL byte instead of a line's end, so that they may hold line ends.

    Raises:
        UsageError: The list cannot be read, or is none of that kind.
    """
    word = f"--files-from {shown(source) if isinstance(source, Path) else STDIO}"
    try:
        data = source.read_bytes() if isinstance(source, Path) else source.read()
    except OSError as error:
        raise UsageError(f"{word}: cannot be read ({error.strerror or error})") from error
    if null:
        names = data.split(b"\0")
    elif data.startswith(_UTF16_MARKS):
        raise UsageError(f"{word}: is UTF-16; save the list as UTF-8")
    elif b"\0" in data:
        raise UsageError(f"{word}: holds NUL bytes; add --null (-0), or give a list of one name a line")
    else:
        names = [name.removesuffix(b"\r") for name in data.removeprefix(_UTF8_MARK).split(b"\n")]
    decoded = [os.fsdecode(name) for name in names if name]
    return [os.path.join(os.curdir, name) if name == STDIO else name for name in decoded]  # noqa: PTH118
