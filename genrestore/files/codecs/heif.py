"""Boxes of HEIF, the container of AVIF and HEIC (ISO/IEC 23008-12 and 14496-12): what stands where.

Nothing is decoded here. A file is refused by what its boxes say before its codec sees it: too many pixels, a
sequence, places outside of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from genrestore.errors import InputError
from genrestore.files.codecs import ends, exif, icc, metadata
from genrestore.files.codecs.containers import Data
from genrestore.files.codecs.formats import SEVERAL_PICTURES
from genrestore.files.codecs.metadata import Metadata

TOP = frozenset(b"ftyp meta mdat free skip moov uuid idat pdin".split())
"""Boxes that a file is made of; what begins with another one stands behind the picture."""
EXIF, XMP_TYPE = b"Exif", b"application/rdf+xml"
ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
_PROFILES = (b"prof", b"rICC")
_SUBSAMPLING = {0: "444", 2: "422", 3: "420"}
"""By the two flags of AV1's record of a stream."""
_MOST = 20_000
"""Items, places and properties of a file; pictures of many tiles have some hundreds."""
_TURNED = {
    # Quarter turns to the left, and then none, rows or columns mirrored: EXIF's number.
    0: (1, 4, 2), 1: (8, 5, 7), 2: (3, 2, 4), 3: (6, 7, 5),
}  # fmt: skip
_WORDS = ((b"hdrgainmap", "its gain map"), (b"depth", "its depth"), (b"disparity", "its depth"))


class Box(NamedTuple):
    """A box: its kind, and where its payload begins and ends."""

    kind: bytes
    start: int
    end: int


@dataclass
class Item:
    """An item of a file: a picture, a tile of one, or metadata.

    Attributes:
        kind: Its type of four letters.
        content: Content type of metadata.
        method: How its places count: 0 from the file's begin, 1 inside of the box of data.
        places: Begin and length of its parts.
        properties: Kind and payload of each.
    """

    kind: bytes
    content: bytes = b""
    method: int = 0
    places: list[tuple[int, int]] = field(default_factory=list)
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)


@dataclass
class Heif:
    """Contents of a file.

    Attributes:
        data: The file.
        primary: Number of the item that is shown.
        items: By number.
        references: Kind, number of the item that refers, numbers of those that it refers to.
        uuids: Payloads of boxes that are not of the standard.
        idat: Where the box of data of the items begins.
        end: Where the file's own boxes end.
    """

    data: Data
    primary: int = 0
    items: dict[int, Item] = field(default_factory=dict)
    references: list[tuple[bytes, int, tuple[int, ...]]] = field(default_factory=list)
    uuids: list[bytes] = field(default_factory=list)
    idat: int = 0
    end: int = 0

    @property
    def own(self) -> Item:
        """The item that is shown."""
        if self.primary not in self.items:
            raise InputError("truncated or damaged (no picture is the one to show)")
        return self.items[self.primary]

    def stated(self, kind: bytes) -> bytes | None:
        """The first property of a kind of the picture, or None."""
        return next((payload for one, payload in self.own.properties if one == kind), None)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as the picture lies."""
        stated = self.stated(b"ispe")
        if stated is None or len(stated) < 12:
            raise InputError("truncated or damaged (its size is not said)")
        width, height = struct.unpack(">II", stated[4:12])
        return width, height

    @property
    def turned(self) -> int:
        """EXIF's number of how the picture lies. EXIF itself does not count here (23008-12, 6.5.10)."""
        angle, mirror = self.stated(b"irot"), self.stated(b"imir")
        row = _TURNED[angle[0] & 3 if angle else 0]
        return row[0 if not mirror else 1 + (mirror[0] & 1)]

    @property
    def cicp(self) -> tuple[int, int, int] | None:
        """Numbers of primaries, transfer and matrix (ITU-T H.273), or None."""
        for payload in self.colours():
            if payload[:4] == b"nclx" and len(payload) >= 10:
                primaries, transfer, matrix = struct.unpack(">HHH", payload[4:10])
                return primaries, transfer, matrix
        return None

    @property
    def profile(self) -> bytes | None:
        """The colour profile: the file's own, or one of the numbers that it has instead; None: sRGB."""
        for payload in self.colours():
            if payload[:4] in _PROFILES and len(payload) > 132:
                return payload[4:]
        return None if self.cicp is None else icc.of_cicp(*self.cicp[:2])

    def colours(self) -> Iterator[bytes]:
        """Yield what is said of the colours of the picture, or where nothing is, of its first tile."""
        tiles = (
            others[0] for kind, one, others in self.references if kind == b"dimg" and one == self.primary
        )
        for item in (self.own, *(self.items[number] for number in tiles if number in self.items)):
            yield from (payload for kind, payload in item.properties if kind == b"colr")

    def content(self, number: int) -> bytes:
        """Return the bytes of an item; empty where a place lies outside."""
        item, parts = self.items[number], []
        for begin, length in item.places:
            begin += self.idat if item.method == 1 else 0
            if item.method > 1 or begin + length > len(self.data):
                return b""
            parts.append(bytes(self.data[begin : begin + length]))
        return b"".join(parts)

    def described_by(self, kind: bytes, content: bytes = b"") -> int | None:
        """Return the number of the metadata of a kind that describes the picture, or None."""
        own = {one for name, one, others in self.references if name == b"cdsc" and self.primary in others}
        found = [
            number
            for number, item in self.items.items()
            if item.kind == kind and item.content.startswith(content) and (number in own or not own)
        ]
        return found[0] if found else None

    @property
    def exif(self) -> bytes | None:
        """EXIF as a TIFF block, without the four bytes that say where it begins."""
        if (number := self.described_by(EXIF)) is None:
            return None
        block = self.content(number)
        start = 4 + int.from_bytes(block[:4], "big")
        return block[start:] or None

    @property
    def xmp(self) -> bytes | None:
        """XMP packet."""
        number = self.described_by(b"mime", XMP_TYPE)
        return None if number is None else self.content(number) or None

    def check_inside(self) -> None:
        """Refuse a file that ends before its picture or a tile of it does.

        Raises:
            InputError: It does.
        """
        shown = {self.primary}
        for kind, number, others in self.references:
            if kind == b"dimg" and number in shown:
                shown |= {*others}
        for number in shown & {*self.items}:
            item = self.items[number]
            if item.method == 0 and any(begin + length > len(self.data) for begin, length in item.places):
                raise InputError("truncated or damaged (a part of its pixels is missing)")

    def lost(self) -> Iterator[str]:
        """Yield notes on pictures beside the one that is shown, which results do not have."""
        found: dict[str, None] = {}
        for kind, number, others in self.references:
            if number not in self.items or (kind == b"auxl" and self.primary not in others):
                continue
            item = self.items[number]
            if kind == b"auxl":
                urn = next((payload[4:] for one, payload in item.properties if one == b"auxC"), b"")
                if not urn.startswith(ALPHA):
                    word = next(
                        (word for part, word in _WORDS if part in urn.lower()), "an auxiliary picture"
                    )
                    found[word] = None
            elif kind == b"dimg" and item.kind == b"tmap":
                found["its gain map"] = None
        pictures = [item for item in self.items.values() if item.kind in (b"hvc1", b"av01", b"grid", b"iden")]
        hidden = {other for kind, _, others in self.references if kind == b"dimg" for other in others}
        side = {number for kind, number, _ in self.references if kind in (b"auxl", b"thmb")}
        if len(pictures) > 1 and any(
            number not in hidden | side | {self.primary}
            for number, item in self.items.items()
            if item in pictures
        ):
            found["further pictures"] = None
        for word in found:
            yield f"{word} in the file {'are' if word.endswith('s') else 'is'} left out"
        yield from ends.behind(self.data, self.end)


