"""What stands behind a picture in its file: a film, a gain map, what another program keeps there."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from typing import BinaryIO

Data = bytes | memoryview | mmap.mmap
MAX_BYTES = 2**28
"""More is left out, since it is held in memory; films of motion photos have some millions."""


@contextmanager
def view(stream: BinaryIO) -> Iterator[memoryview | mmap.mmap]:
    """The bytes of a whole stream, in memory or a file, without a copy.

    Raises:
        OSError, ValueError: The file cannot be mapped, or is empty.
    """
    if isinstance(stream, BytesIO):
        with stream.getbuffer() as buffer:
            yield buffer
    else:
        with closing(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)) as mapped:
            yield mapped


def behind(data: Data, end: int) -> tuple[bytes, tuple[str, ...]]:
    """What stands behind the end of a picture, and what is said if it is left out."""
    length = len(data) - end
    if length > MAX_BYTES:
        return b"", (f"{length} bytes behind the picture are left out: they are too many to be kept",)
    return (bytes(data[end:]) if length > 0 else b""), ()
