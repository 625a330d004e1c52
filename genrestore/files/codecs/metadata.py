"""Metadata of a picture that is upright, and the record of its making."""

from __future__ import annotations

import json
import stat
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from genrestore.errors import InputError, shown
from genrestore.files.codecs import containers, exif, formats, xmp
from genrestore.files.codecs.containers import Data

if TYPE_CHECKING:
    from genrestore.files.codecs.exr import Parts

Provenance = Mapping[str, Any]
Sides = tuple[float, float]
TOOL = "genrestore"
PROVENANCE_KEY = TOOL.encode()
CREDENTIALS = "content credentials are left out, since they are about the old picture"
PROFILE_LOST = "its colour profile cannot be read here and is left out: colours may look different"
BOX = bytes.fromhex("5615dd08b04e51978e3b5bc47494d160")
"""The UUID of version 5 of the URL urn:genrestore:provenance."""
MAX_SIDE = 2**16
MAX_PROVENANCE = 2**20
MAX_STEPS, MAX_READ = 20_000, 2**24
"""Calls of a stream, and bytes of it, after which a file says nothing of its making."""
MAX_APPENDED = 2**28
"""Bytes behind a picture that are held in memory; films of motion photos have some millions."""
QUARTER_TURNS = frozenset((5, 6, 7, 8))
"""EXIF's numbers of pictures that lie on a side."""


@dataclass(frozen=True)
class JpegSettings:
    """Settings with which a JPEG was written, so that the result can be written alike.

    Attributes:
        tables: Quantisation tables by number, 64 values each; empty: choose by quality.
        subsampling: Pillow's number: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.
        progressive: The scans are progressive.
        keep_rgb: The file stores RGB instead of YCbCr.
        segments: Marker and payload of segments to carry over: IPTC, extended XMP, comments, all others that
            hold true.
        planes: Of each component its quantisation table by rows, and how many rows and columns of the picture
            one of its rows and columns stands for; empty: they are not what the pixels were made of.
        orientation: EXIF's number of how the picture lies in the file.
    """

    tables: tuple[tuple[int, ...], ...] = ()
    subsampling: int = 0
    progressive: bool = False
    keep_rgb: bool = False
    segments: tuple[tuple[int, bytes], ...] = ()
    planes: tuple[tuple[tuple[int, ...], int, int], ...] = ()
    orientation: int = 1


@dataclass(frozen=True)
class Mosaic:
    """Where a camera's sensor measured which colour, of a picture that was filled in between.

    Attributes:
        pattern: The channel that was measured, 0 to 2, by rows and columns, over and over in the picture.
        to_srgb: Rows: linear light of sRGB's colours of the camera's red, green and blue, but for a factor.
    """

    pattern: tuple[tuple[int, ...], ...]
    to_srgb: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Turned:
    """A picture as it lies in its file, and what says so there.

    Attributes:
        orientation: EXIF's number, 2 to 8.
        exif: Those of `Metadata`, of the picture as it lies; so are the next three.
        xmp: XMP packet.
        dpi: Pixels an inch.
        aspect: Resolution without a unit.
    """

    orientation: int
    exif: bytes | None
    xmp: bytes | None
    dpi: Sides | None
    aspect: Sides | None


@dataclass(frozen=True)
class Metadata:
    """Metadata that must survive from a file to its restored version.

    Attributes:
        format: Of the source: one of `formats.READABLE`.
        mode: Of the source, in Pillow's words: "L", "LA", "RGB", "RGBA", "P", "CMYK", "I;16", "RGB;16", ...
        exif: EXIF as a TIFF block, upright and without its thumbnail.
        icc: Colour profile.
        xmp: XMP packet.
        dpi: Horizontal and vertical resolution in pixels an inch.
        aspect: Horizontal and vertical resolution without a unit, where `dpi` is None.
        notes: Notes of the reading, for the user, one sentence each.
        jpeg: Settings of the source, if it was a JPEG.
        chunks: Type and payload of the PNG chunks to carry over; with them, `exif`, `icc`, `xmp` and `dpi`
            are not written a second time.
        compression: The TIFF's lossless compression, by tifffile's name.
        lossless: A file of a format that can be lossy was not.
        bits: Of a sample, where uint16 has more than the file had; 0: all.
        cicp: Numbers of primaries and transfer (ITU-T H.273) that stand for `icc` in the file, or None.
        jxl: Bits that say the colours in the header of a JPEG XL, as a number, and how many they are, where
            `cicp` cannot say them there; else None.
        subsampling: Of an AVIF, as libavif names it; None: choose.
        appended: Bytes behind the picture in its file, as they were: a film, a gain map.
        turned: The way the result of the same format must lie too, since the file holds further pictures,
            which do not turn with it; None: the result is upright.
        only_here: Kept parts that no other format has a place for, in words.
        exr: What an OpenEXR file holds besides the picture; None of other formats.
        mosaic: Of camera RAW, where the picture holds what its sensor measured; else None.
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
    bits: int = 0
    cicp: tuple[int, int] | None = None
    jxl: tuple[int, int] | None = None
    subsampling: str | None = None
    appended: bytes = b""
    turned: Turned | None = None
    only_here: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    exr: Parts | None = None
    mosaic: Mosaic | None = None


def behind(data: Data, end: int) -> tuple[bytes, tuple[str, ...]]:
    """Return what stands behind the end of a picture, and a note if it is left out."""
    length = len(data) - end
    if length > MAX_APPENDED:
        return b"", (f"{length} bytes behind the picture are left out: they are too many to be kept",)
    return (bytes(data[end:]) if length > 0 else b""), ()


def left_out(parts: Iterable[tuple[bytes, bool]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return notes on parts of a file that a result does not have, and those of them that tell of a loss.

    Args:
        parts: Kinds of parts that are not known here, and if they are content credentials.
    """
    found = dict.fromkeys(parts)
    kinds = {shown(kind.decode("latin-1")).strip(): None for kind, credentials in found if not credentials}
    notes = (CREDENTIALS,) if any(credentials for _, credentials in found) else ()
    return notes, (f"parts that are not known here are left out: {', '.join(kinds)}",) if kinds else ()


