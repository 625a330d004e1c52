"""The pixels of a TIFF page: grey and RGB as they are, other colour kinds converted to them, with a note.

tifffile decodes all of them: Pillow's TIFF library goes on after damage, and writes to stderr by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genrestore.errors import InputError
from genrestore.files.codecs import pillow, tiff_strips
from genrestore.files.codecs.formats import RAW_IS_NOT_READ, SEVERAL_PICTURES
from genrestore.files.codecs.pixels import Array, Converted
from genrestore.files.codecs.tiff_strips import (
    ADVICE,
    BLACK_IS_ZERO,
    CMYK,
    PALETTE,
    RGB,
    WHITE_IS_ZERO,
    YCBCR,
)

if TYPE_CHECKING:
    import tifffile

_CFA, _LINEAR_RAW, _DNG_VERSION, _COLOUR_MAP = 32803, 34892, 50706, 320
_UNSIGNED, _UNSPECIFIED, _ASSOCIATED_ALPHA = 1, 0, 1
_OLD_JPEG, _JPEG = 6, 7
_CHANNELS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
_BITS = {
    WHITE_IS_ZERO: (1, 2, 4, 8, 16),
    BLACK_IS_ZERO: (1, 2, 4, *range(8, 17)),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
}
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def decode(page: tifffile.TiffPage, icc: bytes | None, max_pixels: int) -> Converted:
    """The page's pixels, [height, width] or [height, width, channel], in one of the four layouts.

    Raises:
        InputError: Pixels that cannot be kept, that are none yet (camera RAW), that are not sure, or strips
            of another size than the page's; without the file's name.
    """
    _check(page)
    tiff_strips.check(page, max_pixels)
    photometric, bits = int(page.photometric), page.bitspersample
    buffer: Array = page.asarray()
    if page.axes.startswith("S"):
        buffer = np.ascontiguousarray(np.moveaxis(buffer, 0, -1))
    if photometric == PALETTE:
        return Converted(_palette(page)[buffer.astype(np.uint8)], "P", icc, ("palette converted to RGB",))
    if photometric == CMYK:
        return _cmyk(buffer, icc)
    if photometric == YCBCR:
        plain = buffer if int(page.compression) in (_OLD_JPEG, _JPEG) else pillow.ycbcr_to_rgb(buffer)
        return Converted(plain, "YCbCr", icc, ())
    notes: tuple[str, ...] = ()
    if bits < 8:
        buffer = buffer.astype(np.uint8) * np.uint8(255 // (2**bits - 1))
        notes = (f"{bits}-bit grey converted to 8-bit grey",)
    elif 8 < bits < 16:
        _widen(buffer, bits)
        notes = (f"{bits}-bit grey converted to 16-bit grey",)
    if photometric == WHITE_IS_ZERO:
        colours = buffer if buffer.ndim == 2 else buffer[..., :1]
        np.subtract(np.iinfo(buffer.dtype).max, colours, out=colours)
    if page.extrasamples and int(page.extrasamples[0]) == _ASSOCIATED_ALPHA:
        _divide_by_alpha(buffer)
    mode = "1" if bits == 1 else _MODES[page.samplesperpixel] + (";16" if bits > 8 else "")
    extra = page.extrasamples != () and int(page.extrasamples[0]) == _UNSPECIFIED
    return Converted(buffer, mode, icc, notes, extra)


def _check(page: tifffile.TiffPage) -> None:
    photometric, bits = int(page.photometric), page.bitspersample
    if photometric in (_CFA, _LINEAR_RAW) or _DNG_VERSION in page.tags:
        raise InputError(RAW_IS_NOT_READ)
    if page.imagedepth > 1:
        raise InputError(SEVERAL_PICTURES)
    if int(page.sampleformat) != _UNSIGNED or bits not in _BITS.get(photometric, (8,)):
        kind = {1: "unsigned", 2: "signed", 3: "floating-point"}.get(int(page.sampleformat), "unknown")
        raise InputError(f"{bits}-bit {kind} pixels ({_name(page)}) cannot be kept; {ADVICE}")
    if photometric not in _CHANNELS:
        raise InputError(f"pixels of the kind {_name(page)} are not read; {ADVICE}")
    extra = page.samplesperpixel - _CHANNELS[photometric]
    if extra != 0 and (photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB) or extra != 1):
        raise InputError(f"{page.samplesperpixel} channels; grey and RGB are restored, with or without alpha")


def _name(page: tifffile.TiffPage) -> str:
    return str(getattr(page.photometric, "name", int(page.photometric)))


def _cmyk(buffer: Array, icc: bytes | None) -> Converted:
    plain, profile, note = pillow.cmyk_to_rgb(pillow.from_array(buffer, "CMYK"), icc)
    return Converted(np.asarray(plain).copy(), "CMYK", profile, (note,))


def _palette(page: tifffile.TiffPage) -> Array:
    """The colours of a palette, uint8 [colour, 3]; some programs write them as 8 bits in place of 16.

    Raises:
        InputError: Fewer colours than the pixels can name.
    """
    table = np.asarray(page.tags.valueof(_COLOUR_MAP, default=())).reshape(3, -1).T
    if len(table) < 2**page.bitspersample:
        raise InputError(f"truncated or damaged TIFF (a palette of {len(table)} colours)")
    return (table if table.max() < 256 else table >> 8).astype(np.uint8)


def _widen(buffer: Array, bits: int) -> None:
    """Spread uint16 of fewer bits over the full range, in place, row by row to stay small."""
    full = 2**bits - 1
    for row in buffer:
        row[:] = (row.astype(np.uint32) * 65535 + full // 2) // full


def _divide_by_alpha(buffer: Array) -> None:
    """Turn premultiplied colours into plain ones, in place, row by row to stay small."""
    full = int(np.iinfo(buffer.dtype).max)
    for row in buffer:
        alpha = np.maximum(row[:, -1:].astype(np.uint64), 1)
        row[:, :-1] = np.minimum((row[:, :-1].astype(np.uint64) * full + alpha // 2) // alpha, full)
