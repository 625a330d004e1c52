"""JPEG, compressed as its source was, with what a file holds beside its picture: segments, pictures, films.

What tells of a film counts from the end of the file (Google's MicroVideoOffset, the lengths in its
container, Samsung's trailer), so it stays true as long as what is behind the picture stays as it was. An
index of further pictures (MPF, CIPA DC-007) counts from itself: `_write_index` adjusts it to where they lie.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

import numpy as np

from genrestore.errors import InputError
from genrestore.files.codecs import containers, exif, metadata, pillow, xmp
from genrestore.files.codecs.containers import APP0, APP1, APP2, APP11, APP13, APP14, COMMENT, Data, Segment
from genrestore.files.codecs.images import Image, interleaved, to_8_bit, turned_back
from genrestore.files.codecs.metadata import JpegSettings, Metadata

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile
    from PIL.JpegImagePlugin import JpegImageFile

Segments = tuple[tuple[int, bytes], ...]
QUALITY = 95
_MAX_SEGMENT, _PART = 65533, 65000
_MARK = metadata.PROVENANCE_KEY + b" "
_RESOURCES = b"Photoshop 3.0\0"
_WRITTEN_ANEW = (b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0")
_MPF, _GAIN_MAP = b"MPF\0", b"urn:iso:std:iso:ts:21496"
_PREVIEWS = frozenset((0x010001, 0x010002))
_COUNT, _ENTRIES, _ENTRY = 0xB001, 0xB002, 16
_BOXES = "boxes in APP11 are left out, since they may not hold true any more"
_STALE = "the previews inside the JPEG are left out, since they show the old picture"
_WORDS = {COMMENT: "comments", APP13: "IPTC and other resources of Photoshop"}


def read(stream: BinaryIO, format: str, max_pixels: int) -> Image:
    """Decode the picture of a JPEG; see `formats.Codec`."""
    opened = pillow.open_as(stream, format, max_pixels)
    length, (width, height) = stream.seek(0, io.SEEK_END), opened.size
    if 8 * length < -(-width // 8) * -(-height // 8):
        # Each block of 8 x 8 pixels takes a bit or more; the decoder would fill it up with grey, in silence.
        raise InputError(f"truncated or damaged JPEG ({length} bytes for {width} x {height} pixels)")
    described, turned = pillow.stated(opened, format)
    with containers.view(stream) as data:
        found = containers.read_jpeg(data)
        found.check_work()
        described, segments, has_others = _with_parts(described, data, found)
    lies = metadata.as_it_lies(described, turned) if has_others and turned != 1 else None
    described = replace(
        metadata.upright(described, turned), jpeg=_settings(opened, segments, turned), turned=lies
    )
    return pillow.decode(opened, described, turned)


class Unnumbered:
    """A stream for Pillow without a file number, through which it takes a write that was cut short for whole.

    Args:
        stream: Open for writing.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.write, self.flush = stream.write, stream.flush


