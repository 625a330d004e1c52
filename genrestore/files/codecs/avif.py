"""AVIF of 8, 10 and 12 bits by imagecodecs, which knows no metadata: that is put into the boxes here."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np

from genrestore.errors import InputError
from genrestore.files.codecs import heif, icc, metadata
from genrestore.files.codecs.formats import check_size
from genrestore.files.codecs.images import Image, from_buffer, interleaved, narrowed, widened

QUALITY, SPEED = 90, 8
"""On libavif's scales. Speed 6 takes three times as long for files 6 % smaller."""
_IDENTITY, _UNSAID, _BT601 = 0, 2, 6


def read(stream: BinaryIO, format: str, max_pixels: int) -> Image:
    """Decode a still AVIF; see `formats.Codec`."""
    import imagecodecs

    data = stream.read()
    try:
        found = heif.read(data)
        check_size(*found.size, max_pixels)
        found.check_inside()
        described, turned = heif.describe(found, format)
        bits, shown = _bits(found), _shown(found)
    except InputError as error:
        raise heif.named(error, format) from error
    try:
        buffer = imagecodecs.avif_decode(data)
    except Exception as error:
        raise InputError(f"truncated or damaged {format} ({error})") from error
    if (buffer.shape[1], buffer.shape[0]) != found.size:
        raise InputError(f"truncated or damaged {format} (of another size than it says)")
    cropped = buffer[shown]
    if cropped.shape != buffer.shape:
        hidden = f"what its crop hides of its {found.size[0]} x {found.size[1]} pixels is left out"
        described, buffer = replace(described, lost=(*described.lost, hidden)), cropped.copy()
    described = replace(described, bits=bits if bits > 8 else 0)
    return from_buffer(widened(buffer, bits), described, turned)


def write(image: Image, stream: BinaryIO, provenance: metadata.Provenance | None) -> tuple[str, ...]:
    """Encode to AVIF: without loss if the source was, else with `QUALITY`; returns notes."""
    import imagecodecs

    found, buffer = image.metadata, interleaved(image)
    bits, notes = 8, list[str]()
    if buffer.dtype == np.uint16:
        bits = found.bits or 12
        buffer = narrowed(buffer, bits)
    if found.lossless:
        options: dict[str, Any] = {"level": 100}
    else:
        options = {"level": QUALITY, "speed": SPEED, "pixelformat": found.subsampling or "444"}
        notes.append(f"lossy AVIF, written with quality {QUALITY}")
    primaries, transfer = found.cicp or ((_UNSAID, _UNSAID) if found.icc else (1, icc.SRGB_TRANSFER))
    matrix = _IDENTITY if found.lossless and buffer.ndim == 3 and buffer.shape[2] >= 3 else _BT601
    try:
        encoded = imagecodecs.avif_encode(
            buffer, bitspersample=bits, primaries=primaries, transfer=transfer, matrix=matrix, **options
        )
    except imagecodecs.AvifError as error:
        raise InputError(f"AVIF cannot be written ({error})") from error
    profile = None if found.cicp else found.icc
    stream.write(_with_metadata(bytes(encoded), found.exif, found.xmp, profile))
    if provenance is not None:
        stream.write(metadata.provenance_box(provenance))
    return tuple(notes)


def read_provenance(stream: BinaryIO) -> bytes | None:
    """Return the provenance of `write`, packed."""
    return metadata.provenance_in_boxes(stream)


def _bits(found: heif.Heif) -> int:
    config = found.stated(b"av1C") or next(
        (payload for item in found.items.values() for kind, payload in item.properties if kind == b"av1C"),
        b"",
    )
    if len(config) < 3:
        raise InputError("truncated or damaged (it says nothing of its pixels)")
    return 8 if not config[2] & 64 else 12 if config[2] & 32 else 10


def _shown(found: heif.Heif) -> tuple[slice, ...]:
    """Rows and columns that are shown of a picture as it lies (ISO/IEC 14496-12, 12.1.4).

    Raises:
        InputError: They are not in it, or are no whole pixels.
    """
    stated, slices = found.stated(b"clap"), list[slice]()
    for at, side in zip((8, 0), reversed(found.size), strict=True):
        if stated is None:
            slices.append(slice(0, side))
            continue
        try:
            length, offset = (Fraction(*struct.unpack(">iI", stated[i : i + 8])) for i in (at, at + 16))
        except (struct.error, ZeroDivisionError) as error:
            raise InputError("truncated or damaged (its crop)") from error
        start = (side - length) / 2 + offset
        if not 0 <= start < start + length <= side or (start.denominator, length.denominator) != (1, 1):
            raise InputError("truncated or damaged (its crop is not in it)")
        slices.append(slice(int(start), int(start + length)))
    return tuple(slices)


