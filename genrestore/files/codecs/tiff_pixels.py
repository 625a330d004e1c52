"""The pixels of a TIFF page: grey and RGB as they are, other colour kinds converted to them, with a note.

tifffile decodes all of them: Pillow's TIFF library goes on after damage, and writes to stderr by itself.

A page is refused before it is decoded, unless its pixels are sure: what tifffile, libtiff and ImageMagick
decode to the same pixels. A codec for whole pictures (JPEG, WebP) decodes to the size that its own header
says, whatever the page says, so that header is read first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from genrestore.errors import InputError
from genrestore.files.codecs import containers, pillow, webp
from genrestore.files.codecs.formats import SEVERAL_PICTURES, CameraRaw, check_size
from genrestore.files.codecs.images import Array, widened
from genrestore.files.codecs.metadata import Metadata

if TYPE_CHECKING:
    import tifffile

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
RAW = (32803, 34892)
"""Values of a sensor (CFA), and of its colours filled in (LinearRaw)."""
_DNG_VERSION, _COLOUR_MAP = 50706, 320
_INK_SET, _COEFFICIENTS, _REFERENCE = 332, 529, 532
_UNSIGNED, _FLOATING, _UNSPECIFIED, _ASSOCIATED_ALPHA = 1, 3, 0, 1
_CHANNELS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
_BITS = {
    WHITE_IS_ZERO: (1, 2, 4, 8, 16),
    BLACK_IS_ZERO: (1, 2, 4, *range(8, 17)),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
}
_FLOATS = (16, 32, 64)
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_OLD_JPEG, _JPEG, _WEBP = 6, 7, 50001
_FAX_RLE, _FAX_3, _FAX_4 = 2, 3, 4
_BYTES = frozenset((1, 5, 8, 32946, 32773, 34925, 50000))
"""Compressions of bytes, which know no picture: none, LZW, both Deflates, PackBits, LZMA, Zstandard."""
_JPEG_COLOURS: dict[tuple[int, int], containers.Colours] = {
    (WHITE_IS_ZERO, 1): "grey",
    (BLACK_IS_ZERO, 1): "grey",
    (YCBCR, 3): "ycbcr",
    (RGB, 3): "rgb",
    (RGB, 4): "cmyk",  # four components that are left as they are
    (CMYK, 4): "cmyk",
}
_TILE_ROOM = 2**24
"""Pixels that tiles may have beside those of the picture."""
_BT_601 = (0.299, 0.587, 0.114)
_FULL_RANGE = (0, 255, 128, 255, 128, 255)
_ADVICE = "convert to 16-bit RGB or grey, for example: magick in.tif -colorspace sRGB -depth 16 out.tif"


def decode(page: tifffile.TiffPage, icc: bytes | None, max_pixels: int) -> tuple[Array, Metadata, bool]:
    """Return the page's pixels, [height, width] or [height, width, channel], in one of the four layouts.

    Also mode, profile and notes of what was converted, and if the last channel is no colour and no alpha.

    Raises:
        InputError: Pixels that cannot be kept, that are none yet (camera RAW), that are not sure, or strips
            of another size than the page's; without the file's name.
    """
    _check_kind(page)
    _check_strips(page, max_pixels)
    photometric, bits = int(page.photometric), page.bitspersample
    buffer: Array = page.asarray()
    if page.axes.startswith("S"):
        buffer = np.ascontiguousarray(np.moveaxis(buffer, 0, -1))
    if photometric == PALETTE:
        found = Metadata("TIFF", "P", icc=icc, notes=("palette converted to RGB",))
        return _palette(page)[buffer.astype(np.uint8)], found, False
    if photometric == CMYK:
        plain, profile, note = pillow.cmyk_to_rgb(pillow.from_array(buffer, "CMYK"), icc)
        return np.asarray(plain).copy(), Metadata("TIFF", "CMYK", icc=profile, notes=(note,)), False
    if photometric == YCBCR:
        if int(page.compression) not in (_OLD_JPEG, _JPEG):
            buffer = np.asarray(pillow.from_array(buffer, "YCbCr").convert("RGB")).copy()
        return buffer, Metadata("TIFF", "YCbCr", icc=icc), False
    notes: tuple[str, ...] = ()
    if floating := int(page.sampleformat) == _FLOATING:
        if bits == 64:
            notes = ("64-bit floating point is read with 32 bits",)
        buffer = buffer.astype(np.float16 if bits == 16 else np.float32, copy=False)
    elif bits not in (8, 16):
        notes = (f"{bits}-bit grey converted to {8 if bits < 8 else 16}-bit grey",)
        buffer = buffer.astype(np.uint8) * np.uint8(255 // (2**bits - 1)) if bits < 8 else buffer
        if bits > 8:
            widened(buffer, bits)
    if photometric == WHITE_IS_ZERO:
        colours = buffer if buffer.ndim == 2 else buffer[..., :1]
        np.subtract(np.iinfo(buffer.dtype).max, colours, out=colours)
    beside = int(page.extrasamples[0]) if page.extrasamples else None
    if beside == _ASSOCIATED_ALPHA:
        _divide_by_alpha(buffer)
    depth = f";f{buffer.itemsize * 8}" if floating else ";16" if bits > 8 else ""
    mode = "1" if bits == 1 else _MODES[page.samplesperpixel] + depth
    return buffer, Metadata("TIFF", mode, icc=icc, notes=notes), beside == _UNSPECIFIED


def _palette(page: tifffile.TiffPage) -> Array:
    """The colours of a palette, uint8 [colour, 3]; some programs write them as 8 bits in place of 16."""
    table = np.asarray(page.tags.valueof(_COLOUR_MAP, default=())).reshape(3, -1).T
    if len(table) < 2**page.bitspersample:
        raise InputError(f"truncated or damaged TIFF (a palette of {len(table)} colours)")
    return (table if table.max() < 256 else table >> 8).astype(np.uint8)


def _divide_by_alpha(buffer: Array) -> None:
    """Turn premultiplied colours into plain ones, in place, row by row to stay small."""
    if buffer.dtype.kind == "f":
        for row in buffer:
            np.divide(row[:, :-1], row[:, -1:], out=row[:, :-1], where=row[:, -1:] > 0)
        return
    full = int(np.iinfo(buffer.dtype).max)
    for row in buffer:
        alpha = np.maximum(row[:, -1:].astype(np.uint64), 1)
        row[:, :-1] = np.minimum((row[:, :-1].astype(np.uint64) * full + alpha // 2) // alpha, full)


def _check_kind(page: tifffile.TiffPage) -> None:
    """Refuse a page whose kind of pixels cannot be kept, or on which decoders do not agree."""
    photometric, bits = int(page.photometric), page.bitspersample
    name = _name(page.photometric)
    if photometric in RAW or _DNG_VERSION in page.tags:
        raise CameraRaw
    if page.imagedepth > 1:
        raise InputError(SEVERAL_PICTURES)
    floating = int(page.sampleformat) == _FLOATING and photometric in (BLACK_IS_ZERO, RGB) and bits in _FLOATS
    if not floating and (int(page.sampleformat) != _UNSIGNED or bits not in _BITS.get(photometric, (8,))):
        kind = {1: "unsigned", 2: "signed", 3: "floating-point"}.get(int(page.sampleformat), "unknown")
        raise InputError(f"{bits}-bit {kind} pixels ({name}) cannot be kept; {_ADVICE}")
    if photometric not in _CHANNELS:
        raise InputError(f"pixels of the kind {name} are not read; {_ADVICE}")
    extra = page.samplesperpixel - _CHANNELS[photometric]
    if extra != 0 and (photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB) or extra != 1):
        raise InputError(f"{page.samplesperpixel} channels; grey and RGB are restored, with or without alpha")
    if not (_is_sure(page) and _are_plain_colours(page)):
        raise InputError(f"{_kinds(page)} is not read, since programs differ on its pixels; {_ADVICE}")


def _name(number: int) -> str:
    """A number's name in tifffile, or itself."""
    return str(getattr(number, "name", int(number)))