def write(image: Image, stream: BinaryIO, provenance: metadata.Provenance | None) -> tuple[str, ...]:
    """Encode to JPEG, with the tables and subsampling of a source that was one; returns notes."""
    import PIL.Image

    found, buffer = image.metadata, to_8_bit(interleaved(image))
    if (lies := found.turned) is not None:
        found = replace(found, exif=lies.exif, xmp=lies.xmp, dpi=lies.dpi, aspect=lies.aspect)
        buffer = np.ascontiguousarray(turned_back(buffer, lies.orientation))
    settings = found.jpeg or JpegSettings()
    segments, notes = list(settings.segments), []
    dpi_fits = found.dpi is not None and all(0.5 <= side < metadata.MAX_SIDE - 0.5 for side in found.dpi)
    if found.dpi and not dpi_fits:
        inch = f"{found.dpi[0]:g} x {found.dpi[1]:g}"
        notes.append(f"a resolution of {inch} an inch is outside JPEG's, and left out")
    if provenance is not None:
        comment = _MARK + metadata.pack_provenance(provenance)
        if len(comment) <= _MAX_SEGMENT:
            segments.append((COMMENT, comment))
        else:
            notes.append("the record of the settings is larger than a JPEG can hold, and left out")
    options: dict[str, Any] = {}
    if settings.tables:
        options["qtables"] = [list(table) for table in settings.tables]
    PIL.Image.fromarray(buffer).save(
        cast(BinaryIO, Unnumbered(stream)),
        "JPEG",
        quality=-1 if settings.tables else QUALITY,
        subsampling=0 if settings.keep_rgb else settings.subsampling,  # nobody writes the other
        # Tables of 16 bits are for baseline too coarse, of which libjpeg writes a line to stderr.
        progressive=settings.progressive or any(max(table) > 255 for table in settings.tables),
        keep_rgb=settings.keep_rgb,
        extra=b"".join(struct.pack(">BBH", 0xFF, m, len(payload) + 2) + payload for m, payload in segments),
        dpi=found.dpi if dpi_fits and not settings.keep_rgb else (0, 0),  # else JFIF's header, of YCbCr
        exif=b"Exif\0\0" + found.exif if found.exif else b"",
        xmp=found.xmp or b"",
        icc_profile=found.icc,
        **options,
    )
    if found.dpi is None and (sides := metadata.whole(found.aspect)) is not None:
        _write_aspect(stream, sides)
    if any(marker == APP2 for marker, _ in segments):
        _write_index(stream)
    if found.format == "JPEG":
        stream.write(found.appended)
    return tuple(notes)


def read_provenance(stream: BinaryIO) -> bytes | None:
    """Return the provenance that `write` put into a comment, packed; reads no pixels."""
    for kind, length in containers.parts(stream, containers.JPEG):
        if kind[0] != 0xFF or kind[1] == containers.SOS:
            return None
        if kind[1] == COMMENT and (payload := stream.read(length)).startswith(_MARK):
            return payload[len(_MARK) :]
    return None


def _in_words(segments: Segments) -> Iterator[str]:
    """The segments that are no EXIF, no profile and no XMP packet."""
    for marker, payload in segments:
        if marker == APP1 and payload.startswith(xmp.EXTENSION):
            yield "the extended XMP"
        elif not _is_about_appended(marker, payload):
            yield _WORDS.get(marker, f"segments APP{marker - APP0}")


def _settings(opened: ImageFile, segments: Segments, turned: int) -> JpegSettings:
    from PIL.JpegImagePlugin import JpegImageFile, get_sampling

    assert isinstance(opened, JpegImageFile)
    if opened.mode == "CMYK":
        return JpegSettings(segments=segments, orientation=turned)
    return JpegSettings(
        tables=_tables(opened),
        subsampling=max(0, get_sampling(opened)),
        progressive=bool(opened.info.get("progressive", False)),
        keep_rgb=opened.mode == "RGB" and _holds_rgb(opened),
        segments=segments,
        planes=tuple(_planes(opened)),
        orientation=turned,
    )


def _tables(opened: JpegImageFile) -> tuple[tuple[int, ...], ...]:
    """The tables in the order in which components are given them; the last one serves those after it too."""
    tables = opened.quantization
    usual = [min(place, len(tables) - 1) for place in range(len(opened.layer))]
    own = [layer[3] for layer in opened.layer]
    if own == usual or not tables.keys() >= set(own):
        own = sorted(tables)
    return tuple(tuple(tables[key]) for key in own)


def _holds_rgb(opened: JpegImageFile) -> bool:
    """Whether libjpeg takes the components for R, G and B: JFIF comes before Adobe, that before names."""
    if "jfif" in opened.info:
        return False
    names = bytes(layer[0] for layer in opened.layer)
    return bool(opened.info.get("adobe_transform", 0 if names == b"RGB" else 1) == 0)


