"""The record of how a file was made, found by seeking and at a bounded price, whatever the file is."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, BinaryIO, cast

from genrestore.errors import InputError
from genrestore.files.codecs import formats, metadata

TOOL = "genrestore"
MAX_STEPS, MAX_READ = 20_000, 2**24
"""Calls of a stream, and bytes of it, after which a file says nothing: some hundredths of a second."""


def read(path: Path) -> dict[str, Any] | None:
    """Read the provenance that `images.encode` wrote into a file, or None; never fails, decodes no pixels.

    Convention: only regular files are opened, since a pipe may keep whoever opens it waiting for ever.
    """
    packed = _packed(path)
    return None if packed is None else metadata.unpack_provenance(packed)


def is_ours(path: Path) -> bool:
    """Tell whether a picture says that genrestore made it; also one that was cut off while it said so."""
    packed = _packed(path)
    if packed is None:
        return False
    found = metadata.unpack_provenance(packed)
    return packed[:2] in (b"", b"{", b'{"') if found is None else found.get("tool") == TOOL


def _packed(path: Path) -> bytes | None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as file:
            stream = cast("BinaryIO", _Bounded(file))
            format = formats.of_content(stream.read(formats.HEADER_BYTES))
            stream.seek(0)
            return formats.codec(format).read_provenance(stream) if format in formats.WRITABLE else None
    except (OSError, ValueError, InputError):
        return None


class _Bounded:
    """A stream that is read and sought until it has cost too much, and then raises ValueError."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._steps = self._bytes = 0

    def read(self, size: int) -> bytes:
        self._spend(size)
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._spend(0)
        return self._stream.seek(offset, whence)

    def _spend(self, size: int) -> None:
        self._steps, self._bytes = self._steps + 1, self._bytes + size
        if self._steps > MAX_STEPS or self._bytes > MAX_READ:
            raise ValueError("too many steps to the provenance")
