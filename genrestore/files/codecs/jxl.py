"""JPEG XL of 8 to 16 bits and floating point by imagecodecs (libjxl); metadata is in boxes around the stream.

What imagecodecs tells nothing of is read from the header here (`jxl_header`): size, turn, depth, colours.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np

from genrestore.errors import InputError
from genrestore.files.codecs import exif, heif, icc, jxl_header, metadata
from genrestore.files.codecs.formats import SEVERAL_PICTURES, check_size
from genrestore.files.codecs.images import Array, Image, from_buffer, interleaved, widened
from genrestore.files.codecs.metadata import Metadata

DISTANCE, EFFORT, LOSSLESS_EFFORT = 1.0, 5, 3
"""On libjxl's scales: what eyes hardly tell from the picture; higher efforts take longer for little."""
_SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
_TYPE = heif.box(b"ftyp", b"jxl ", bytes(4), b"jxl ")
_GAIN_MAP = "its gain map in the file is left out"
_KNOWN = frozenset((b"JXL ", b"ftyp", b"jxll", b"jxli", b"jbrd", b"free", b"skip"))
"""Boxes that say nothing of the photograph itself, or how to make the JPEG that it was before."""
_MOST_TEXT = 2**26


def read(stream: BinaryIO, format: str, max_pixels: int) -> Image:
    """Decode a still JPEG XL; see `formats.Codec`."""
    import imagecodecs

    data = stream.read()
    try:
        codestream, parts, notes, lost = _parts(data)
        header = jxl_header.read(codestream)
        check_size(header.width, header.height, max_pixels)
        if header.animated:
            raise InputError(SEVERAL_PICTURES)
        described = _describe(header, parts, format, notes, lost)
    except InputError as error:
        raise heif.named(error, format) from error
    try:
        buffer = imagecodecs.jpegxl_decode(data)
    except Exception as error:
        raise InputError(f"truncated or damaged {format} ({error})") from error
    if buffer.ndim not in (2, 3) or (buffer.ndim == 3 and buffer.shape[2] > 4):
        raise InputError(SEVERAL_PICTURES)
    if sorted(buffer.shape[:2]) != sorted((header.height, header.width)):
        raise InputError(f"truncated or damaged {format} (of another size than it says)")
    if buffer.dtype == np.uint16:
        buffer = widened(buffer, header.bits)
    return from_buffer(buffer, described)


def write(image: Image, stream: BinaryIO, provenance: metadata.Provenance | None) -> tuple[str, ...]:
    """Encode to JPEG XL; returns notes.

    Raises:
        InputError: A colour profile, which libjxl as it is here does not write.
    """
    import imagecodecs

    found, buffer, notes = image.metadata, interleaved(image), list[str]()
    plain, words = False, found.jxl
    if words is None:
        cicp = found.cicp or (jxl_header.SRGB if found.icc is None else icc.cicp_of(found.icc))
        if cicp is None or not jxl_header.can_say(cicp):
            raise InputError("JPEG XL: this colour profile cannot be written; write PNG, TIFF or AVIF")
        plain = cicp == jxl_header.SRGB
        words = jxl_header.words_of(cicp, grey=image.pixels.shape[1] == 1)
    floating = buffer.dtype.kind == "f"
    lossless = found.lossless or floating or not plain
    if lossless and not found.lossless:
        notes.append("lossless JPEG XL, since its colours or numbers are not written with loss")
    elif not lossless:
        notes.append(f"lossy JPEG XL, written with distance {DISTANCE:g}")
    if buffer.dtype == np.float16:
        buffer = buffer.astype(np.float32)
        notes.append("16-bit floating point is written with 32 bits")
    elif buffer.dtype == np.uint16 and not lossless:  # 16 bits are taken for linear light
        buffer = _linear(buffer)
    encoded = imagecodecs.jpegxl_encode(
        buffer,
        lossless=lossless,
        distance=None if lossless else DISTANCE,
        effort=LOSSLESS_EFFORT if lossless else EFFORT,
        usecontainer=False,
    )
    codestream = _parts(bytes(encoded))[0]
    if not plain or buffer.dtype != np.uint8:
        codestream = jxl_header.recoloured(codestream, words)
    stream.write(_SIGNATURE + _TYPE)
    if found.exif:
        stream.write(heif.box(b"Exif", bytes(4), found.exif))
    if found.xmp:
        stream.write(heif.box(b"xml ", found.xmp))
    if provenance is not None:
        stream.write(metadata.provenance_box(provenance))
    stream.write(heif.box(b"jxlc", codestream))
    return tuple(notes)