def _planes(opened: JpegImageFile) -> Iterator[tuple[tuple[int, ...], int, int]]:
    """The components, as `JpegSettings.planes` has them; none where one has no table or no whole share."""
    across, down = (max(layer[axis] for layer in opened.layer) for axis in (1, 2))
    tables = opened.quantization
    for _, own_across, own_down, table in opened.layer:
        if not own_across or not own_down or across % own_across or down % own_down or table not in tables:
            return
    for _, own_across, own_down, table in opened.layer:
        yield tuple(tables[table]), down // own_down, across // own_across


def _write_aspect(stream: BinaryIO, sides: tuple[int, int]) -> None:
    """Put a resolution without a unit into the JFIF header, with which Pillow begins a file."""
    stream.seek(0)
    if stream.read(11)[6:] == b"JFIF\0":
        stream.seek(13)
        stream.write(struct.pack(">BHH", 0, *sides))
    stream.seek(0, 2)


def without_appended(found: Metadata) -> Metadata:
    """Return the metadata of a picture written without what stood behind it, claiming none of it."""
    settings = None
    if found.jpeg is not None:
        segments = (each for each in found.jpeg.segments if not _is_about_appended(*each))
        settings = replace(found.jpeg, segments=tuple(segments))
    packet = None if found.xmp is None else xmp.without_claims(found.xmp, pictures=True, film=True)
    return replace(found, xmp=packet, jpeg=settings, appended=b"", turned=None)


def _is_about_appended(marker: int, payload: bytes) -> bool:
    return marker == APP2 and payload.startswith((_MPF, _GAIN_MAP))


def _with_parts(described: Metadata, data: Data, found: containers.Jpeg) -> tuple[Metadata, Segments, bool]:
    """Add what a file holds beside its picture, as far as that is true for the restored one.

    Returns the metadata, marker and payload of the segments to carry over, and whether further pictures are
    kept. The entries of an index of them count from the end of the picture.
    """
    appended, too_many = metadata.behind(data, found.end)
    lost, notes = list(too_many), []
    further = list(containers.pictures(appended))
    index = next((_entries(segment)[1][1:] for segment in _indexes(found)), [])
    rest = appended[further[-1][1] if further else 0 :]
    previews = {entry.place - found.end for entry in index if entry.kind in _PREVIEWS}
    kept = [(begin, end) for begin, end in further if begin not in previews]
    if len(kept) < len(further):
        notes.append(_STALE)
    places: dict[int, int] = {}
    at = 0
    for begin, end in kept:
        places[begin + found.end] = at
        at += end - begin
    if not further:  # the index may know of some between other bytes
        inside = range(found.end, len(data))
        places = {entry.place: entry.place - found.end for entry in index if entry.place in inside}
    segments = tuple(_segments(found, places, notes, lost))
    appended = b"".join(appended[begin:end] for begin, end in kept) + rest
    packet, lost_pictures = described.xmp, bool(too_many) or len(kept) < len(further)
    if packet is not None:
        packet = xmp.without_claims(packet, pictures=lost_pictures, film=bool(too_many))
    words = tuple(dict.fromkeys(_in_words(segments)))
    described = replace(
        described, xmp=packet, appended=appended, notes=tuple(notes), lost=tuple(lost), only_here=words
    )
    return described, segments, bool(kept or places)


