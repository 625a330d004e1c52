"""Photoshop's image resources, without the thumbnails among them, which would show the old picture."""

from __future__ import annotations

import struct
from collections.abc import Iterator

MARK = b"Photoshop 3.0\0"
_SIGNATURE = b"8BIM"
_THUMBNAILS = frozenset((1033, 1036))
_PART = 65000


def without_thumbnails(resources: bytes) -> bytes:
    """Image resources as they were but for thumbnails; what follows damage stays as it is."""
    kept, at = [], 0
    while resources[at : at + 4] == _SIGNATURE and len(resources) >= at + 12:
        number = int.from_bytes(resources[at + 4 : at + 6], "big")
        name = 1 + resources[at + 6]
        sizes_at = at + 6 + name + name % 2
        if sizes_at + 4 > len(resources):
            break
        size = struct.unpack_from(">I", resources, sizes_at)[0]
        end = sizes_at + 4 + size + size % 2
        if number not in _THUMBNAILS:
            kept.append(resources[at:end])
        at = end
    return b"".join(kept) + resources[at:]


def segments(resources: bytes) -> Iterator[bytes]:
    """Image resources as the payloads of a JPEG's segments, without thumbnails."""
    clean = without_thumbnails(resources)
    for at in range(0, len(clean), _PART):
        yield MARK + clean[at : at + _PART]