def _kinds(page: tifffile.TiffPage) -> str:
    """The kind of a page in the specification's words."""
    planes = "in planes " if int(page.planarconfig) == 2 else ""
    compression = _name(page.compression)
    return f"{page.bitspersample}-bit {_name(page.photometric)} {planes}with compression {compression}"


def _is_sure(page: tifffile.TiffPage) -> bool:
    """The table of pages on which three decoders agree."""
    photometric, samples, bits = int(page.photometric), page.samplesperpixel, page.bitspersample
    compression, planes = int(page.compression), int(page.planarconfig) == 2 and page.samplesperpixel > 1
    if int(page.sampleformat) == _FLOATING:
        return compression in _BYTES and int(page.predictor) in (1, 3)
    if int(page.predictor) != 1 and (int(page.predictor) != 2 or bits not in (8, 16)):
        return False
    if photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) and samples == 2:
        return photometric == BLACK_IS_ZERO and not planes and bits in (8, 16) and compression in _BYTES
    if compression in _BYTES:
        return True
    if compression in (_FAX_RLE, _FAX_3, _FAX_4):
        grey = photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) and samples == 1 and bits == 1
        return grey and not (compression == _FAX_RLE and page.is_tiled)
    if compression == _JPEG:
        colours = _JPEG_COLOURS.get((photometric, samples))
        return colours is not None and bits == 8 and (not planes or colours == "cmyk")
    if compression == _OLD_JPEG:
        return photometric == YCBCR and samples == 3 and not planes and len(page.dataoffsets) == 1
    return compression == _WEBP and photometric == RGB and bits == 8 and not planes


