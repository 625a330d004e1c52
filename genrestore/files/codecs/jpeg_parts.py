"""What a JPEG file holds beside its picture: segments before it, and pictures and films behind it.

What tells of a film counts from the end of the file (Google's MicroVideoOffset, the lengths in its
container, Samsung's trailer), so it stays true as long as what is behind the picture stays as it was. An
index of further pictures (MPF, CIPA DC-007) counts from itself: `write_index` adjusts it to where they lie.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO

from genrestore.errors import InputError
from genrestore.files.codecs import jpeg_markers, metadata, photoshop, xmp
from genrestore.files.codecs.appended import Data, behind
from genrestore.files.codecs.jpeg_markers import APP0, APP14, Structure

COMMENT, APP1, APP2, APP11, APP13 = 0xFE, 0xE1, 0xE2, 0xEB, 0xED
MARK = metadata.PROVENANCE_KEY.encode() + b" "
_EXIF, _XMP, _ICC, _MPF = b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0", b"MPF\0"
_GAIN_MAP = b"urn:iso:std:iso:ts:21496"
_PREVIEWS = frozenset((0x010001, 0x010002))
_ENTRIES, _ENTRY = 0xB002, 16
_BOXES = "boxes in APP11 are left out, since they may not hold true any more"
_ZEROS = re.compile(rb"\0*")


@dataclass(frozen=True)
class Parts:
    """What a JPEG file holds beside its picture.

    Attributes:
        segments: Marker and payload of those to carry over. The entries of an index of further pictures count
            from the end of the picture.
        appended: What stands behind the picture.
        notes: What the user is told, one sentence each.
        lost: What is left out and is no copy of the picture, one note each.
        lost_pictures: Whether further pictures are left out that XMP may claim.
        lost_film: Whether a film is left out that XMP may claim.
    """

    segments: tuple[tuple[int, bytes], ...] = ()
    appended: bytes = b""
    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    lost_pictures: bool = False
    lost_film: bool = False


def of(data: Data, found: Structure, turned: int) -> Parts:
    """What a file holds, as far as it is true for the restored picture.

    Args:
        data: The whole file.
        found: Its markers.
        turned: EXIF's number of how the picture is turned: further pictures do not turn with it.
    """
    appended, too_many = behind(data, found.end)
    lost = list(too_many)
    notes: list[str] = []
    pictures = list(_pictures(appended))
    rest = appended[pictures[-1][1] if pictures else 0 :]
    previews = {entry.place - found.end for entry in _index(found) if entry.kind in _PREVIEWS}
    kept = [(begin, end) for begin, end in pictures if begin not in previews]
    if len(kept) < len(pictures):
        notes.append("the previews inside the JPEG are left out, since they show the old picture")
    if kept and turned != 1:
        lost.append(
            "further pictures inside the JPEG (gain map, depth) are left out: they do not turn with it"
        )
        kept = []
    places: dict[int, int] = {}
    at = 0
    for begin, end in kept:
        places[begin + found.end] = at
        at += end - begin
    if not pictures:  # the index may know of some between other bytes
        places = {
            entry.place: entry.place - found.end
            for entry in _index(found)
            if found.end <= entry.place < len(data)
        }
    segments = tuple(_segments(found, places, notes, lost))
    appended = b"".join(appended[begin:end] for begin, end in kept) + rest
    lost_pictures = bool(too_many) or len(kept) < len(pictures)
    return Parts(segments, appended, tuple(notes), tuple(lost), lost_pictures, bool(too_many))


def kept(appended: bytes) -> Iterator[str]:
    """What the user is told of what stands behind the picture, where it is kept; nothing of a few zeros."""
    pictures = list(_pictures(appended))
    rest = appended[pictures[-1][1] if pictures else 0 :]
    if pictures:
        yield "further pictures behind the picture (gain map, depth) are kept as they were"
    if rest.strip(b"\0"):
        film = b"ftyp" in rest or b"MotionPhoto_Data" in rest
        what = "the film" if film else "what stands"
        yield f"{what} behind the picture is kept as it was, {len(rest)} bytes"


def write_index(stream: BinaryIO) -> None:
    """Make the index of further pictures in a written JPEG, if it has one, true; the stream ends with it."""
    end = stream.seek(0, 2)
    stream.seek(0)
    for segment in jpeg_markers.read(stream.read()).segments:
        if segment.marker == APP2 and segment.payload.startswith(_MPF):
            base = segment.start + 8
            payload = bytearray(segment.payload)
            for number, entry in enumerate(_entries(segment.payload)):
                size, place = (end, 0) if number == 0 else (entry.size, (end + entry.place - base) % 2**32)
                struct.pack_into(entry.order + "II", payload, entry.at + 4, size, place)
            stream.seek(segment.start + 4)
            stream.write(payload)
    stream.seek(0, 2)


@dataclass(frozen=True)
class _Entry:
    """An entry of an index of pictures.

    Attributes:
        kind: What the picture is; the first is the file's own.
        size: Bytes.
        place: Where it begins; as it stands in the entry, or in the file.
        at: Where the entry stands in its segment's payload.
        order: Byte order.
    """

    kind: int
    size: int
    place: int
    at: int
    order: str


def _entries(payload: bytes) -> Iterator[_Entry]:
    """The entries of an MPF segment; none of a damaged one."""
    block = payload[len(_MPF) :]
    order = ">" if block.startswith(b"MM") else "<"
    try:
        start = struct.unpack_from(order + "I", block, 4)[0]
        for at in range(start + 2, start + 2 + 12 * struct.unpack_from(order + "H", block, start)[0], 12):
            tag, _, count, value = struct.unpack_from(order + "HHII", block, at)
            for place in range(value, value + count // _ENTRY * _ENTRY, _ENTRY) if tag == _ENTRIES else ():
                attribute, size, begin = struct.unpack_from(order + "III", block, place)
                yield _Entry(attribute & 0xFFFFFF, size, begin, len(_MPF) + place, order)
    except struct.error:
        return


def _index(found: Structure) -> list[_Entry]:
    """The further pictures that a file's index knows, with their places in the file."""
    for segment in found.segments:
        if segment.marker == APP2 and segment.payload.startswith(_MPF):
            base = segment.start + 8
            return [replace(entry, place=entry.place + base) for entry in _entries(segment.payload)][1:]
    return []


def _pictures(appended: bytes) -> Iterator[tuple[int, int]]:
    """Where JPEGs stand one after the other behind the picture, with the zeros between them."""
    at = 0
    while True:
        zeros = _ZEROS.match(appended, at)
        begin = zeros.end() if zeros else at
        if appended[begin : begin + 3] != b"\xff\xd8\xff":
            return
        try:
            end = jpeg_markers.read(appended, begin).end
        except InputError:
            return
        following = _ZEROS.match(appended, end)
        end = following.end() if following and appended[following.end() :][:3] == b"\xff\xd8\xff" else end
        yield begin, end
        at = end


def _segments(
    found: Structure, places: Mapping[int, int], notes: list[str], lost: list[str]
) -> Iterator[tuple[int, bytes]]:
    """The segments to carry over; our own provenance and what Pillow writes by itself are made anew."""
    resources = b"".join(
        each.payload[len(photoshop.MARK) :]
        for each in found.segments
        if each.marker == APP13 and each.payload.startswith(photoshop.MARK)
    )
    extended = xmp.without_thumbnails_in_extension(
        [
            each.payload
            for each in found.segments
            if each.marker == APP1 and each.payload.startswith(xmp.EXTENSION)
        ]
    )
    for segment in found.segments:
        marker, payload = segment.marker, segment.payload
        if marker == APP13 and payload.startswith(photoshop.MARK):
            yield from ((APP13, part) for part in photoshop.segments(resources))
            resources = b""
        elif marker == APP1 and payload.startswith(xmp.EXTENSION):
            yield from ((APP1, part) for part in extended)
            extended = []
        elif marker == APP11:
            told, note = (notes, metadata.CREDENTIALS) if b"c2pa" in payload else (lost, _BOXES)
            if note not in told:
                told.append(note)
        elif marker == APP2 and payload.startswith(_MPF):
            if (index := _kept_index(segment, places)) is not None:
                yield APP2, index
        elif marker == COMMENT and not payload.startswith(MARK):
            yield COMMENT, payload
        elif APP0 < marker < APP0 + 16 and marker != APP14:
            written_anew = payload.startswith((_EXIF, _XMP, _ICC))
            if not written_anew and (places or not payload.startswith(_GAIN_MAP)):
                yield marker, payload


def _kept_index(segment: jpeg_markers.Segment, places: Mapping[int, int]) -> bytes | None:
    """An index's payload with the pictures that are kept, their places counted from the picture's end."""
    payload = bytearray(segment.payload)
    entries = list(_entries(segment.payload))
    base = segment.start + 8
    kept = [(entry, places[entry.place + base]) for entry in entries[1:] if entry.place + base in places]
    if not kept:
        return None
    for slot, (entry, place) in zip(entries[1:], kept, strict=False):
        payload[slot.at : slot.at + _ENTRY] = segment.payload[entry.at : entry.at + _ENTRY]
        struct.pack_into(entry.order + "I", payload, slot.at + 8, place)
    count = 1 + len(kept)
    order = entries[0].order
    start = len(_MPF) + struct.unpack_from(order + "I", payload, len(_MPF) + 4)[0]
    stop = start + 2 + 12 * struct.unpack_from(order + "H", payload, start)[0]
    for at in range(start + 2, min(stop, len(payload) - 11), 12):
        tag = struct.unpack_from(order + "H", payload, at)[0]
        if tag == 0xB001:
            struct.pack_into(order + "I", payload, at + 8, count)
        elif tag == _ENTRIES:
            struct.pack_into(order + "I", payload, at + 4, count * _ENTRY)
    return bytes(payload)


def is_about_appended(marker: int, payload: bytes) -> bool:
    """Whether a segment only tells of pictures behind the picture."""
    return marker == APP2 and payload.startswith((_MPF, _GAIN_MAP))