def orientation(block: bytes | None, packet: bytes | None) -> int:
    """Return the Orientation of a picture, EXIF's number, 1 to 8.

    Convention: what EXIF states counts; where it states none, what XMP states; else 1.
    """
    stated = None if block is None else exif.orientation(block)
    if stated is None and packet is not None:
        stated = xmp.orientation(packet)
    return stated or 1


def upright(found: Metadata, turned: int) -> Metadata:
    """Return the metadata of a picture that was `turned` upright, without thumbnails.

    After a quarter turn, widths and heights change places.
    """
    quarter = turned in QUARTER_TURNS
    dpi, aspect = (sides[::-1] if sides and quarter else sides for sides in (found.dpi, found.aspect))
    block = None if found.exif is None else exif.upright(found.exif, quarter)
    packet = None if found.xmp is None else xmp.upright(found.xmp, quarter)
    return replace(found, exif=block, xmp=packet, dpi=dpi, aspect=aspect)


def as_it_lies(found: Metadata, turned: int) -> Turned:
    """Return the metadata of a picture that stays as it lies in its file, without thumbnails."""
    block = None if found.exif is None else exif.without_pictures(found.exif)
    packet = None if found.xmp is None else xmp.without_thumbnails(found.xmp)
    return Turned(turned, block, packet, found.dpi, found.aspect)


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


def provenance_box(provenance: Provenance) -> bytes:
    """Return provenance as a box of a file of boxes (AVIF, JPEG XL)."""
    packed = pack_provenance(provenance)
    return struct.pack(">I4s", 24 + len(packed), b"uuid") + BOX + packed


def provenance_in_boxes(stream: BinaryIO) -> bytes | None:
    """Return the packed provenance of `provenance_box`; reads no pixels."""
    for kind, length in containers.parts(stream, containers.BOXES):
        if kind == b"uuid" and 16 <= length <= MAX_PROVENANCE and stream.read(16) == BOX:
            return stream.read(length - 16)
    return None


def unpack_provenance(data: bytes) -> dict[str, Any] | None:
    """Reverse `pack_provenance`; None for anything else."""
    if len(data) > MAX_PROVENANCE:
        return None
    try:
        found = json.loads(data.rstrip(b"\0"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def read_provenance(path: Path) -> dict[str, Any] | None:
    """Read the record that `images.encode` wrote into a file, or None; never fails, decodes no pixels.

    Convention: only regular files are opened, since a pipe may keep whoever opens it waiting for ever.
    """
    packed = _packed(path)
    return None if packed is None else unpack_provenance(packed)


def is_ours(path: Path) -> bool:
    """Tell whether a picture says that genrestore made it; also one that was cut off while it said so."""
    packed = _packed(path)
    if packed is None:
        return False
    found = unpack_provenance(packed)
    return packed[:2] in (b"", b"{", b'{"') if found is None else found.get("tool") == TOOL


def _packed(path: Path) -> bytes | None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as file:
            stream = cast("BinaryIO", _Bounded(file))
            format = formats.of_content(stream.read(formats.HEADER_BYTES))
            stream.seek(0)
            return formats.codec(format).read_provenance(stream) if format in formats.WRITABLE else None
    except (OSError, ValueError, InputError):
        return None


class _Bounded:
    """A stream that is read and sought until it has cost too much, and then raises ValueError."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._steps = self._bytes = 0

    def read(self, size: int) -> bytes:
        self._spend(size)
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._spend(0)
        return self._stream.seek(offset, whence)

    def _spend(self, size: int) -> None:
        self._steps, self._bytes = self._steps + 1, self._bytes + size
        if self._steps > MAX_STEPS or self._bytes > MAX_READ:
            raise ValueError("too many steps to the provenance")
