"""WebP: lossless stays lossless; 8 bits, RGB with or without alpha."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import BinaryIO

from genrestore.errors import InputError
from genrestore.files.codecs import metadata, pillow
from genrestore.files.codecs.containers import RIFF, parts, view
from genrestore.files.codecs.images import Image, interleaved, to_8_bit
from genrestore.files.codecs.metadata import behind

QUALITY = 90
_OPEN = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:genrestore="urn:genrestore"><genrestore:provenance>'
)
_OWN = b"xmlns:genrestore"
_CLOSE = b"</genrestore:provenance></rdf:Description></rdf:RDF></x:xmpmeta>"
_CHUNK, _CREDENTIALS = b"GNRS", b"C2PA"
_KNOWN = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ", _CHUNK))
_ESCAPES = ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;"))


def read(stream: BinaryIO, format: str, max_pixels: int) -> Image:
    """Decode a still WebP; see `formats.Codec`."""
    opened = pillow.open_as(stream, format, max_pixels)
    found, turned = pillow.describe(opened, format)
    with view(stream) as data:
        length = int.from_bytes(data[4:8], "little")
        end = 8 + length + length % 2
        appended, lost = behind(data, end)
    pillow.check_frames(opened, format)
    kinds = [kind for kind, _ in parts(stream, RIFF) if stream.tell() <= end]
    notes, unknown = metadata.left_out((kind, kind == _CREDENTIALS) for kind in kinds if kind not in _KNOWN)
    lossless = b"VP8L" in kinds
    is_ours = found.xmp is not None and _provenance_of(found.xmp) is not None
    packet = None if is_ours else found.xmp
    lost = (*lost, *unknown)
    found = replace(found, xmp=packet, lossless=lossless, appended=appended, notes=notes, lost=lost)
    return pillow.decode(opened, found, turned)


def write(image: Image, stream: BinaryIO, provenance: metadata.Provenance | None) -> tuple[str, ...]:
    """Encode to WebP; provenance goes into XMP, or where the source has XMP into a chunk at the end."""
    import PIL.Image

    found = image.metadata
    packed = b"" if provenance is None else metadata.pack_provenance(provenance)
    picture = PIL.Image.fromarray(to_8_bit(interleaved(image)))
    picture.save(
        stream,
        "WEBP",
        lossless=found.lossless,
        quality=QUALITY,
        exact=True,
        exif=found.exif or b"",
        icc_profile=found.icc or b"",
        xmp=found.xmp or (_OPEN + _escaped(packed) + _CLOSE if packed else b""),
    )
    stream.seek(0, 2)
    if packed and found.xmp is not None:  # at the end, where readers pass over what they do not know
        stream.write(struct.pack("<4sI", _CHUNK, len(packed)) + packed + b"\0" * (len(packed) % 2))
        size = stream.tell() - 8
        stream.seek(4)
        stream.write(struct.pack("<I", size))
        stream.seek(0, 2)
    if found.format == "WEBP":
        stream.write(found.appended)
    return () if found.lossless else (f"lossy WebP, written with quality {QUALITY}",)


def read_provenance(stream: BinaryIO) -> bytes | None:
    """Return the provenance of `write`, packed; of a file that was cut off, what is left of it."""
    packed = None
    for kind, length in parts(stream, RIFF):
        if kind == b"XMP " and length <= metadata.MAX_PROVENANCE:
            xmp = stream.read(length)
            is_cut = len(xmp) < length and _OWN in xmp and xmp[: len(_OPEN)] == _OPEN[: len(xmp)]
            packed = xmp[len(_OPEN) :] if is_cut else _provenance_of(xmp)
        elif kind == _CHUNK and length <= metadata.MAX_PROVENANCE:
            packed = stream.read(length)
    return packed


def size(data: bytes) -> tuple[int, int]:
    """Return width and height that the header of a still WebP states, of its canvas and picture alike.

    Raises:
        InputError: No such header, an animation, or two sizes.
    """
    stream, found = io.BytesIO(data), set()
    for kind, length in parts(stream, RIFF):
        head = stream.read(min(length, 10))
        if kind == b"VP8X":
            found.add((1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")))
        elif kind == b"VP8 ":
            both = int.from_bytes(head[6:10], "little")
            found.add((both & 0x3FFF, both >> 16 & 0x3FFF))
        elif kind == b"VP8L":
            both = int.from_bytes(head[1:5], "little")
            found.add((1 + (both & 0x3FFF), 1 + (both >> 14 & 0x3FFF)))
    if len(found) != 1:
        raise InputError("truncated or damaged WEBP (its size is not said once)")
    return found.pop()


def _provenance_of(xmp: bytes) -> bytes | None:
    if not (xmp.startswith(_OPEN) and xmp.endswith(_CLOSE)):
        return None
    packed = xmp[len(_OPEN) : -len(_CLOSE)]
    for plain, escaped in reversed(_ESCAPES):
        packed = packed.replace(escaped, plain)
    return packed


def _escaped(data: bytes) -> bytes:
    for plain, escaped in _ESCAPES:
        data = data.replace(plain, escaped)
    return data