def boxes(data: Data, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two places.

    Raises:
        InputError: One reaches outside, or there are too many.
    """
    for _ in range(_MOST):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= end:
            size, head = struct.unpack_from(">Q", data, start + 8)[0], 16
        size = end - start if size == 0 else size
        if size < head or start + size > end:
            raise InputError("truncated or damaged (a box reaches outside)")
        yield Box(kind, start + head, start + size)
        start += size
    raise InputError("truncated or damaged (too many boxes)")


def read(data: Data) -> Heif:
    """Read the boxes of a file.

    Raises:
        InputError: Damaged, or a sequence of pictures; without the file's name.
    """
    found, meta = Heif(data), None
    at = 0
    try:
        while at + 8 <= len(data) and bytes(data[at + 4 : at + 8]) in TOP:
            size = int.from_bytes(data[at : at + 4], "big")
            if size == 1:
                size = int.from_bytes(data[at + 8 : at + 16], "big")
            end = len(data) if size == 0 else at + max(size, 8)
            kind = bytes(data[at + 4 : at + 8])
            if kind == b"moov":
                raise InputError(SEVERAL_PICTURES)
            if kind == b"meta":
                meta = Box(kind, at + 12, end)
                if end > len(data):
                    raise InputError("truncated or damaged (a box reaches outside)")
            if kind == b"uuid":
                found.uuids.append(bytes(data[at + 8 : end]))
            at = end
        found.end = min(at, len(data))
        if meta is None:
            raise InputError("truncated or damaged (it says nothing of a picture)")
        _read_meta(found, meta)
    except (struct.error, IndexError) as error:
        raise InputError(f"truncated or damaged ({error})") from error
    return found


def _read_meta(found: Heif, meta: Box) -> None:
    data, inside = found.data, {box.kind: box for box in boxes(found.data, meta.start, meta.end)}
    if b"pitm" in inside:
        start = inside[b"pitm"].start
        found.primary = struct.unpack_from(">H" if data[start] == 0 else ">I", data, start + 4)[0]
    if b"idat" in inside:
        found.idat = inside[b"idat"].start
    if b"iinf" in inside:
        box = inside[b"iinf"]
        for one in boxes(data, box.start + (6 if data[box.start] == 0 else 8), box.end):
            _read_entry(found, one)
    if b"iloc" in inside:
        _read_places(found, inside[b"iloc"])
    if b"iref" in inside:
        box = inside[b"iref"]
        code, width = ("H", 2) if data[box.start] == 0 else ("I", 4)
        for one in boxes(data, box.start + 4, box.end):
            number, count = struct.unpack_from(f">{code}H", data, one.start)
            others = struct.unpack_from(f">{min(count, _MOST)}{code}", data, one.start + width + 2)
            found.references.append((one.kind, number, others))
    if b"iprp" in inside:
        _read_properties(found, inside[b"iprp"])


def _read_entry(found: Heif, box: Box) -> None:
    """An entry of the list of items."""
    data, version = found.data, found.data[box.start]
    if box.kind != b"infe" or version < 2:
        return
    code, width = (">H", 2) if version == 2 else (">I", 4)
    number = struct.unpack_from(code, data, box.start + 4)[0]
    at = box.start + 4 + width + 2
    kind = bytes(data[at : at + 4])
    names = bytes(data[at + 4 : box.end]).split(b"\0")
    found.items[number] = Item(kind, names[1] if kind == b"mime" and len(names) > 1 else b"")


def _read_places(found: Heif, box: Box) -> None:
    """Read the places of the content of items."""
    data, version = found.data, found.data[box.start]
    sizes = data[box.start + 4] >> 4, data[box.start + 4] & 15, data[box.start + 5] >> 4
    index_size = data[box.start + 5] & 15 if version else 0
    at = box.start + 6

    def number(width: int) -> int:
        nonlocal at
        if at + width > box.end:
            raise InputError("truncated or damaged (a box ends early)")
        value = int.from_bytes(data[at : at + width], "big")
        at += width
        return value

    wide = 4 if version == 2 else 2
    places = 0
    for _ in range(number(wide)):
        item = found.items.get(number(wide), Item(b""))
        item.method = number(2) & 15 if version else 0
        number(2)
        base = number(sizes[2])
        for _ in range(number(2)):
            number(index_size)
            begin, length = number(sizes[0]), number(sizes[1])
            item.places.append((base + begin, length or len(data)))
            places += 1
            if places > _MOST:
                raise InputError("truncated or damaged (too many places)")


def _read_properties(found: Heif, box: Box) -> None:
    data = found.data
    inside = list(boxes(data, box.start, box.end))
    table = [
        (one.kind, bytes(data[one.start : one.end]))
        for each in inside
        if each.kind == b"ipco"
        for one in boxes(data, each.start, each.end)
    ]
    for each in inside:
        if each.kind != b"ipma":
            continue
        version, wide = data[each.start], data[each.start + 3] & 1
        count, at = struct.unpack_from(">I", data, each.start + 4)[0], each.start + 8
        for _ in range(min(count, _MOST)):
            code, width = (">HB", 3) if version == 0 else (">IB", 5)
            number, several = struct.unpack_from(code, data, at)
            at += width
            for _ in range(several):
                index = int.from_bytes(data[at : at + 1 + wide], "big") & (0x7FFF if wide else 0x7F)
                at += 1 + wide
                if 0 < index <= len(table) and number in found.items:
                    found.items[number].properties.append(table[index - 1])


def describe(found: Heif, format: str) -> tuple[Metadata, int]:
    """Return the metadata of a file once its picture is upright, and EXIF's number of how it lies."""
    block, cicp, turned = found.exif, found.cicp, found.turned
    config = found.stated(b"av1C") or b""
    others = [(b"uuid", b"c2pa" in payload) for payload in found.uuids if payload[:16] != metadata.BOX]
    notes, lost = metadata.left_out(others)
    described = Metadata(
        format,
        "",
        exif=block,
        icc=found.profile,
        xmp=found.xmp,
        dpi=exif.dpi(block) if block else None,
        lost=(*found.lost(), *lost),
        lossless=cicp is not None and cicp[2] == 0,
        cicp=None if cicp is None or cicp[0] == 2 or _has_profile(found) else cicp[:2],
        subsampling=_SUBSAMPLING.get(config[2] >> 2 & 3) if len(config) > 2 else None,
        notes=(*icc.hdr_notes(cicp), *notes),
    )
    return metadata.upright(described, turned), turned


def _has_profile(found: Heif) -> bool:
    return found.profile is not None and any(one[:4] in _PROFILES for one in found.colours())


def named(error: InputError, format: str) -> InputError:
    """Return the error of a file with its format in it."""
    return InputError(str(error).replace("truncated or damaged", f"truncated or damaged {format}", 1))


def box(kind: bytes, *payload: bytes) -> bytes:
    """Return a box."""
    content = b"".join(payload)
    return struct.pack(">I4s", 8 + len(content), kind) + content
