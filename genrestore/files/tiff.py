"""TIFF through tifffile, which has true 16-bit colour.

The fields of the first IFD and of its EXIF and GPS IFDs are carried as bytes (`exif.Field`).
"""

from __future__ import annotations

import logging
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from genrestore.errors import InputError
from genrestore.files import exif, metadata, orientation, tiff_pixels
from genrestore.files.appended import view
from genrestore.files.formats import SEVERAL_PICTURES, check_size
from genrestore.files.pixels import Image, from_buffer, interleaved, without_single

if TYPE_CHECKING:
    import tifffile

XMP, ICC, PROVENANCE = 700, 34675, 65042
# What describes the pixels' storage, or is written from the metadata: never carried over.
_STRUCTURE = {*range(254, 260), *range(262, 267), 273, 274, *range(277, 285), *range(288, 294), 296, 297, 301}
_STRUCTURE |= {317, *range(320, 326), 330, 332, 334, 336, *range(338, 343), 347, *range(512, 522)}
_STRUCTURE |= {*range(529, 533), XMP, ICC, PROVENANCE}
_LOSSLESS = ("NONE", "LZW", "PACKBITS", "ADOBE_DEFLATE", "ZSTD", "LZMA")
_DEFAULT_COMPRESSION = "ADOBE_DEFLATE"
_UNITS_AN_INCH = {2: 1.0, 3: 2.54}
_MAX_PAGES = 1000
Fields = tuple[exif.Field, ...]


def read(stream: BinaryIO, max_pixels: int) -> Image:
    """Decode the one picture of a TIFF.

    Raises:
        InputError: Damaged, truncated, several pages, too large, or pixels that cannot be kept; without the
            file's name.
    """
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    order, fields = _file_fields(stream)
    stream.seek(0)
    try:
        with tifffile.TiffFile(stream) as file:
            page = file.pages.first
            assert isinstance(page, tifffile.TiffPage)
            check_size(page.imagewidth, page.imagelength, max_pixels)
            notes = _check_pages(file)
            converted = tiff_pixels.decode(page, page.tags.valueof(ICC), max_pixels)
            described, turned = _describe(page, order, fields)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a damaged file meets any of a dozen types
        raise InputError(f"truncated or damaged TIFF ({error})") from error
    notes = (*notes, *converted.notes)
    described = replace(described, mode=converted.mode, icc=converted.icc, notes=notes)
    return from_buffer(converted.buffer, described, turned)


def write(image: Image, stream: BinaryIO, provenance: metadata.Provenance | None) -> tuple[str, ...]:
    """Encode to a TIFF at the start of `stream`, which can be read and sought; returns notes (none)."""
    import tifffile

    found = image.metadata
    order, carried = _block_fields(found.exif)
    if found.xmp:
        carried.append(exif.Field(XMP, 1, len(found.xmp), found.xmp))
    if provenance is not None:
        packed = metadata.pack_provenance(provenance)
        carried.append(exif.Field(PROVENANCE, 7, len(packed), packed))
    compression = tifffile.COMPRESSION[found.compression or _DEFAULT_COMPRESSION]
    with tifffile.TiffWriter(stream, byteorder=order) as writer:
        writer.write(
            without_single(interleaved(image)),
            photometric="rgb" if image.pixels.shape[1] == 3 else "minisblack",
            planarconfig=None if _is_grey(image) else "contig",
            extrasamples=None if image.alpha is None else ["unassalpha"],
            compression=compression,
            predictor=compression in (tifffile.COMPRESSION.LZW, tifffile.COMPRESSION.ADOBE_DEFLATE),
            iccprofile=found.icc,
            resolution=found.dpi,
            resolutionunit=2 if found.dpi else None,
            metadata=None,
            software=False,
        )
    if carried:
        _add_fields(stream, order, carried)
    return ()


def read_provenance(stream: BinaryIO) -> bytes | None:
    """The provenance that `write` put into the private tag, packed; reads no pixels."""
    return next((field.raw for field in _file_fields(stream)[1] if field.tag == PROVENANCE), None)


def _is_grey(image: Image) -> bool:
    return image.pixels.shape[1] == 1 and image.alpha is None


def _file_fields(stream: BinaryIO) -> tuple[exif.ByteOrder, Fields]:
    """The raw fields of a whole file; none for a BigTIFF."""
    try:
        with view(stream) as data:
            return _fields(data)
    except (OSError, ValueError):
        return "<", ()


def _fields(block: exif.Block) -> tuple[exif.ByteOrder, Fields]:
    try:
        return exif.byte_order(block), exif.read_fields(block)
    except exif.BadBlock:
        return "<", ()


def _block_fields(block: bytes | None) -> tuple[exif.ByteOrder, list[exif.Field]]:
    order, fields = _fields(block or b"")
    return order, [field for field in fields if field.tag not in _STRUCTURE]


def _check_pages(file: tifffile.TiffFile) -> tuple[str, ...]:
    """Refuse several pictures; smaller copies of the first are told of."""
    big = ("the EXIF of a BigTIFF is left out",) if file.is_bigtiff else ()
    count = len(file.pages)
    if count == 1:
        return big
    if count > _MAX_PAGES or not all(_is_reduced(page) for page in list(file.pages)[1:]):
        raise InputError(SEVERAL_PICTURES)
    return (*big, "smaller copies of the picture inside the TIFF are left out")


def _is_reduced(page: tifffile.TiffPage | tifffile.TiffFrame) -> bool:
    """Whether a page is a smaller copy of another."""
    return bool(getattr(page, "is_reduced", False))


def _describe(
    page: tifffile.TiffPage, order: exif.ByteOrder, fields: Fields
) -> tuple[metadata.Metadata, int]:
    """What the fields say of the picture once it is upright, and EXIF's number of how it is turned."""
    found = page.tags.valueof(XMP)
    packet = found if isinstance(found, bytes) else None
    stated = [tag for tag in page.tags.values() if tag.code == exif.ORIENTATION]
    told = [exif.Field(tag.code, 3, 1, struct.pack(order + "H", _whole(tag.value))) for tag in stated[:1]]
    turned = orientation.of(exif.write_block(told, order) if told else None, packet)
    carried = [field for field in fields if field.tag not in _STRUCTURE]
    block = exif.write_block(carried, order) if carried else None
    block, packet = orientation.without(block, packet, turned)
    compression = str(getattr(page.compression, "name", ""))
    across, down = page.resolution
    scale = _UNITS_AN_INCH.get(int(page.resolutionunit), 0.0)
    dpi = (across * scale, down * scale) if scale and across > 0 and down > 0 else None
    described = metadata.Metadata(
        format="TIFF",
        mode="",
        exif=block,
        xmp=packet,
        dpi=orientation.turned_sides(dpi, turned),
        compression=compression if compression in _LOSSLESS else _DEFAULT_COMPRESSION,
    )
    return described, turned


def _whole(value: object) -> int:
    """The first whole number of a field of any type that fits into 16 bits, or 0."""
    first = value[0] if isinstance(value, (tuple, bytes)) and value else value
    return first if isinstance(first, int) and 0 <= first < 2**16 else 0


def _add_fields(stream: BinaryIO, order: exif.ByteOrder, carried: list[exif.Field]) -> None:
    """Put a longer first IFD at the end of a written file; tifffile itself writes no IFDs below the first."""
    stream.flush()
    _, fields = _file_fields(stream)
    end = stream.seek(0, 2)
    start = end + end % 2
    stream.write(bytes(start - end) + exif.write_ifd([*fields, *carried], start, order))
    stream.seek(4)
    stream.write(struct.pack(order + "I", start))
    stream.seek(0, 2)
