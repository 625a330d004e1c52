"""The fields of a BigTIFF as those of a classic one, so that they can be carried like all others."""

from __future__ import annotations

import contextlib
import struct

from genrestore.files.codecs import exif
from genrestore.files.codecs.exif import BadBlock, Block, ByteOrder, Field

_SIZES = {**exif.SIZES, 16: 8, 17: 8, 18: 8}
_NARROW = {16: (4, "Q", "I"), 17: (9, "q", "i"), 18: (13, "Q", "I")}
"""Types of 64 bits: the classic type, how a value is read, and how it is written."""


def byte_order(block: Block) -> ByteOrder:
    """The byte order of a BigTIFF.

    Raises:
        BadBlock: No BigTIFF header.
    """
    if bytes(block[:8]) == b"II+\0\x08\0\0\0":
        return "<"
    if bytes(block[:8]) == b"MM\0+\0\x08\0\0":
        return ">"
    raise BadBlock("no BigTIFF header")


def read_fields(
    block: Block, start: int | None = None, only: frozenset[int] | None = None
) -> tuple[Field, ...]:
    """The fields of an IFD, with those of its EXIF, GPS and interoperability IFDs.

    Values that are too large for a classic TIFF are left out.

    Args:
        block: The whole file.
        start: Where the IFD stands; None: it is the first.
        only: The tags that are wanted; None: all.

    Raises:
        BadBlock: An IFD lies outside the block.
    """
    order = byte_order(block)
    first = exif.number(block, order, 8, "Q") if start is None else start
    return _read_ifd(block, order, first, (exif.EXIF_IFD, exif.GPS_IFD), only)


def _read_ifd(
    block: Block,
    order: ByteOrder,
    start: int,
    pointers: tuple[int, ...],
    only: frozenset[int] | None = None,
) -> tuple[Field, ...]:
    fields: dict[int, Field] = {}
    total = 0
    count = exif.number(block, order, start, "Q")
    if start + 8 + 20 * count > len(block):
        raise BadBlock("an IFD lies outside")
    for at in range(start + 8, start + 8 + 20 * count, 20):
        tag, kind = exif.number(block, order, at, "H"), exif.number(block, order, at + 2, "H")
        if only is not None and tag not in only:
            continue
        number = exif.number(block, order, at + 4, "Q")
        size = _SIZES.get(kind, 0) * number
        place = at + 12 if size <= 8 else exif.number(block, order, at + 12, "Q")
        if kind not in _SIZES or place + size > len(block) or tag in fields or total + size > exif.MAX_BYTES:
            continue
        total += size
        raw = bytes(block[place : place + size])
        if tag in exif.POINTERS:
            if tag in pointers and number == 1 and size in (4, 8):
                with contextlib.suppress(BadBlock):
                    target = int.from_bytes(raw, "little" if order == "<" else "big")
                    below = _read_ifd(block, order, target, (exif.INTEROP_IFD,))
                    fields[tag] = Field(tag, 4, 1, b"", below)
        elif kind in _NARROW:
            kind, wide, narrow = _NARROW[kind]
            with contextlib.suppress(struct.error):
                values = struct.unpack(f"{order}{number}{wide}", raw)
                fields[tag] = Field(tag, kind, number, struct.pack(f"{order}{number}{narrow}", *values))
        else:
            fields[tag] = Field(tag, kind, number, raw)
    return tuple(fields.values())