def read_provenance(stream: BinaryIO) -> bytes | None:
    """Return the provenance of `write`, packed."""
    return metadata.provenance_in_boxes(stream)


def _linear(buffer: Array) -> Array:
    """Linear light of sRGB, uint16 of any shape; its last channel of two or four stays."""
    table = np.rint(icc.linear(np.linspace(0, 1, 65536, dtype=np.float32)) * 65535).astype(np.uint16)
    found = table[buffer]
    if buffer.ndim == 3 and buffer.shape[2] in (2, 4):
        found[..., -1] = buffer[..., -1]
    return found


def _parts(data: bytes) -> tuple[bytes, dict[bytes, bytes], tuple[str, ...], tuple[str, ...]]:
    """The codestream, the first box of each kind of metadata, notes on what is left out, and on losses."""
    if not data.startswith(_SIGNATURE):
        return data, {}, (), ()
    streams, parts, lost = list[bytes](), dict[bytes, bytes](), list[str]()
    unknown: list[tuple[bytes, bool]] = []
    for one in heif.boxes(data, 0, len(data)):
        kind, payload = one.kind, data[one.start : one.end]
        if kind == b"brob" and len(payload) > 4:
            kind, payload = payload[:4], _unpacked(payload[4:])
        if kind == b"jxlc":
            streams.append(payload)
        elif kind == b"jxlp":
            streams.append(payload[4:])
        elif kind == b"jhgm":
            lost.append(_GAIN_MAP)
        elif kind in (b"Exif", b"xml "):
            parts.setdefault(kind, payload)
        elif kind not in _KNOWN and not (kind == b"uuid" and payload[:16] == metadata.BOX):
            unknown.append((kind, kind == b"jumb" and b"c2pa" in payload))
    notes, missing = metadata.left_out(unknown)
    return b"".join(streams), parts, notes, (*lost, *missing)


def _unpacked(data: bytes) -> bytes:
    """Bytes that Brotli compressed; empty where they are damaged or unreasonably many."""
    import imagecodecs

    try:
        return bytes(imagecodecs.brotli_decode(data, out=min(_MOST_TEXT, 1000 * len(data) + 4096)))
    except Exception:  # noqa: BLE001 -- of several types
        return b""


def _describe(
    header: jxl_header.Header,
    parts: dict[bytes, bytes],
    format: str,
    notes: tuple[str, ...],
    lost: tuple[str, ...],
) -> Metadata:
    """The metadata of a picture, which libjxl turns upright by the codestream's word alone."""
    block, profile = parts.get(b"Exif", b""), None
    if len(block) > 4:
        start = 4 + struct.unpack(">I", block[:4])[0]
        block = block[start:]
    cicp = header.cicp
    if cicp is not None:
        profile = icc.of_cicp(*cicp)
    elif header.space is not None:
        profile = _profile(header.space)
    is_known = cicp is not None or (header.profile and header.lossy)  # with loss libjxl gives sRGB
    if profile is None and not is_known:
        lost = (*lost, metadata.PROFILE_LOST)
    found = Metadata(
        format,
        "",
        exif=block or None,
        icc=profile,
        xmp=parts.get(b"xml ") or None,
        dpi=exif.dpi(block) if block else None,
        lost=lost,
        lossless=not header.lossy,
        bits=header.bits if 8 < header.bits < 16 else 0,
        cicp=None if cicp == jxl_header.SRGB else cicp,
        jxl=header.words if profile is not None and not (cicp and jxl_header.can_say(cicp)) else None,
        notes=(*icc.hdr_notes(cicp), *notes),
    )
    return metadata.upright(found, header.orientation)


def _profile(space: jxl_header.Space) -> bytes | None:
    """The profile of colours that have no numbers; None where theirs make none."""
    name = "colours of a JPEG XL"
    try:
        curve = icc.tone(space.transfer) or icc.power(space.power)
        if space.grey:
            return icc.grey_profile(curve, name)
        return icc.matrix_profile(space.primaries, space.white, curve, name)
    except (ArithmeticError, ValueError, struct.error):  # y is 0, they lie on a line, or too far away
        return None
