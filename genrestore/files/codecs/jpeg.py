"""JPEG settings: taken from the source and given to the encoder, so that the result is compressed alike."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from genrestore.errors import InputError
from genrestore.files.codecs import jpeg_parts, metadata
from genrestore.files.codecs.metadata import JpegSettings
from genrestore.files.codecs.pixels import Image, interleaved, to_8_bit, without_single

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

QUALITY = 95
MAX_SIDE = 65500
MAX_SEGMENT = 65533
_MAX_XMP = MAX_SEGMENT - len(b"http://ns.adobe.com/xap/1.0/\0")


def settings(opened: ImageFile, segments: tuple[tuple[int, bytes], ...]) -> JpegSettings:
    """How an opened JPEG was written, with the segments to carry over."""
    from PIL.JpegImagePlugin import JpegImageFile, get_sampling

    assert isinstance(opened, JpegImageFile)
    if opened.mode == "CMYK":
        return JpegSettings(segments=segments)
    return JpegSettings(
        tables=tuple(tuple(opened.quantization[key]) for key in sorted(opened.quantization)),
        subsampling=max(0, get_sampling(opened)),
        progressive=bool(opened.info.get("progressive", False)),
        keep_rgb=opened.mode == "RGB" and opened.info.get("adobe_transform") == 0,
        segments=segments,
    )


def check_length(found: int, width: int, height: int) -> None:
    """Refuse a file too short for its pixels: the decoder would fill it up with grey, and say nothing.

    In a Huffman-coded JPEG each block of 8 x 8 pixels takes one bit or more.

    Raises:
        InputError: Fewer bytes than that; without the file's name.
    """
    if 8 * found < -(-width // 8) * -(-height // 8):
        raise InputError(f"truncated or damaged JPEG ({found} bytes for {width} x {height} pixels)")


def write(image: Image, stream: BinaryIO, provenance: metadata.Provenance | None) -> tuple[str, ...]:
    """Encode to JPEG with the source's tables and subsampling if it was a JPEG; returns notes for the user.

    Raises:
        InputError: Larger than JPEG can hold.
    """
    import PIL.Image

    height, width = image.pixels.shape[2:]
    if max(height, width) > MAX_SIDE:
        raise InputError(f"{width} x {height}: JPEG holds at most {MAX_SIDE} pixels a side; write PNG")
    found = image.metadata
    kept = found.jpeg or JpegSettings()
    notes = list(_losses(image))
    segments = list(kept.segments)
    if provenance is not None:
        comment = jpeg_parts.MARK + metadata.pack_provenance(provenance)
        if len(comment) <= MAX_SEGMENT:
            segments.append((jpeg_parts.COMMENT, comment))
        else:
            notes.append("the record of the settings is larger than a JPEG can hold, and left out")
    options: dict[str, Any] = {"qtables": [list(table) for table in kept.tables]} if kept.tables else {}
    # Tables of 16 bits are for baseline too coarse, of which libjpeg writes a line to stderr.
    progressive = kept.progressive or any(max(table) > 255 for table in kept.tables)
    picture = PIL.Image.fromarray(without_single(to_8_bit(interleaved(image, with_alpha=False))))
    picture.save(
        stream,
        "JPEG",
        quality=-1 if kept.tables else QUALITY,
        subsampling=kept.subsampling,
        progressive=progressive,
        keep_rgb=kept.keep_rgb,
        extra=b"".join(_segment(marker, payload) for marker, payload in segments),
        dpi=found.dpi if found.dpi and _fits(found.dpi) else (0, 0),
        exif=b"Exif\0\0" + found.exif if found.exif and len(found.exif) + 6 <= MAX_SEGMENT else b"",
        xmp=found.xmp if found.xmp and len(found.xmp) <= _MAX_XMP else b"",
        icc_profile=found.icc,
        **options,
    )
    if found.dpi is None and (sides := metadata.whole(found.aspect)) is not None:
        _write_aspect(stream, sides)
    if any(marker == jpeg_parts.APP2 for marker, _ in segments):
        jpeg_parts.write_index(stream)
    if found.format == "JPEG":
        stream.write(found.appended)
    return tuple(notes)


def read_provenance(stream: BinaryIO) -> bytes | None:
    """The provenance that `write` put into a comment, packed; reads no pixels."""
    if stream.read(2) != b"\xff\xd8":
        return None
    while len(head := stream.read(4)) == 4 and head[0] == 0xFF and head[1] != 0xDA:
        length = struct.unpack(">H", head[2:])[0] - 2
        if length < 0:
            return None
        if head[1] == jpeg_parts.COMMENT:
            payload = stream.read(length)
            if payload.startswith(jpeg_parts.MARK):
                return payload[len(jpeg_parts.MARK) :]
        else:
            stream.seek(length, 1)
    return None


def _losses(image: Image) -> Iterator[str]:
    found = image.metadata
    if image.alpha is not None:
        yield "JPEG has no alpha channel: transparency is left out"
    if image.pixels.dtype != np.uint8:
        yield "JPEG has 8 bits: 16-bit values are rounded"
    if found.dpi and not _fits(found.dpi):
        yield f"a resolution of {found.dpi[0]:g} x {found.dpi[1]:g} an inch is outside JPEG's, and left out"
    if found.exif and len(found.exif) + 6 > MAX_SEGMENT:
        yield "EXIF is larger than a JPEG can hold, and left out"
    if found.xmp and len(found.xmp) > _MAX_XMP:
        yield "XMP is larger than a JPEG can hold, and left out"


def _fits(dpi: tuple[float, float]) -> bool:
    return all(0.5 <= value < metadata.MAX_SIDE - 0.5 for value in dpi)


def _write_aspect(stream: BinaryIO, sides: tuple[int, int]) -> None:
    """Put a resolution without a unit into the JFIF header, with which Pillow begins a file."""
    stream.seek(0)
    if stream.read(11)[6:] == b"JFIF\0":
        stream.seek(13)
        stream.write(struct.pack(">BHH", 0, *sides))
    stream.seek(0, 2)


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload
