"""EXIF blocks as bytes: orientation, what must go once the pixels are upright, moving fields into a TIFF.

A block is a small TIFF file, without the prefix that JPEG puts before it. Fields are moved as they are, so
that nothing that is not understood here is lost.
"""

from __future__ import annotations

import contextlib
import mmap
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from genrestore.errors import InputError
from genrestore.files.codecs import jpeg_markers

ByteOrder = Literal["<", ">"]
Block = bytes | memoryview | mmap.mmap

ORIENTATION, EXIF_IFD, GPS_IFD, INTEROP_IFD = 274, 34665, 34853, 40965
MAX_BYTES = 64 * 2**20
UNITS_AN_INCH = {2: 1.0, 3: 2.54}
"""How many of a unit of resolution, by EXIF's number, make an inch."""
_RATIONAL, _UNIT = 5, 296
RESOLUTION = frozenset((282, 283, _UNIT))
_SIDES = ((256, 257), (282, 283), (40962, 40963), (41486, 41487))
"""Widths and heights, and resolutions along them."""
_EXIF_SIDES = frozenset(sum(_SIDES[2:], ()))
_THUMBNAILS = ((513, 514), (273, 279))
"""Where a thumbnail stands and its bytes, of a JPEG and of one that is not compressed."""
_JPEG = re.compile(rb"\xff\xd8\xff[\xc0-\xc4\xdb\xdd\xe0-\xef\xfe]")
_MAX_PICTURES = 16
POINTERS = (EXIF_IFD, GPS_IFD, INTEROP_IFD)
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}


class BadBlock(ValueError):
    """The block does not follow TIFF; the caller leaves it as it is, or leaves it out."""


@dataclass(frozen=True)
class Field:
    """One field of an IFD.

    Attributes:
        tag: TIFF tag number.
        kind: TIFF type number, 1 to 13.
        count: Number of values.
        raw: The values as bytes, in the block's byte order; empty for a pointer to an IFD.
        children: The fields that a pointer leads to, else None.
    """

    tag: int
    kind: int
    count: int
    raw: bytes
    children: tuple[Field, ...] | None = None


def byte_order(block: Block) -> ByteOrder:
    """The byte order of a block.

    Raises:
        BadBlock: No classic TIFF header.
    """
    if bytes(block[:4]) == b"II*\0":
        return "<"
    if bytes(block[:4]) == b"MM\0*":
        return ">"
    raise BadBlock("no TIFF header")


def read_fields(
    block: Block, start: int | None = None, only: frozenset[int] | None = None
) -> tuple[Field, ...]:
    """The fields of an IFD, with those of its EXIF, GPS and interoperability IFDs; `MAX_BYTES` at most.

    Args:
        block: EXIF, or a whole TIFF.
        start: Where the IFD stands; None: it is the first.
        only: The tags that are wanted; None: all.

    Raises:
        BadBlock: An IFD lies outside the block.
    """
    order = byte_order(block)
    first = number(block, order, 4, "I") if start is None else start
    return _read_ifd(block, order, first, (EXIF_IFD, GPS_IFD), only)


def tags(block: Block) -> frozenset[int]:
    """The tags of the first IFD, also of fields whose values lie outside the block.

    Raises:
        BadBlock: The IFD lies outside the block.
    """
    order = byte_order(block)
    return frozenset(tag for tag, _ in _entries(block, order, number(block, order, 4, "I")))


def write_ifd(fields: Iterable[Field], start: int, order: ByteOrder) -> bytes:
    """An IFD with its values and the IFDs below it, to be placed at offset `start` (even) of a file."""
    ordered = sorted(fields, key=lambda field: field.tag)
    place = start + 2 + 12 * len(ordered) + 4
    entries, values = [struct.pack(order + "H", len(ordered))], []
    for field in ordered:
        if field.children is not None:
            data, slot = write_ifd(field.children, place, order), struct.pack(order + "I", place)
        elif len(field.raw) <= 4:
            data, slot = b"", field.raw.ljust(4, b"\0")
        else:
            data, slot = field.raw, struct.pack(order + "I", place)
        entries.append(struct.pack(order + "HHI", field.tag, field.kind, field.count) + slot)
        values.append(data + b"\0" * (len(data) % 2))
        place += len(values[-1])
    return b"".join((*entries, bytes(4), *values))


def write_block(fields: Iterable[Field], order: ByteOrder) -> bytes:
    """A whole block from its fields."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "I", 8) + write_ifd(fields, 8, order)


def orientation(block: Block) -> int | None:
    """The Orientation that a block states, 1 to 8, in whichever type of number; None where it states none."""
    try:
        order = byte_order(block)
        entries = _entries(block, order, number(block, order, 4, "I"))
        stated = (_small_number(block, order, at) for tag, at in entries if tag == ORIENTATION)
        return next((value for value in stated if 1 <= value <= 8), None)
    except BadBlock:
        return None


def without_resolution(block: bytes) -> bytes | None:
    """A block that `write_block` made, without its resolution; None if nothing is left."""
    kept = [field for field in read_fields(block) if field.tag not in RESOLUTION]
    return write_block(kept, byte_order(block)) if kept else None


def resolution(block: Block) -> tuple[float, float, int] | None:
    """What a block says of the resolution: across, down, EXIF's number of the unit; None: nothing."""
    try:
        order = byte_order(block)
        found = {field.tag: field for field in read_fields(block)}
    except BadBlock:
        return None
    sides = [_ratio(found[tag], order) for tag in _SIDES[1] if tag in found]
    if len(sides) != 2 or min(sides) <= 0:
        return None
    unit = int.from_bytes(found[_UNIT].raw, "little" if order == "<" else "big") if _UNIT in found else 2
    across, down = sides
    return across, down, unit


