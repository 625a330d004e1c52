"""What a picture file carries beside its pixels, and what was done to it on the way in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Provenance = Mapping[str, Any]
PROVENANCE_KEY = "genrestore"
CREDENTIALS = "content credentials are left out, since they are about the old picture"
MAX_SIDE = 2**16
MAX_PROVENANCE = 2**20


@dataclass(frozen=True)
class JpegSettings:
    """How a JPEG was written, so that the result can be written alike.

    Attributes:
        tables: Quantisation tables by number, 64 values each; empty: choose by quality.
        subsampling: Pillow's number: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.
        progressive: Whether the scans are progressive.
        keep_rgb: Whether the file stores RGB instead of YCbCr.
        segments: Marker and payload of segments to carry over: IPTC, extended XMP, comments, all others that
            hold true.
    """

    tables: tuple[tuple[int, ...], ...] = ()
    subsampling: int = 0
    progressive: bool = False
    keep_rgb: bool = False
    segments: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True)
class Metadata:
    """What must survive from a file to its restored version.

    Attributes:
        format: Of the source: one of `formats.READABLE`.
        mode: Of the source, in Pillow's words: "L", "LA", "RGB", "RGBA", "P", "CMYK", "I;16", "RGB;16", ...
        exif: EXIF as a TIFF block, upright and without its thumbnail.
        icc: Colour profile.
        xmp: XMP packet.
        dpi: Horizontal and vertical resolution in pixels an inch.
        aspect: Horizontal and vertical resolution without a unit, where `dpi` is None.
        notes: What the user is told of the reading, one sentence each.
        jpeg: How the source was compressed, if it was a JPEG.
        chunks: Type and payload of the PNG chunks to carry over; with them, `exif`, `icc`, `xmp` and `dpi`
            are not written a second time.
        compression: The TIFF's lossless compression, by tifffile's name.
        lossless: Whether a WebP was lossless.
        appended: What stands behind the picture in its file, as it was: a film, a gain map.
        lost: What is left out of the result in the same format, and is no copy of the picture, one note each.
    """

    format: str
    mode: str
    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    aspect: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    jpeg: JpegSettings | None = None
    chunks: tuple[tuple[bytes, bytes], ...] | None = None
    compression: str | None = None
    lossless: bool = False
    appended: bytes = b""
    lost: tuple[str, ...] = ()


def whole(aspect: tuple[float, float] | None) -> tuple[int, int] | None:
    """A resolution without a unit in whole numbers: as it is if it is so, else of the same proportion."""
    if aspect is None or min(aspect) <= 0:
        return None
    if all(value.is_integer() and value < MAX_SIDE for value in aspect):
        return int(aspect[0]), int(aspect[1])
    ratio = Fraction(aspect[0] / aspect[1]).limit_denominator(1000)
    return (ratio.numerator, ratio.denominator) if 0 < ratio.numerator < MAX_SIDE else None


def exif_block(data: bytes | None) -> bytes | None:
    """An EXIF block without the prefix that JPEG and some others put before it; None if there is nothing."""
    while data and data.startswith(b"Exif\0\0"):
        data = data[6:]
    return data or None


def pack_provenance(provenance: Provenance) -> bytes:
    """Provenance as UTF-8 JSON, the same bytes for the same content."""
    return json.dumps(dict(provenance), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def unpack_provenance(data: bytes) -> dict[str, Any] | None:
    """The reverse of `pack_provenance`; None for anything else."""
    if len(data) > MAX_PROVENANCE:
        return None
    try:
        found = json.loads(data.rstrip(b"\0"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