def _segments(
    found: containers.Jpeg, places: Mapping[int, int], notes: list[str], lost: list[str]
) -> Iterator[tuple[int, bytes]]:
    """The segments to carry over; our own provenance and what Pillow writes by itself are made anew."""

    def payloads(marker: int, mark: bytes) -> list[bytes]:
        own = (each.payload for each in found.segments if each.marker == marker)
        return [payload for payload in own if payload.startswith(mark)]

    resources = b"".join(payload[len(_RESOURCES) :] for payload in payloads(APP13, _RESOURCES))
    clean = containers.without_thumbnails(resources)
    whole = {
        _RESOURCES: [_RESOURCES + clean[at : at + _PART] for at in range(0, len(clean), _PART)],
        xmp.EXTENSION: xmp.without_thumbnails_in_extension(payloads(APP1, xmp.EXTENSION)),
    }
    for segment in found.segments:
        marker, payload = segment.marker, segment.payload
        mark = {APP13: _RESOURCES, APP1: xmp.EXTENSION}.get(marker)
        if mark is not None and payload.startswith(mark):  # all of it where the first part stood
            yield from ((marker, part) for part in whole.pop(mark, ()))
        elif marker == APP11:
            remarks, note = (notes, metadata.CREDENTIALS) if b"c2pa" in payload else (lost, _BOXES)
            if note not in remarks:
                remarks.append(note)
        elif marker == APP2 and payload.startswith(_MPF):
            if (index := _kept_index(segment, places)) is not None:
                yield APP2, index
        elif marker == COMMENT and not payload.startswith(_MARK):
            yield COMMENT, payload
        elif APP0 < marker < APP0 + 16 and marker != APP14:
            stale = _WRITTEN_ANEW if places else (*_WRITTEN_ANEW, _GAIN_MAP)
            if not payload.startswith(stale):
                yield marker, payload


class _Entry(NamedTuple):
    """An entry of an index of pictures: type, bytes, begin in the file, place in the segment's payload."""

    kind: int
    size: int
    place: int
    at: int


def _entries(segment: Segment) -> tuple[exif.Tiff | None, list[_Entry]]:
    """The block of an MPF segment and its entries, of which the first is the file's own."""
    found: list[_Entry] = []
    with suppress(exif.BadBlock):
        tiff = exif.Tiff(segment.payload[len(_MPF) :])
        with suppress(exif.BadBlock):
            for tag, at in tiff.entries(tiff.first):
                begin, size = tiff.number(at + 8, "I"), tiff.number(at + 4, "I") // _ENTRY * _ENTRY
                for place in range(begin, begin + size, _ENTRY) if tag == _ENTRIES else ():
                    kind, length, start = (tiff.number(place + 4 * n, "I") for n in range(3))
                    base = segment.start + 8  # of the block in the file
                    found.append(_Entry(kind & 0xFFFFFF, length, start + base, len(_MPF) + place))
        return tiff, found
    return None, found


def _indexes(found: containers.Jpeg) -> Iterator[Segment]:
    own = (each for each in found.segments if each.marker == APP2)
    return (each for each in own if each.payload.startswith(_MPF))


def _kept_index(segment: Segment, places: Mapping[int, int]) -> bytes | None:
    """An index's payload with the pictures that are kept, their places counted from the picture's end."""
    payload = bytearray(segment.payload)
    tiff, entries = _entries(segment)
    kept = [(entry, places[entry.place]) for entry in entries[1:] if entry.place in places]
    if tiff is None or not kept:
        return None
    for slot, (entry, place) in zip(entries[1:], kept, strict=False):
        payload[slot.at : slot.at + _ENTRY] = segment.payload[entry.at : entry.at + _ENTRY]
        struct.pack_into(tiff.order + "I", payload, slot.at + 8, place)
    for tag, at in tiff.entries(tiff.first):
        if tag == _COUNT:
            struct.pack_into(tiff.order + "I", payload, len(_MPF) + at + 8, 1 + len(kept))
        elif tag == _ENTRIES:
            struct.pack_into(tiff.order + "I", payload, len(_MPF) + at + 4, (1 + len(kept)) * _ENTRY)
    return bytes(payload)


def _write_index(stream: BinaryIO) -> None:
    """Make the index of further pictures in a written JPEG, if it has one, true; the stream ends with it."""
    end = stream.seek(0, 2)
    stream.seek(0)
    for segment in _indexes(containers.read_jpeg(stream.read())):
        payload = bytearray(segment.payload)
        tiff, entries = _entries(segment)
        for number, entry in enumerate(entries):
            base = segment.start + 8
            size, place = (end, 0) if number == 0 else (entry.size, (end + entry.place - 2 * base) % 2**32)
            struct.pack_into(f"{tiff.order if tiff else '<'}II", payload, entry.at + 4, size, place)
        stream.seek(segment.start + 4)
        stream.write(payload)
    stream.seek(0, 2)