Added = Sequence[tuple[int, bytes, bytes, bytes]]
"""Metadata that a file is given: number, kind, content type and content of its item."""


def _with_metadata(data: bytes, block: bytes | None, packet: bytes | None, profile: bytes | None) -> bytes:
    """A file of one picture with EXIF, XMP and a profile put into its boxes (ISO/IEC 23008-12, annex A).

    Args:
        data: As libavif writes it: places are numbers of 32 bits from the begin of the file.
        block: EXIF as a TIFF block.
        packet: XMP packet.
        profile: Colour profile.
    """
    own, whole = heif.read(data), {one.kind: one for one in heif.boxes(data, 0, len(data))}
    meta, following = whole[b"meta"], max(own.items) + 1
    found = [(heif.EXIF, b"", bytes(4) + block)] if block else []
    found += [(b"mime", heif.XMP_TYPE + b"\0", packet)] if packet else []
    added = [(following + at, *each) for at, each in enumerate(found)]
    if not added and not profile:
        return data
    longer = len(_meta(own, meta, added, profile, 0)) - (meta.end - meta.start + 8)
    written = _meta(own, meta, added, profile, longer)
    rest = heif.box(b"mdat", *(content for *_, content in added)) if added else b""
    return data[: meta.start - 8] + written + data[meta.end :] + rest


def _meta(own: heif.Heif, meta: heif.Box, added: Added, profile: bytes | None, longer: int) -> bytes:
    """The box that says what the file holds, by so many bytes longer than it was."""
    data = bytes(own.data)
    children = []
    for one in heif.boxes(data, meta.start + 4, meta.end):
        payload = data[one.start : one.end]
        if one.kind == b"iloc":
            payload = _places(own, added, longer)
        elif one.kind == b"iinf":
            payload = payload[:4] + struct.pack(">H", len(own.items) + len(added)) + payload[6:]
            for number, kind, content_type, _ in added:  # hidden ones: no pictures to be shown
                head = b"\2\0\0\1" + struct.pack(">HH", number, 0)
                payload += heif.box(b"infe", head, kind, b"\0", content_type)
        elif one.kind == b"iprp" and profile:
            payload = _with_profile(data, one, own.primary, profile)
        if one.kind != b"iref":
            children.append(heif.box(one.kind, payload))
    about = [(b"cdsc", number, (own.primary,)) for number, *_ in added]
    lists = [
        heif.box(kind, struct.pack(f">HH{len(others)}H", number, len(others), *others))
        for kind, number, others in (*own.references, *about)
    ]
    children += [heif.box(b"iref", bytes(4), *lists)] if lists else []
    return heif.box(b"meta", data[meta.start : meta.start + 4], *children)


def _places(own: heif.Heif, added: Added, longer: int) -> bytes:
    """The payload of the box of places, those of pixels moved, and those of what is added at the end."""
    every = [
        (number, [(begin + longer, length) for begin, length in item.places])
        for number, item in own.items.items()
    ]
    at = len(own.data) + longer + 8
    for number, _, _, content in added:
        every.append((number, [(at, len(content))]))
        at += len(content)
    entries = [
        struct.pack(">HHH", number, 0, len(places)) + b"".join(struct.pack(">II", *each) for each in places)
        for number, places in every
    ]
    return b"\0\0\0\0\x44\0" + struct.pack(">H", len(entries)) + b"".join(entries)


def _with_profile(data: bytes, properties: heif.Box, primary: int, profile: bytes) -> bytes:
    """The payload of the box of properties with a profile, which the picture has."""
    found, count = b"", 0
    for one in heif.boxes(data, properties.start, properties.end):
        payload = data[one.start : one.end]
        if one.kind == b"ipco":
            count = len(list(heif.boxes(data, one.start, one.end)))
            payload += heif.box(b"colr", b"prof", profile)
        else:  # ipma: number of the item, number of its properties, their indices
            at = payload.index(struct.pack(">H", primary), 8) + 2
            end = at + 1 + payload[at]
            several = bytes([payload[at] + 1]) + payload[at + 1 : end] + bytes([count + 1])
            payload = payload[:at] + several + payload[end:]
        found += heif.box(one.kind, payload)
    return found
