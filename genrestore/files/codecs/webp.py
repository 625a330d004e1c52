"""WebP: lossless stays lossless; 8 bits, RGB with or without alpha."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from genrestore.errors import InputError
from genrestore.files.codecs import metadata
from genrestore.files.codecs.pixels import Image, interleaved, to_8_bit, without_single

QUALITY = 90
MAX_SIDE = 16383
_OPEN = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
)
_OPEN += b'<rdf:Description rdf:about="" xmlns:genrestore="urn:genrestore"><genrestore:provenance>'
_CLOSE = b"</genrestore:provenance></rdf:Description></rdf:RDF></x:xmpmeta>"
_CHUNK = b"GNRS"
_ESCAPES = ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;"))


def write(image: Image, stream: BinaryIO, provenance: metadata.Provenance | None) -> tuple[str, ...]:
    """Encode to WebP; returns notes for the user.

    Provenance goes into XMP, or into a chunk of its own at the end where the source has XMP.

    Raises:
        InputError: Larger than WebP can hold.
    """
    import PIL.Image

    height, width = image.pixels.shape[2:]
    if max(height, width) > MAX_SIDE:
        raise InputError(f"{width} x {height}: WebP holds at most {MAX_SIDE} pixels a side; write PNG")
    found = image.metadata
    xmp = found.xmp
    if provenance is not None and xmp is None:
        xmp = _OPEN + _escape(metadata.pack_provenance(provenance)) + _CLOSE
    picture = PIL.Image.fromarray(without_single(to_8_bit(interleaved(image))))
    picture.save(
        stream,
        "WEBP",
        lossless=found.lossless,
        quality=QUALITY,
        exact=True,
        exif=found.exif or b"",
        icc_profile=found.icc or b"",
        xmp=xmp or b"",
    )
    if provenance is not None and found.xmp is not None:
        _append(stream, metadata.pack_provenance(provenance))
    if found.format == "WEBP":
        stream.seek(0, 2)
        stream.write(found.appended)
    return tuple(_losses(image))


def size(data: bytes) -> tuple[int, int]:
    """Width and height that the header of a still WebP states, of its canvas and of its picture alike.

    Raises:
        InputError: No such header, an animation, or two sizes.
    """
    found = set()
    for kind, payload in _headers(data):
        if kind == b"VP8X":
            found.add(
                (1 + int.from_bytes(payload[4:7], "little"), 1 + int.from_bytes(payload[7:10], "little"))
            )
        elif kind == b"VP8 ":
            both = int.from_bytes(payload[6:10], "little")
            found.add((both & 0x3FFF, both >> 16 & 0x3FFF))
        elif kind == b"VP8L":
            both = int.from_bytes(payload[1:5], "little")
            found.add((1 + (both & 0x3FFF), 1 + (both >> 14 & 0x3FFF)))
    if len(found) != 1:
        raise InputError("truncated or damaged WEBP (its size is not said once)")
    return found.pop()


def _headers(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and first bytes of each chunk."""
    stream = io.BytesIO(data)
    for kind, length in _chunks(stream):
        yield kind, stream.read(min(length, 10))


def without_provenance(xmp: bytes | None) -> bytes | None:
    """XMP, or None where it is only what `write` made of the provenance."""
    return None if xmp is None or _provenance_of(xmp) is not None else xmp


def is_lossless(stream: BinaryIO) -> bool:
    """Whether the picture's data are of the lossless kind."""
    return any(kind == b"VP8L" for kind, _ in _chunks(stream))


def read_provenance(stream: BinaryIO) -> bytes | None:
    """The provenance that `write` put into the XMP or its own chunk, packed; reads no pixels.

    What a file that was cut off has lost of it is missing in what is given.
    """
    packed = None
    for kind, length in _chunks(stream):
        if kind == b"XMP " and length <= metadata.MAX_PROVENANCE:
            xmp = stream.read(length)
            is_cut = len(xmp) < length and xmp.startswith(_OPEN)
            packed = xmp[len(_OPEN) :] if is_cut else _provenance_of(xmp)
        elif kind == _CHUNK and length <= metadata.MAX_PROVENANCE:
            packed = stream.read(length)
    return packed


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Type and length of each chunk, the stream standing at its payload."""
    at = 12
    while True:
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            return
        kind, length = struct.unpack("<4sI", head)
        yield kind, length
        at += 8 + length + length % 2


def _append(stream: BinaryIO, packed: bytes) -> None:
    """Put our chunk at the end, where readers pass over what they do not know; the file has others too."""
    stream.seek(0, 2)
    stream.write(struct.pack("<4sI", _CHUNK, len(packed)) + packed + b"\0" * (len(packed) % 2))
    size = stream.tell() - 8
    stream.seek(4)
    stream.write(struct.pack("<I", size))
    stream.seek(0, 2)


def _provenance_of(xmp: bytes) -> bytes | None:
    if not (xmp.startswith(_OPEN) and xmp.endswith(_CLOSE)):
        return None
    packed = xmp[len(_OPEN) : -len(_CLOSE)]
    for plain, escaped in reversed(_ESCAPES):
        packed = packed.replace(escaped, plain)
    return packed


def _escape(data: bytes) -> bytes:
    for plain, escaped in _ESCAPES:
        data = data.replace(plain, escaped)
    return data


def _losses(image: Image) -> Iterator[str]:
    if image.pixels.dtype != np.uint8:
        yield "WebP has 8 bits: 16-bit values are rounded"
    if image.pixels.shape[1] == 1:
        yield "WebP has no grey mode: written as RGB"
    if not image.metadata.lossless:
        yield f"lossy WebP, written with quality {QUALITY}"
