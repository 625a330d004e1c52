"""EXIF blocks and the fields of TIFFs as bytes: what they say, what must go, and moving fields.

A block is a small TIFF file, without the prefix that JPEG puts before it. Fields are moved as they are, so
that nothing that is not understood here is lost.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from genrestore.errors import InputError
from genrestore.files.codecs.containers import read_jpeg

ByteOrder = Literal["<", ">"]
Block = bytes | memoryview | mmap.mmap

ORIENTATION, EXIF_IFD, GPS_IFD, INTEROP_IFD = 274, 34665, 34853, 40965
MAX_BYTES = 64 * 2**20
UNITS_AN_INCH = {2: 1.0, 3: 2.54}
"""Units of resolution in an inch, by EXIF's number."""
_RATIONAL, _UNIT = 5, 296
RESOLUTION = frozenset((282, 283, _UNIT))
_SIDES = ((256, 257), (282, 283), (40962, 40963), (41486, 41487))
"""Widths and heights, and resolutions along them."""
_THUMBNAILS = ((513, 514), (273, 279))
"""Place and bytes of a thumbnail, of a JPEG and of one that is not compressed."""
_JPEG = re.compile(rb"\xff\xd8\xff[\xc0-\xc4\xdb\xdd\xe0-\xef\xfe]")
_MAX_PICTURES = 16
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_NARROW = {16: (4, "Q", "I"), 17: (9, "q", "i"), 18: (13, "Q", "I")}
"""BigTIFF's types of 64 bits: the classic type, how a value is read, and how it is written."""


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


Fields = tuple[Field, ...]


