"""The pixels of a TIFF page: grey and RGB as they are, other colour kinds converted to them, with a note.

tifffile decodes all of them: Pillow's TIFF library goes on after damage, and writes to stderr by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genrestore.errors import InputError
from genrestore.files import pillow
from genrestore.files.formats import RAW_IS_NOT_READ, SEVERAL_PICTURES
from genrestore.files.pixels import Array, Converted

if TYPE_CHECKING:
    import tifffile

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_CFA, _LINEAR_RAW, _DNG_VERSION, _COLOUR_MAP = 32803, 34892, 50706, 320
_UNSIGNED, _ASSOCIATED_ALPHA = 1, 1
_JPEG = 7
_CHANNELS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}
_BITS = {
    _WHITE_IS_ZERO: (1, 2, 4, 8, 16),
    _BLACK_IS_ZERO: (1, 2, 4, 8, 16),
    _RGB: (8, 16),
    _PALETTE: (1, 2, 4, 8),
}
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def decode(page: tifffile.TiffPage, icc: bytes | None) -> Converted:
    """The page's pixels, [height, width] or [height, width, channel], in one of the four layouts.

    Raises:
        InputError: Pixels that cannot be kept, or that are none yet (camera RAW); without the file's name.
    """
    _check(page)
    photometric, bits = int(page.photometric), page.bitspersample
    buffer: Array = page.asarray()
    if page.axes.startswith("S"):
        buffer = np.ascontiguousarray(np.moveaxis(buffer, 0, -1))
    if photometric == _PALETTE:
        table = np.asarray(page.tags[_COLOUR_MAP].value).reshape(3, -1).T >> 8
        return Converted(table.astype(np.uint8)[buffer], "P", icc, ("palette converted to RGB",))
    if photometric == _CMYK:
        return _cmyk(buffer, icc)
    if photometric == _YCBCR:
        plain = buffer if int(page.compression) == _JPEG else pillow.ycbcr_to_rgb(buffer)
        return Converted(plain, "YCbCr", icc, ())
    notes: tuple[str, ...] = ()
    if bits < 8:
        buffer = buffer.astype(np.uint8) * np.uint8(255 // (2**bits - 1))
        notes = (f"{bits}-bit grey converted to 8-bit grey",)
    if photometric == _WHITE_IS_ZERO:
        colours = buffer if buffer.ndim == 2 else buffer[..., :1]
        np.subtract(np.iinfo(buffer.dtype).max, colours, out=colours)
    if page.extrasamples and int(page.extrasamples[0]) == _ASSOCIATED_ALPHA:
        _divide_by_alpha(buffer)
    mode = "1" if bits == 1 else _MODES[page.samplesperpixel] + (";16" if bits == 16 else "")
    return Converted(buffer, mode, icc, notes)


def _check(page: tifffile.TiffPage) -> None:
    photometric, bits = int(page.photometric), page.bitspersample
    if photometric in (_CFA, _LINEAR_RAW) or _DNG_VERSION in page.tags:
        raise InputError(RAW_IS_NOT_READ)
    if page.imagedepth > 1:
        raise InputError(SEVERAL_PICTURES)
    if int(page.sampleformat) != _UNSIGNED or bits not in _BITS.get(photometric, (8,)):
        kind = {1: "unsigned", 2: "signed", 3: "floating-point"}.get(int(page.sampleformat), "unknown")
        raise InputError(f"{bits}-bit {kind} pixels ({_name(page)}) cannot be kept; {_ADVICE}")
    if photometric not in _CHANNELS:
        raise InputError(f"pixels of the kind {_name(page)} are not read; {_ADVICE}")
    extra = page.samplesperpixel - _CHANNELS[photometric]
    if extra != 0 and (photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB) or extra != 1):
        raise InputError(f"{page.samplesperpixel} channels; grey and RGB are restored, with or without alpha")


_ADVICE = "convert to 16-bit RGB or grey, for example: magick in.tif -colorspace sRGB -depth 16 out.tif"


def _name(page: tifffile.TiffPage) -> str:
    return str(getattr(page.photometric, "name", int(page.photometric)))


def _cmyk(buffer: Array, icc: bytes | None) -> Converted:
    plain, profile, note = pillow.cmyk_to_rgb(pillow.from_array(buffer, "CMYK"), icc)
    return Converted(np.asarray(plain).copy(), "CMYK", profile, (note,))


def _divide_by_alpha(buffer: Array) -> None:
    """Turn premultiplied colours into plain ones, in place, row by row to stay small."""
    full = int(np.iinfo(buffer.dtype).max)
    for row in buffer:
        alpha = np.maximum(row[:, -1:].astype(np.uint64), 1)
        row[:, :-1] = np.minimum((row[:, :-1].astype(np.uint64) * full + alpha // 2) // alpha, full)
