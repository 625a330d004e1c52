"""The ends of pictures in formats that are read and not written: what stands behind them is left out."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping

from genrestore.files.codecs.containers import Data


def left_out(data: Data, format: str) -> tuple[str, ...]:
    """Return notes on bytes behind a picture whose format is only read; none on a few zeros."""
    return behind(data, _ENDS[format](data)) if format in _ENDS else ()


def behind(data: Data, end: int) -> tuple[str, ...]:
    """Return notes on bytes behind the end of a picture; none on a few zeros."""
    length = len(data) - end
    if length <= 0 or (length <= _FEW and not bytes(data[-length:]).strip(_SPACE)):
        return ()
    return (f"what stands behind the picture in its file ({length} bytes) is left out",)


def _of_gif(data: Data) -> int:
    """Find where the trailer of a GIF's blocks ends; the end of the file where they do not lead to it."""
    at = 13 + _table(data[10]) if len(data) > 13 else len(data)
    while at < len(data) - 1:
        kind = data[at]
        if kind == 0x3B:
            return at + 1
        if kind == 0x2C and at + 10 < len(data):
            at += 11 + _table(data[at + 9])
        elif kind == 0x21:
            at += 2
        else:
            break
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return len(data)


def _table(flags: int) -> int:
    """Count the bytes of a GIF's table of colours, which flags tell."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _of_bmp(data: Data) -> int:
    """Find the farthest that a BMP's header speaks of: its own size, the pixels, the profile."""
    size, _, start, header = struct.unpack_from("<IIII", data, 2)
    ends = [size]
    if header >= 40 and len(data) >= 38:
        width, height, _, bits, way, stated = struct.unpack_from("<iiHHII", data, 18)
        plain = way in (0, 3, 6)  # RGB and bit fields, which are not compressed
        ends.append(start + ((abs(width) * bits + 31) // 32 * 4 * abs(height) if plain else stated))
    if header >= 124 and len(data) >= 134:
        place, length = struct.unpack_from("<II", data, 126)
        ends.append(14 + place + length)
    return max(ends)


def _of_ppm(data: Data) -> int:
    """Find the end of the samples of a PBM, PGM or PPM; the end of the file where they are text."""
    kind = bytes(data[:2])
    numbers = 2 if kind == b"P4" else 3
    found = re.match(rb"P[456]" + numbers * _NUMBER + rb"\s", bytes(data[:_FEW]))
    if found is None:
        return len(data)
    width, height, *largest = map(int, found.groups())
    row = -(-width // 8) if kind == b"P4" else width * (3 if kind == b"P6" else 1)
    return found.end() + row * height * (2 if max(largest, default=0) > 255 else 1)


_FEW = 2**12
_SPACE = b"\0 \t\r\n"
_NUMBER = rb"(?:\s|#[^\n]*\n)+(\d+)"
_ENDS: Mapping[str, Callable[[Data], int]] = {
    "GIF": _of_gif,
    "BMP": _of_bmp,
    "PPM": _of_ppm,
}