class Tiff:
    """The numbers of a classic TIFF, or also of a BigTIFF; all raise BadBlock where they lie outside."""

    def __init__(self, block: Block, *, classic: bool = True) -> None:
        start = bytes(block[:8])
        self.block = block
        self.order: ByteOrder = "<" if start.startswith(b"II") else ">"
        self.wide = start in (b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0")
        if start[:4] not in (b"II*\0", b"MM\0*") and (classic or not self.wide):
            raise BadBlock("no TIFF header")
        self.word, self.width = ("Q", 8) if self.wide else ("I", 4)
        self.sizes = _SIZES | dict.fromkeys(_NARROW, 8) if self.wide else _SIZES
        self.first = self.number(8 if self.wide else 4, self.word)

    def number(self, at: int, code: str) -> int:
        """Return the number of one of `struct`'s types at an offset."""
        try:
            return int(struct.unpack_from(self.order + code, self.block, at)[0])
        except (struct.error, OverflowError) as error:
            raise BadBlock(f"offset {at} lies outside") from error

    def end(self, start: int) -> int:
        """Return where the entries of the IFD at `start` end, and the link to the next one stands."""
        count, head = (self.number(start, "Q"), 8) if self.wide else (self.number(start, "H"), 2)
        end = start + head + (4 + 2 * self.width) * count
        self.number(end, self.word)
        return end

    def entries(self, start: int) -> list[tuple[int, int]]:
        """Return tag and offset of each entry of the IFD at `start`."""
        places = range(start + (8 if self.wide else 2), self.end(start), 4 + 2 * self.width)
        return [(self.number(at, "H"), at) for at in places]

    def places(self, start: int) -> dict[int, int]:
        """Return the offset of the first entry of each tag."""
        return dict(reversed(self.entries(start)))

    def fields(
        self, start: int, only: Collection[int] | None = None, pointers: tuple[int, ...] = (EXIF_IFD, GPS_IFD)
    ) -> Fields:
        """Return the fields of the IFD at `start`, as those of a classic TIFF."""
        fields: dict[int, Field] = {}
        total = 0
        for tag, at in self.entries(start):
            if tag in fields or (only is not None and tag not in only):
                continue
            kind, count, place = self.number(at + 2, "H"), self.number(at + 4, self.word), at + 4 + self.width
            size = self.sizes.get(kind, 0) * count
            if size > self.width:
                place = self.number(place, self.word)
            if kind not in self.sizes or place + size > len(self.block) or total + size > MAX_BYTES:
                continue
            total += size
            raw = bytes(self.block[place : place + size])
            narrow, read, write = _NARROW.get(kind, (kind, "", ""))
            if tag in (EXIF_IFD, GPS_IFD, INTEROP_IFD):
                if tag in pointers and size in (4, 8):
                    with suppress(BadBlock):
                        target = int.from_bytes(raw, "little" if self.order == "<" else "big")
                        fields[tag] = Field(tag, narrow, 1, b"", self.fields(target, None, (INTEROP_IFD,)))
                continue
            with suppress(struct.error):  # a value too large for a classic TIFF
                if read:
                    values = struct.unpack(f"{self.order}{count}{read}", raw)
                    raw = struct.pack(f"{self.order}{count}{write}", *values)
                fields[tag] = Field(tag, narrow, count, raw)
        return tuple(fields.values())


def byte_order(block: Block) -> ByteOrder:
    """Return the byte order of a block, of a TIFF or of a BigTIFF.

    Raises:
        BadBlock: No TIFF header.
    """
    return Tiff(block, classic=False).order


def read_fields(block: Block, start: int | None = None, only: Collection[int] | None = None) -> Fields:
    """Return `MAX_BYTES` at most of an IFD's fields, with those of its EXIF, GPS and interoperability IFDs.

    Those of a BigTIFF are given as a classic one's; values too large for it are left out.

    Args:
        block: EXIF, or a whole TIFF or BigTIFF.
        start: Where the IFD stands; None: it is the first.
        only: The tags that are wanted; None: all.

    Raises:
        BadBlock: An IFD lies outside the block.
    """
    tiff = Tiff(block, classic=False)
    return tiff.fields(tiff.first if start is None else start, only)


def write_ifd(fields: Iterable[Field], start: int, order: ByteOrder) -> bytes:
    """Return an IFD with its values and the IFDs below it, for offset `start` (even) of a file."""
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
    """Return a whole block made of fields."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "I", 8) + write_ifd(fields, 8, order)


def without_prefix(data: bytes | None) -> bytes | None:
    """Return a block without the prefix of JPEG and some others; None if there is nothing."""
    while data and data.startswith(b"Exif\0\0"):
        data = data[6:]
    return data or None


def orientation(block: Block) -> int | None:
    """Return the Orientation of a block, 1 to 8, of 8, 16 or 32 bits; None where it states none."""
    codes = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
    with suppress(BadBlock):
        tiff = Tiff(block)
        for tag, at in tiff.entries(tiff.first):
            code = codes.get(tiff.number(at + 2, "H")) if tag == ORIENTATION else None
            if code and 1 <= (value := tiff.number(at + 8, code)) <= 8:
                return value
    return None


def without_resolution(block: bytes) -> bytes | None:
    """Return a block of `write_block` without its resolution; None if nothing is left."""
    kept = [field for field in read_fields(block) if field.tag not in RESOLUTION]
    return write_block(kept, byte_order(block)) if kept else None


def resolution(block: Block) -> tuple[float, float, int] | None:
    """Return the resolution that a block states: across, down, EXIF's number of the unit; None: none."""
    try:
        order, found = Tiff(block).order, {field.tag: field for field in read_fields(block)}
    except BadBlock:
        return None
    across, down = (_ratio(found, tag, order) for tag in _SIDES[1])
    unit = int.from_bytes(found[_UNIT].raw, "little" if order == "<" else "big") if _UNIT in found else 2
    return (across, down, unit) if min(across, down) > 0 else None


def dpi(block: bytes) -> tuple[float, float] | None:
    """Return the resolution that a block states, in pixels an inch; None where it states none."""
    stated = resolution(block)
    scale = 0.0 if stated is None else UNITS_AN_INCH.get(stated[2], 0.0)
    return (stated[0] * scale, stated[1] * scale) if stated and scale else None


def _ratio(fields: Mapping[int, Field], tag: int, order: ByteOrder) -> float:
    """Return the first rational number of a field, or 0."""
    if tag not in fields or fields[tag].kind != _RATIONAL or len(fields[tag].raw) < 8:
        return 0.0
    above, below = struct.unpack_from(order + "II", fields[tag].raw)
    return above / below if below else 0.0


def upright(block: bytes, quarter_turned: bool = False) -> bytes:
    """Return the block without Orientation, thumbnail and other small pictures; all else stays in its place.

    Maker notes hold offsets into the block, so nothing may move. A block that cannot be read stays as it is.
    With `quarter_turned`, width and height, and the resolutions along them, change places.
    """
    block = without_pictures(block)
    try:
        block = _without_orientation(block)
        return _with_sides_swapped(block) if quarter_turned else block
    except BadBlock:
        return block


def without_pictures(block: bytes) -> bytes:
    """Return the block without its thumbnail and other small pictures; all else stays in its place."""
    block = _without_previews(block)
    try:
        return _without_thumbnail(block)
    except BadBlock:
        return block


def _without_orientation(block: bytes) -> bytes:
    tiff = Tiff(block)
    start, entries, end = tiff.first, tiff.entries(tiff.first), tiff.end(tiff.first)
    others = [block[at : at + 12] for tag, at in entries if tag != ORIENTATION]
    count = struct.pack(tiff.order + "H", len(others))
    room = bytes(12 * (len(entries) - len(others)))
    return block[:start] + count + b"".join(others) + block[end : end + 4] + room + block[end + 4 :]


def _with_sides_swapped(block: bytes) -> bytes:
    tiff, found = Tiff(block), bytearray(block)
    places = tiff.places(tiff.first)
    if EXIF_IFD in places:
        with suppress(BadBlock):
            below = tiff.places(tiff.number(places[EXIF_IFD] + 8, "I"))
            places |= {tag: at for tag, at in below.items() if tag in sum(_SIDES[2:], ())}
    for across, down in _SIDES:
        if across in places and down in places:
            a, b = places[across] + 2, places[down] + 2
            found[a : a + 10], found[b : b + 10] = found[b : b + 10], found[a : a + 10]
    return bytes(found)


def _without_thumbnail(block: bytes) -> bytes:
    tiff = Tiff(block)
    link = tiff.end(tiff.first)
    if (second := tiff.number(link, "I")) == 0:
        return block
    block = block[:link] + bytes(4) + block[link + 4 :]
    with suppress(BadBlock):
        values = {tag: tiff.number(at + 8, "I") for tag, at in tiff.entries(second)}
        for at, size in _THUMBNAILS:
            begin, length = values.get(at, 0), values.get(size, 0)
            if second < begin < begin + length <= len(block):
                rest = block[begin + length :]
                block = block[:begin] + (bytes(length) + rest if rest else b"")
    return block


def _without_previews(block: bytes) -> bytes:
    """Return the block with zeros in place of whole JPEGs: cameras keep previews in their maker notes."""
    at = 0
    for _ in range(_MAX_PICTURES):
        if (found := _JPEG.search(block, at)) is None:
            break
        at = found.start() + 2
        with suppress(InputError):
            end = read_jpeg(block, found.start()).end
            if block[end - 2 : end] == b"\xff\xd9":
                block = block[: found.start()] + bytes(end - found.start()) + block[end:]
                at = end
    return block
