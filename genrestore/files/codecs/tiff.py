"""TIFF through tifffile, which has true 16-bit colour.

The fields of the first IFD and of its EXIF and GPS IFDs are carried as bytes (`exif.Field`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from genrestore.errors import InputError
from genrestore.files.codecs import exif, metadata, orientation, photoshop, tiff_pages, tiff_pixels
from genrestore.files.codecs.formats import check_size
from genrestore.files.codecs.pixels import Image, from_buffer, interleaved, without_single
from genrestore.files.codecs.tiff_pages import Fields
from genrestore.files.codecs.tiff_strips import BLACK_IS_ZERO, RGB

if TYPE_CHECKING:
    import tifffile

XMP, ICC, PROVENANCE = 700, 34675, 65042
_PHOTOSHOP, _LAYERS, _TRANSFER = 34377, 37724, 301
# What describes the pixels' storage, or is written from the metadata: never carried over.
_STRUCTURE = {*range(254, 260), *range(262, 267), 273, 274, *range(277, 282), 284, *range(288, 294), 297}
_STRUCTURE |= {317, *range(320, 326), 330, 332, 334, 336, *range(338, 343), 347, *range(512, 522)}
_STRUCTURE |= {*range(529, 533), XMP, ICC, PROVENANCE}
_LOSSLESS = ("NONE", "LZW", "PACKBITS", "ADOBE_DEFLATE", "ZSTD", "LZMA")
_DEFAULT_COMPRESSION = "ADOBE_DEFLATE"
_LAYERS_LOST = "Photoshop's layers inside the TIFF are left out, since they are of the old picture"


def read(stream: BinaryIO, max_pixels: int) -> Image:
    """Decode the one picture of a TIFF.

    Raises:
        InputError: Damaged, truncated, several pages, too large, or pixels that cannot be kept; without the
            file's name.
    """
    import tifffile

    stream.seek(0)
    try:
        with tifffile.TiffFile(stream) as file:
            check_size(file.pages.first.imagewidth, file.pages.first.imagelength, max_pixels)
            page, notes, lost = tiff_pages.choose(file, stream)
            check_size(page.imagewidth, page.imagelength, max_pixels)
            order, fields = tiff_pages.fields(stream, None if page.index == 0 else page.offset)
            converted = tiff_pixels.decode(page, page.tags.valueof(ICC), max_pixels)
            described, turned = _describe(page, order, fields)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a damaged file meets any of a dozen types
        raise InputError(f"truncated or damaged TIFF ({error})") from error
    notes, lost = (*notes, *converted.notes), (*described.lost, *lost)
    described = replace(described, mode=converted.mode, icc=converted.icc, notes=notes, lost=lost)
    return from_buffer(converted.buffer, described, turned, extra=converted.extra)


def write(image: Image, stream: BinaryIO, provenance: metadata.Provenance | None) -> tuple[str, ...]:
    """Encode to a TIFF at the start of `stream`, which can be read and sought; returns notes (none)."""
    import tifffile

    found = image.metadata
    kept = exif.RESOLUTION if found.format == "TIFF" else frozenset()
    order, carried = _block_fields(found.exif, kept)
    if found.xmp:
        carried.append(exif.Field(XMP, 1, len(found.xmp), found.xmp))
    if provenance is not None:
        packed = metadata.pack_provenance(provenance)
        carried.append(exif.Field(PROVENANCE, 7, len(packed), packed))
    beside = "unassalpha" if image.alpha is not None else None if image.extra is None else "unspecified"
    samples = without_single(interleaved(image, with_extra=True))
    compression = tifffile.COMPRESSION[found.compression or _DEFAULT_COMPRESSION]
    with tifffile.TiffWriter(stream, byteorder=order) as writer:
        writer.write(
            samples,
            photometric="rgb" if image.pixels.shape[1] == 3 else "minisblack",
            planarconfig="contig" if samples.ndim == 3 else None,
            extrasamples=None if beside is None else [beside],
            compression=compression,
            predictor=compression in (tifffile.COMPRESSION.LZW, tifffile.COMPRESSION.ADOBE_DEFLATE),
            iccprofile=found.icc,
            resolution=found.dpi or found.aspect,
            resolutionunit=2 if found.dpi else 1,
            metadata=None,
            software=False,
        )
    if carried:
        _add_fields(stream, order, carried)
    return ()


def read_provenance(stream: BinaryIO) -> bytes | None:
    """The provenance that `write` put into the private tag, packed; reads no pixels, nor any other field.

    What a file that was cut off has lost of it is missing in what is given.
    """
    order: str = {b"II*\0": "<", b"MM\0*": ">"}.get(stream.read(4), "")
    offset = stream.read(4)
    if not order or len(offset) < 4:
        return None
    stream.seek(struct.unpack(order + "I", offset)[0])
    count = struct.unpack(order + "H", stream.read(2).ljust(2, b"\0"))[0]
    for tag, _kind, length, place in struct.iter_unpack(order + "HHII", _items(stream.read(12 * count), 12)):
        if tag == PROVENANCE:
            stream.seek(place)
            return stream.read(min(length, metadata.MAX_PROVENANCE + 1))
    return None


def _items(data: bytes, size: int) -> bytes:
    """The items of one size that are there as a whole."""
    return data[: len(data) // size * size]


def _block_fields(block: bytes | None, keep: frozenset[int]) -> tuple[exif.ByteOrder, list[exif.Field]]:
    """The fields of a block that a TIFF is given, with the resolution only where it is to be kept."""
    if block is None:
        return "<", []
    try:
        order, fields = exif.byte_order(block), exif.read_fields(block)
    except exif.BadBlock:
        return "<", []
    left_out = _STRUCTURE | (exif.RESOLUTION - keep)
    return order, [field for field in fields if field.tag not in left_out]


def _describe(
    page: tifffile.TiffPage, order: exif.ByteOrder, fields: Fields
) -> tuple[metadata.Metadata, int]:
    """What the fields say of the picture once it is upright, and EXIF's number of how it is turned."""
    found = page.tags.valueof(XMP)
    packet = found if isinstance(found, bytes) else None
    stated = [tag for tag in page.tags.values() if tag.code == exif.ORIENTATION]
    told = [exif.Field(tag.code, 3, 1, struct.pack(order + "H", _whole(tag.value))) for tag in stated[:1]]
    turned = orientation.of(exif.write_block(told, order) if told else None, packet)
    carried = [_clean(field) for field in fields if field.tag not in _STRUCTURE | {_LAYERS}]
    if int(page.photometric) not in (BLACK_IS_ZERO, RGB):
        carried = [field for field in carried if field.tag != _TRANSFER]
    block = exif.write_block(carried, order) if carried else None
    block, packet = orientation.without(block, packet, turned)
    compression = str(getattr(page.compression, "name", ""))
    across, down = page.resolution
    scale = exif.UNITS_AN_INCH.get(int(page.resolutionunit), 0.0)
    dpi = (across * scale, down * scale) if scale and across > 0 and down > 0 else None
    plain = (across, down) if not scale and (across, down) != (1.0, 1.0) and min(across, down) > 0 else None
    described = metadata.Metadata(
        format="TIFF",
        mode="",
        exif=block,
        xmp=packet,
        dpi=orientation.turned_sides(dpi, turned),
        aspect=orientation.turned_sides(plain, turned),
        lost=tuple(_lost(page, fields)),
        compression=compression if compression in _LOSSLESS else _DEFAULT_COMPRESSION,
    )
    return described, turned


