"""The picture type of this room, and the views that lead from interleaved buffers to it and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from genrestore.files.codecs.metadata import Metadata

Array = npt.NDArray[Any]  # uint8, uint16, float16 or float32; never changed from one to the other on the way
_ROWS = 64


@dataclass
class Image:
    """A decoded picture.

    Attributes:
        pixels: [1, channel, height, width]; channel is 1 (grey) or 3 (RGB). Full-range uint8 or uint16,
            or float16 or float32, 0 is black and 1 white, or what the file takes for it; it may lie outside.
            A writable view of the decoded buffer; `np.empty_like` of it has the layout that is written
            without a copy.
        alpha: [1, 1, height, width] of the same type, or None. Never changed.
        metadata: The rest of the file.
        extra: [1, 1, height, width] of the same type, or None: a sample of which a TIFF does not say what it
            is (a scanner's infrared). Never changed.
    """

    pixels: Array
    alpha: Array | None
    metadata: Metadata
    extra: Array | None = None


def from_buffer(buffer: Array, metadata: Metadata, orientation: int = 1, *, extra: bool = False) -> Image:
    """Make a picture of views of an interleaved buffer.

    Args:
        buffer: [height, width] or [height, width, channel] with 1 to 4 channels: grey, grey and alpha, RGB,
            RGBA.
        metadata: Goes into the picture as it is.
        orientation: EXIF's number, 1 to 8; other than 1 costs one copy.
        extra: The last of 2 or 4 channels is no alpha.
    """
    if buffer.ndim == 2:
        buffer = buffer[:, :, None]
    if orientation != 1:
        buffer = np.ascontiguousarray(_upright(buffer, orientation))
    planes = buffer.transpose(2, 0, 1)[None]
    if buffer.shape[2] in (1, 3):
        return Image(planes, None, metadata)
    colours, last = planes[:, :-1], planes[:, -1:]
    return Image(colours, None, metadata, last) if extra else Image(colours, last, metadata)


def interleaved(image: Image) -> Array:
    """Return a picture as one C-contiguous buffer, [height, width] of grey or [height, width, channel].

    Nothing is copied where it lies so already.
    """
    pixels = image.pixels[0].transpose(1, 2, 0)
    beside = image.extra if image.alpha is None else image.alpha
    if beside is not None:  # planes that lie apart would be joined in another order
        return np.ascontiguousarray(np.concatenate([pixels, beside[0].transpose(1, 2, 0)], axis=2))
    # ravel: an axis of length 1 may keep any stride and count as contiguous, which png_encode refuses
    return np.ascontiguousarray(pixels).ravel().reshape(pixels.shape[: 3 if pixels.shape[2] > 1 else 2])


def turned_back(buffer: Array, orientation: int) -> Array:
    """Return an upright buffer as it lay in its file, [height, width] or [height, width, channel]; a view."""
    return _upright(buffer, {6: 8, 8: 6}.get(orientation, orientation))


def _upright(buffer: Array, orientation: int) -> Array:
    if orientation in (5, 6, 7, 8):
        buffer = buffer.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return buffer[rows, columns]


def white(dtype: np.dtype[Any]) -> int:
    """Return the value of white, and of full opacity: the largest integer, or 1 in floating point."""
    return 1 if dtype.kind == "f" else int(np.iinfo(dtype).max)


def to_16_bit(buffer: Array) -> Array:
    """Round floating point to uint16, any shape; below 0, above 1 and NaN are clipped. Integers stay."""
    if buffer.dtype.kind != "f":
        return buffer
    result = np.empty_like(buffer, np.uint16)
    for row in range(0, buffer.shape[0], _ROWS):
        unit = np.nan_to_num(buffer[row : row + _ROWS].astype(np.float32)).clip(0, 1)
        result[row : row + _ROWS] = np.rint(unit * 65535)
    return result


def widened(buffer: Array, bits: int) -> Array:
    """Spread uint16 of fewer bits over the full range, any shape, in place, row by row; others stay."""
    if buffer.dtype == np.uint16 and bits < 16:
        full = 2**bits - 1
        for row in buffer:
            row[...] = (row.astype(np.uint32) * 65535 + full // 2) // full
    return buffer


def narrowed(buffer: Array, bits: int) -> Array:
    """Reverse `widened`: round uint16 to fewer bits, any shape."""
    full, result = 2**bits - 1, np.empty_like(buffer)
    for row in range(0, buffer.shape[0], _ROWS):
        result[row : row + _ROWS] = (buffer[row : row + _ROWS].astype(np.uint32) * full + 32767) // 65535
    return result


def to_8_bit(buffer: Array) -> Array:
    """Round x / 257 from uint16 to uint8, any shape; uint8 stays as it is. Works row by row to stay small."""
    if buffer.dtype == np.uint8:
        return buffer
    result = np.empty(buffer.shape, np.uint8)
    for row in range(0, buffer.shape[0], _ROWS):
        result[row : row + _ROWS] = (to_16_bit(buffer[row : row + _ROWS]).astype(np.uint32) + 128) // 257
    return result