def _are_plain_colours(page: tifffile.TiffPage) -> bool:
    """YCbCr is that of BT.601 in full range, and what is separated into inks is so into CMYK."""
    if int(page.photometric) == CMYK:
        return int(page.tags.valueof(_INK_SET, default=1)) == 1
    if int(page.photometric) != YCBCR or int(page.compression) in (_OLD_JPEG, _JPEG):
        return True
    if page.is_subsampled:
        return False
    coefficients = _ratios(page.tags.valueof(_COEFFICIENTS)) or _BT_601
    reference = _ratios(page.tags.valueof(_REFERENCE)) or _FULL_RANGE
    near = zip((*coefficients, *reference), (*_BT_601, *_FULL_RANGE), strict=False)
    return len(coefficients) == 3 and len(reference) == 6 and all(abs(a - b) < 0.002 for a, b in near)


def _ratios(value: Sequence[int] | None) -> tuple[float, ...]:
    """Rational numbers as tifffile has them, numerator and denominator in turn."""
    if value is None:
        return ()
    return tuple(above / max(below, 1) for above, below in zip(value[::2], value[1::2], strict=False))


def _check_strips(page: tifffile.TiffPage, max_pixels: int) -> None:
    """Refuse strips or tiles that are missing, too large, or of another size than the page says."""
    wide, high = _full_size(page)
    needed = -(-page.imagewidth // wide) * -(-page.imagelength // high)
    if page.is_tiled:
        check_size(wide, high, max(max_pixels, _TILE_ROOM))
        if needed * wide * high > 4 * page.imagewidth * page.imagelength + _TILE_ROOM:
            size = f"{page.imagewidth} x {page.imagelength}"
            raise InputError(f"damaged TIFF (tiles of {wide} x {high} for {size} pixels)")
    if int(page.planarconfig) == 2:
        needed *= page.samplesperpixel
    places, lengths = page.dataoffsets, page.databytecounts
    if min(len(places), len(lengths)) < needed or 0 in lengths or 0 in places:
        raise InputError("truncated or damaged TIFF (a part of its pixels is missing)")
    if int(page.compression) in (_OLD_JPEG, _JPEG, _WEBP):
        for index in range(needed):
            _check_strip(page, index)


def _check_strip(page: tifffile.TiffPage, index: int) -> None:
    """Refuse a strip whose own header says another size, other colours, or too many scans."""
    file = page.parent.filehandle
    file.seek(page.dataoffsets[index])
    data = file.read(page.databytecounts[index])
    samples = page.samplesperpixel if int(page.planarconfig) == 1 else 1
    if int(page.compression) == _WEBP:
        width, height = webp.size(data)
    else:
        found = containers.read_jpeg(data)
        found.check_work()
        width, height = found.width, found.height
        colours = "grey" if samples == 1 else _JPEG_COLOURS[int(page.photometric), samples]
        if 8 * len(data) < -(-width // 8) * -(-height // 8):
            raise InputError(f"truncated or damaged TIFF ({len(data)} bytes for {width} x {height} pixels)")
        sequential = found.frame in (containers.BASELINE, containers.EXTENDED, containers.PROGRESSIVE)
        if not (sequential and found.precision == 8 and found.colours_are(colours)):
            raise InputError(f"{_kinds(page)} whose strips say otherwise is not read; {_ADVICE}")
    wide, full = _full_size(page)
    strips = -(-page.imagelength // full)
    high = full if page.is_tiled else min(full, page.imagelength - index % strips * full)
    if width != wide or height not in (high, full):
        raise InputError(
            f"truncated or damaged TIFF (a strip of {width} x {height} pixels in place of {wide} x {high})"
        )


def _full_size(page: tifffile.TiffPage) -> tuple[int, int]:
    """Width and height of a tile, or of a strip but the last."""
    if page.is_tiled:
        return max(page.tilewidth, 1), max(page.tilelength, 1)
    return page.imagewidth, page.rowsperstrip or page.imagelength