def _lost(page: tifffile.TiffPage, fields: Fields) -> Iterator[str]:
    """What a page has and its result will not have, one note each."""
    there = {field.tag for field in fields}
    missing = [tag.code for tag in page.tags if tag.code not in there | _STRUCTURE | {_LAYERS}]
    if _LAYERS in page.tags:
        yield _LAYERS_LOST
    if missing:
        yield f"fields that cannot be read are left out: {', '.join(map(str, missing))}"


def _clean(field: exif.Field) -> exif.Field:
    """A field without the thumbnails among Photoshop's resources."""
    if field.tag != _PHOTOSHOP:
        return field
    raw = photoshop.without_thumbnails(field.raw)
    return replace(field, raw=raw, count=len(raw))


def _whole(value: object) -> int:
    """The first whole number of a field of any type that fits into 16 bits, or 0."""
    first = value[0] if isinstance(value, (tuple, bytes)) and value else value
    return first if isinstance(first, int) and 0 <= first < 2**16 else 0


def _add_fields(stream: BinaryIO, order: exif.ByteOrder, carried: list[exif.Field]) -> None:
    """Put a longer first IFD at the end of a written file; tifffile itself writes no IFDs below the first."""
    stream.flush()
    _, fields = tiff_pages.fields(stream)
    carried_tags = {field.tag for field in carried}
    fields = tuple(field for field in fields if field.tag not in carried_tags)
    end = stream.seek(0, 2)
    start = end + end % 2
    stream.write(bytes(start - end) + exif.write_ifd([*fields, *carried], start, order))
    stream.seek(4)
    stream.write(struct.pack(order + "I", start))
    stream.seek(0, 2)
