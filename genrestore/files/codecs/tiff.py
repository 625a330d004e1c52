"""TIFF through tifffile, which has true 16-bit colour.

The fields of the first IFD and of its EXIF and GPS IFDs are carried as bytes (`exif.Field`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from genrestore.errors import InputError
from genrestore.files.codecs import containers, exif, metadata, tiff_pixels
from genrestore.files.codecs.exif import ByteOrder, Field, Fields
from genrestore.files.codecs.formats import SEVERAL_PICTURES, CameraRaw, check_size
from genrestore.files.codecs.images import Image, from_buffer, interleaved
from genrestore.files.codecs.metadata import Metadata

if TYPE_CHECKING:
    import tifffile

MAX_BYTES = 2**32 - 2**25
"""Of pixels before they are compressed: places in the file are numbers of 32 bits."""
XMP, ICC, PROVENANCE = 700, 34675, 65042
_SUBFILE_TYPE, _PHOTOMETRIC, _PHOTOSHOP, _LAYERS, _TRANSFER = 254, 262, 34377, 37724, 301
# What describes the pixels' storage, or is written from the metadata: never carried over.
_STRUCTURE = {*range(254, 260), *range(262, 267), 273, 274, *range(277, 282), 284, *range(288, 294), 297}
_STRUCTURE |= {317, *range(320, 326), 330, 332, 334, 336, *range(338, 343), 347, *range(512, 522)}
_STRUCTURE |= {*range(529, 533), XMP, ICC, PROVENANCE}
_LOSSLESS = ("NONE", "LZW", "PACKBITS", "ADOBE_DEFLATE", "ZSTD", "LZMA")
_DEFAULT_COMPRESSION = "ADOBE_DEFLATE"
_REDUCED, _MASK, _MAX_PAGES = 1, 4, 1000
_COPIES = "smaller copies of the picture inside the TIFF are left out"
_OTHERS = "further pictures and masks inside the TIFF are left out"
_BELOW = (
    "the picture of this TIFF stands below a smaller copy of it or a mask; "
    "take it out first, for example: vips copy in.tif[subifd={}] out.tif"
)
_LAYERS_LOST = "Photoshop's layers inside the TIFF are left out, since they are of the old picture"


def read(stream: BinaryIO, format: str, max_pixels: int) -> Image:
    """Decode the one picture of a TIFF; see `formats.Codec`."""
    import tifffile

    stream.seek(0)
    try:
        with tifffile.TiffFile(stream) as file:
            check_size(file.pages.first.imagewidth, file.pages.first.imagelength, max_pixels)
            page, notes, lost = _choose(file, stream)
            check_size(page.imagewidth, page.imagelength, max_pixels)
            order, fields = _fields(stream, None if page.index == 0 else page.offset)
            buffer, decoded, extra = tiff_pixels.decode(page, page.tags.valueof(ICC), max_pixels)
            found, turned = _describe(decoded, page, order, fields)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a damaged file meets any of a dozen types
        raise InputError(f"truncated or damaged TIFF ({error})") from error
    found = replace(found, format=format, notes=(*notes, *found.notes), lost=(*found.lost, *lost))
    return from_buffer(buffer, found, turned, extra=extra)


def write(image: Image, stream: BinaryIO, provenance: metadata.Provenance | None) -> tuple[str, ...]:
    """Encode to a TIFF at the start of `stream`, which can be read and sought; returns notes (none).

    Raises:
        InputError: Larger than TIFF can hold.
    """
    import tifffile

    found = image.metadata
    left_out = _STRUCTURE | (set() if found.format == "TIFF" else exif.RESOLUTION)
    try:
        order, fields = exif.byte_order(found.exif or b""), exif.read_fields(found.exif or b"")
    except exif.BadBlock:
        order, fields = "<", ()
    carried = [field for field in fields if field.tag not in left_out]
    if found.xmp:
        carried.append(Field(XMP, 1, len(found.xmp), found.xmp))
    if provenance is not None:
        packed = metadata.pack_provenance(provenance)
        carried.append(Field(PROVENANCE, 7, len(packed), packed))
    beside = "unassalpha" if image.alpha is not None else None if image.extra is None else "unspecified"
    samples = interleaved(image)
    if samples.nbytes > MAX_BYTES:
        raise InputError(f"{samples.nbytes} bytes of pixels: TIFF holds at most {MAX_BYTES}; write PNG")
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
    """Return the provenance in the private tag, packed; of a file that was cut off, what is left of it."""
    order: str = {b"II*\0": "<", b"MM\0*": ">"}.get(stream.read(4), "")
    offset = stream.read(4)
    if not order or len(offset) < 4:
        return None
    stream.seek(struct.unpack(order + "I", offset)[0])
    count = struct.unpack(order + "H", stream.read(2).ljust(2, b"\0"))[0]
    entries = stream.read(12 * count)
    whole = entries[: len(entries) // 12 * 12]
    for tag, _kind, length, place in struct.iter_unpack(order + "HHII", whole):
        if tag == PROVENANCE:
            stream.seek(place)
            return stream.read(min(length, metadata.MAX_PROVENANCE + 1))
    return None


def _choose(
    file: tifffile.TiffFile, stream: BinaryIO
) -> tuple[tifffile.TiffPage, tuple[str, ...], tuple[str, ...]]:
    """The one page that is no smaller copy and no mask; notes on copies, and on others that are left out.

    Raises:
        CameraRaw: It stands below another one, and what it holds are the values of a sensor.
        InputError: There are several, or it stands below another one.
    """
    import tifffile

    count = len(file.pages)
    if count > _MAX_PAGES:
        raise InputError(SEVERAL_PICTURES)
    pages = [page for page in file.pages if isinstance(page, tifffile.TiffPage)]
    whole = [page for page in pages if not int(page.subfiletype) & (_REDUCED | _MASK)] if count > 1 else pages
    if len(whole) != 1 or len(pages) != count:
        raise InputError(SEVERAL_PICTURES)
    page = whole[0]
    kinds = [int(other.subfiletype) for other in pages if other is not page]
    with containers.view(stream) as data:
        starts = (page.subifds or ())[:_MAX_PAGES]
        below = [_number(data, start, _SUBFILE_TYPE) for start in starts]
        if int(page.subfiletype) & (_REDUCED | _MASK):  # the only page, as in NEF
            for index, start in enumerate(starts):
                if not below[index] & (_REDUCED | _MASK):
                    is_raw = _number(data, start, _PHOTOMETRIC) in tiff_pixels.RAW
                    raise CameraRaw if is_raw else InputError(_BELOW.format(index))
    kinds += below
    copies = (_COPIES,) if any(kind & _REDUCED for kind in kinds) else ()
    others = (_OTHERS,) if any(not kind & _REDUCED for kind in kinds) else ()
    return page, copies, others


def _number(data: exif.Block, start: int, tag: int) -> int:
    """A number that the page at an offset states; 0 where it states none or cannot be read."""
    try:
        found = exif.read_fields(data, start, (tag,))
        order = exif.byte_order(data)
    except exif.BadBlock:
        return 0
    return int.from_bytes(found[0].raw if found else b"", "little" if order == "<" else "big")


def _fields(stream: BinaryIO, page_at: int | None = None) -> tuple[ByteOrder, Fields]:
    """Byte order and raw fields of a page at an offset (None: the first); none where they cannot be read.

    Another page is given those of the first that it has not itself (EXIF, the camera's name).
    """
    try:
        with containers.view(stream) as data:
            order, own = exif.byte_order(data), exif.read_fields(data, page_at)
            there = {field.tag for field in own}
            first = () if page_at is None else exif.read_fields(data)
            return order, (*own, *(field for field in first if field.tag not in there))
    except (OSError, ValueError):
        return "<", ()


def _describe(
    decoded: Metadata, page: tifffile.TiffPage, order: ByteOrder, fields: Fields
) -> tuple[Metadata, int]:
    """Add the metadata of the fields once the picture is upright; also EXIF's number of how it is turned."""
    packet = page.tags.valueof(XMP)
    packet = packet if isinstance(packet, bytes) else None
    stated = next((_whole(tag.value) for tag in page.tags.values() if tag.code == exif.ORIENTATION), 0)
    turned = stated if 1 <= stated <= 8 else metadata.orientation(None, packet)
    left_out = _STRUCTURE | {_LAYERS}
    carried = [_clean(field) for field in fields if field.tag not in left_out]
    if int(page.photometric) not in (tiff_pixels.BLACK_IS_ZERO, tiff_pixels.RGB):
        carried = [field for field in carried if field.tag != _TRANSFER]
    compression = str(getattr(page.compression, "name", ""))
    across, down = page.resolution
    scale = exif.UNITS_AN_INCH.get(int(page.resolutionunit), 0.0)
    dpi = (across * scale, down * scale) if scale and across > 0 and down > 0 else None
    plain = (across, down) if not scale and (across, down) != (1.0, 1.0) and min(across, down) > 0 else None
    found = replace(
        decoded,
        exif=exif.write_block(carried, order) if carried else None,
        xmp=packet,
        dpi=dpi,
        aspect=plain,
        lost=tuple(_lost(page, {field.tag for field in fields} | left_out)),
        compression=compression if compression in _LOSSLESS else _DEFAULT_COMPRESSION,
    )
    return metadata.upright(found, turned), turned


def _lost(page: tifffile.TiffPage, there: set[int]) -> Iterator[str]:
    """Parts of a page that its result will not have, one note each."""
    if _LAYERS in page.tags:
        yield _LAYERS_LOST
    if missing := [tag.code for tag in page.tags if tag.code not in there]:
        yield f"fields that cannot be read are left out: {', '.join(map(str, missing))}"


def _clean(field: Field) -> Field:
    """A field without the thumbnails among Photoshop's resources."""
    if field.tag != _PHOTOSHOP:
        return field
    raw = containers.without_thumbnails(field.raw)
    return replace(field, raw=raw, count=len(raw))


def _whole(value: object) -> int:
    """The first whole number of a field of any type, or 0."""
    first = value[0] if isinstance(value, (tuple, bytes)) and value else value
    return first if isinstance(first, int) else 0


def _add_fields(stream: BinaryIO, order: ByteOrder, carried: list[Field]) -> None:
    """Put a longer first IFD at the end of a written file; tifffile itself writes no IFDs below the first."""
    stream.flush()
    tags = {field.tag for field in carried}
    own = (field for field in _fields(stream)[1] if field.tag not in tags)
    end = stream.seek(0, 2)
    start = end + end % 2
    stream.write(bytes(start - end) + exif.write_ifd([*own, *carried], start, order))
    stream.seek(4)
    stream.write(struct.pack(order + "I", start))
    stream.seek(0, 2)