def upright(block: bytes, quarter_turned: bool = False) -> bytes:
    """The block without Orientation, thumbnail and other small pictures; all else stays where it was.

    Maker notes hold offsets into the block, so nothing may move. A block that cannot be read stays as it is.

    Args:
        block: EXIF.
        quarter_turned: Width and height, and the resolutions along them, change places.
    """
    block = _without_pictures(block)
    try:
        block = _without_orientation(_without_thumbnail(block))
        return _with_sides_swapped(block) if quarter_turned else block
    except BadBlock:
        return block


def _without_orientation(block: bytes) -> bytes:
    order = byte_order(block)
    start = number(block, order, 4, "I")
    entries = _entries(block, order, start)
    others = [block[at : at + 12] for tag, at in entries if tag != ORIENTATION]
    end = start + 2 + 12 * len(entries)
    count = struct.pack(order + "H", len(others))
    room = bytes(12 * (len(entries) - len(others)))
    return block[:start] + count + b"".join(others) + block[end : end + 4] + room + block[end + 4 :]


def _with_sides_swapped(block: bytes) -> bytes:
    order = byte_order(block)
    found = bytearray(block)
    places = dict(reversed(_entries(block, order, number(block, order, 4, "I"))))
    if EXIF_IFD in places:
        with contextlib.suppress(BadBlock):
            below = _entries(block, order, number(block, order, places[EXIF_IFD] + 8, "I"))
            places |= {tag: at for tag, at in reversed(below) if tag in _EXIF_SIDES}
    for across, down in _SIDES:
        if across in places and down in places:
            a, b = places[across] + 2, places[down] + 2
            found[a : a + 10], found[b : b + 10] = found[b : b + 10], found[a : a + 10]
    return bytes(found)


def _without_thumbnail(block: bytes) -> bytes:
    order = byte_order(block)
    start = number(block, order, 4, "I")
    link = start + 2 + 12 * len(_entries(block, order, start))
    if (second := number(block, order, link, "I")) == 0:
        return block
    block = block[:link] + bytes(4) + block[link + 4 :]
    try:
        places = {tag: number(block, order, at + 8, "I") for tag, at in _entries(block, order, second)}
    except BadBlock:
        return block
    for at, size in _THUMBNAILS:
        begin, length = places.get(at, 0), places.get(size, 0)
        if second < begin < begin + length <= len(block):
            rest = block[begin + length :]
            block = block[:begin] + (bytes(length) + rest if rest else b"")
    return block


def _without_pictures(block: bytes) -> bytes:
    """The block with zeros in place of whole JPEGs: cameras keep previews in their maker notes."""
    at = 0
    for _ in range(_MAX_PICTURES):
        if (found := _JPEG.search(block, at)) is None:
            break
        at = found.start() + 2
        with contextlib.suppress(InputError):
            end = jpeg_markers.read(block, found.start()).end
            if block[end - 2 : end] == b"\xff\xd9":
                block = block[: found.start()] + bytes(end - found.start()) + block[end:]
                at = end
    return block


def number(block: Block, order: ByteOrder, at: int, code: str) -> int:
    """The number of one of `struct`'s types at an offset.

    Raises:
        BadBlock: It lies outside the block.
    """
    try:
        return int(struct.unpack_from(order + code, block, at)[0])
    except struct.error as error:
        raise BadBlock(f"offset {at} lies outside") from error


def _small_number(block: Block, order: ByteOrder, at: int) -> int:
    """The whole number in the entry at `at`, of 8, 16 or 32 bits; 0 if it is none."""
    code = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}.get(number(block, order, at + 2, "H"))
    return 0 if code is None else number(block, order, at + 8, code)


def _ratio(field: Field, order: ByteOrder) -> float:
    """The first rational number of a field, or 0."""
    if field.kind != _RATIONAL or len(field.raw) < 8:
        return 0.0
    above, below = struct.unpack_from(order + "II", field.raw)
    return above / below if below else 0.0


def _entries(block: Block, order: ByteOrder, start: int) -> list[tuple[int, int]]:
    """Tag and offset of each entry of the IFD at `start`, whose end is checked."""
    count = number(block, order, start, "H")
    number(block, order, start + 2 + 12 * count, "I")
    places = range(start + 2, start + 2 + 12 * count, 12)
    return [(number(block, order, at, "H"), at) for at in places]


def _read_ifd(
    block: Block,
    order: ByteOrder,
    start: int,
    pointers: tuple[int, ...],
    only: frozenset[int] | None = None,
) -> tuple[Field, ...]:
    fields: dict[int, Field] = {}
    total = 0
    for tag, at in _entries(block, order, start):
        if only is not None and tag not in only:
            continue
        kind, count = number(block, order, at + 2, "H"), number(block, order, at + 4, "I")
        size = SIZES.get(kind, 0) * count
        place = at + 8 if size <= 4 else number(block, order, at + 8, "I")
        if kind not in SIZES or place + size > len(block) or tag in fields or total + size > MAX_BYTES:
            continue
        total += size
        if tag not in POINTERS:
            fields[tag] = Field(tag, kind, count, bytes(block[place : place + size]))
        elif tag in pointers and size == 4:
            with contextlib.suppress(BadBlock):
                below = _read_ifd(block, order, number(block, order, place, "I"), (INTEROP_IFD,))
                fields[tag] = Field(tag, kind, 1, b"", below)
    return tuple(fields.values())
