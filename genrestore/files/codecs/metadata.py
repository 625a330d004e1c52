"""Metadata of a picture that is upright, and the record of its making."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from genrestore.files.codecs import exif, xmp

Provenance = Mapping[str, Any]
Sides = tuple[float, float]
PROVENANCE_KEY = "genrestore"
CREDENTIALS = "content credentials are left out, since they are about the old picture"
MAX_SIDE = 2**16
MAX_PROVENANCE = 2**20
QUARTER_TURNS = frozenset((5, 6, 7, 8))
"""EXIF's numbers of pictures that lie on a side."""


@dataclass(frozen=True)
class JpegSettings:
    """How a JPEG was written, so that the result can be written alike.

    Attributes:
        tables: Quantisation tables by number, 64 values each; empty: choose by quality.
        subsampling: Pillow's number: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.
        progressive: The scans are progressive.
        keep_rgb: The file stores RGB instead of YCbCr.
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
        notes: Notes of the reading, for the user, one sentence each.
        jpeg: How the source was compressed, if it was a JPEG.
        chunks: Type and payload of the PNG chunks to carry over; with them, `exif`, `icc`, `xmp` and `dpi`
            are not written a second time.
        compression: The TIFF's lossless compression, by tifffile's name.
        lossless: A WebP was lossless.
        appended: Bytes behind the picture in its file, as they were: a film, a gain map.
        lost: Parts left out of the result in the same format that are no copy of the picture, one note each.
    """

    format: str
    mode: str
    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    dpi: Sides | None = None
    aspect: Sides | None = None
    notes: tuple[str, ...] = ()
    jpeg: JpegSettings | None = None
    chunks: tuple[tuple[bytes, bytes], ...] | None = None
    compression: str | None = None
    lossless: bool = False
    appended: bytes = b""
    lost: tuple[str, ...] = ()


def orientation(block: bytes | None, packet: bytes | None) -> int:
    """Return the Orientation of a picture, EXIF's number, 1 to 8.

    Convention: what EXIF states counts; where it states none, what XMP states; else 1.
    """
    stated = None if block is None else exif.orientation(block)
    if stated is None and packet is not None:
        stated = xmp.orientation(packet)
    return stated or 1


def upright(found: Metadata, turned: int) -> Metadata:
    """Return the metadata of a picture whose pixels were turned upright, EXIF without its thumbnail.

    Args:
        found: As the file has them.
        turned: Its `orientation`; by a quarter, widths and heights change places.
    """
    quarter = turned in QUARTER_TURNS
    dpi, aspect = (sides[::-1] if sides and quarter else sides for sides in (found.dpi, found.aspect))
    block = None if found.exif is None else exif.upright(found.exif, quarter)
    packet = None if found.xmp is None else xmp.upright(found.xmp, quarter)
    return replace(found, exif=block, xmp=packet, dpi=dpi, aspect=aspect)


def whole(aspect: Sides | None) -> tuple[int, int] | None:
    """Return a resolution without a unit in whole numbers, or else whole numbers of the same proportion."""
    if aspect is None or min(aspect) <= 0:
        return None
    if all(value.is_integer() and value < MAX_SIDE for value in aspect):
        return int(aspect[0]), int(aspect[1])
    ratio = Fraction(aspect[0] / aspect[1]).limit_denominator(1000)
    return (ratio.numerator, ratio.denominator) if 0 < ratio.numerator < MAX_SIDE else None


def pack_provenance(provenance: Provenance) -> bytes:
    """Return provenance as UTF-8 JSON, the same bytes for the same content."""
    return json.dumps(dict(provenance), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def unpack_provenance(data: bytes) -> dict[str, Any] | None:
    """Reverse `pack_provenance`; None for anything else."""
    if len(data) > MAX_PROVENANCE:
        return None
    try:
        found = json.loads(data.rstrip(b"\0"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
