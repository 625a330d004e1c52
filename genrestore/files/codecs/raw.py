"""Camera RAW by rawpy (LibRaw), which is an extra: developed plainly, for a denoiser is no developer.

White balance as shot, sRGB's colours and curve, 16 bits, nothing smoothed. The noise comes before the curve,
so it differs with brightness, which the estimate of its level knows. Two of three colours of each pixel are
filled in, and the third is what the sensor measured, which the metadata tells.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np

from genrestore.errors import InputError
from genrestore.files.codecs import exif, heif, icc, metadata
from genrestore.files.codecs.containers import APP1, quiet, read_jpeg
from genrestore.files.codecs.formats import RAW, Develop, check_size, library
from genrestore.files.codecs.images import Array, Image, from_buffer
from genrestore.files.codecs.metadata import Metadata, Mosaic

_GAMMA = (2.4, 12.92)
"""Power and slope of sRGB's curve, as LibRaw takes them."""
_CLIPPED = 0.001
"""Share of the pixels that is white where no brightness is asked for; LibRaw's own is 0.01."""
_FULL = 0.75
"""Share of white that the largest value must reach, or it is taken for white itself, as LibRaw has it: some
sensors are full below. Not where light is multiplied, since pictures of a series would differ."""
_CARRIED = frozenset((270, 271, 272, 305, 306, 315, 33432, exif.EXIF_IFD, exif.GPS_IFD))
"""Fields that are about the photograph, and not about where its pixels stand."""
_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_PARTS = {b"CMT1": None, b"CMT2": exif.EXIF_IFD, b"CMT4": exif.GPS_IFD}
"""Boxes of a CR3 with the fields of a photograph, of EXIF and of its place."""
_WORDS = b"unknown file:"
_WHITE = 65535
_LAST = 16
"""Rows at the end of a mosaic that are not all of one value in a whole file."""
_ALIKE, _LOOKED_AT, _FEWEST = 0.9999, 1 << 16, 64
"""Correlation of what was measured with what the picture holds of it, and pixels that are looked at, about;
with fewer that are not clipped, nothing is told."""


def read(stream: BinaryIO, format: str, max_pixels: int) -> Image:  # noqa: ARG001
    """Develop a camera RAW file as usual; see `formats.Codec`."""
    return develop(stream, max_pixels, Develop())


def develop(stream: BinaryIO, max_pixels: int, how: Develop) -> Image:
    """Develop a camera RAW file at the begin of a stream; errors are those of `formats.Codec`."""
    format = RAW
    rawpy, data = library(format), stream.read()
    try:
        with quiet(_WORDS), rawpy.RawPy() as raw:
            stream.seek(0)
            raw.open_buffer(stream)
            check_size(raw.sizes.width, raw.sizes.height, max_pixels)
            raw.unpack()
            rows = raw.raw_image_visible[-_LAST:]
            if rows.min() == rows.max():
                raise InputError(f"truncated or damaged {format} (its last rows are empty)")
            buffer = raw.postprocess(
                use_camera_wb=True,
                output_bps=16,
                gamma=_GAMMA,
                no_auto_bright=how.brightness is not None,
                bright=how.brightness or 1.0,
                auto_bright_thr=_CLIPPED,
                adjust_maximum_thr=_FULL if how.brightness is None else 0.0,
                half_size=how.half,
                fbdd_noise_reduction=rawpy.FBDDNoiseReductionMode.Off,
            )
            mosaic = _mosaic(raw, buffer)
    except rawpy.LibRawFileUnsupportedError as error:
        raise InputError(f"{format} of a kind that LibRaw does not know ({error})") from error
    except rawpy.LibRawError as error:
        raise InputError(f"truncated or damaged {format} ({_text(error)})") from error
    found = Metadata(format, "RGB;16", exif=_exif(data), mosaic=mosaic)
    return from_buffer(buffer, metadata.upright(found, 1))


def _mosaic(raw: Any, buffer: Array) -> Mosaic | None:
    """Where a sensor of red, green, green and blue measured which colour of a picture [height, width, 3].

    Returns:
        None where the picture does not hold what was measured: it is of half the size, or of another sensor.
    """
    pattern, letters = raw.raw_pattern, raw.color_desc.decode("ascii", "replace")
    if pattern is None or pattern.shape != (2, 2) or set(letters) - set("RGB"):
        return None
    channel = np.array(["RGB".index(letter) for letter in letters])
    planes = raw.raw_colors_visible, raw.raw_image_visible
    colours, measured = (_turned(one, raw.sizes.flip) for one in planes)
    matrix = np.asarray(raw.color_matrix, np.float64)[:, :3]
    if colours.shape != buffer.shape[:2] or abs(np.linalg.det(matrix)) < 1e-6:
        return None
    step = int((colours.size / _LOOKED_AT) ** 0.5) // 2 * 2 + 1  # odd, so that it comes by all four
    some = buffer[::step, ::step].reshape(-1, 3)
    measured, index = measured[::step, ::step].ravel(), channel[colours[::step, ::step].ravel()]
    inside = ((some > 0) & (some < _WHITE)).all(1)
    light = icc.linear(some.astype(np.float32) / _WHITE) @ np.linalg.inv(matrix).T
    for colour in range(3):
        chosen = inside & (index == colour)
        if chosen.sum() < _FEWEST or _likeness(light[chosen, colour], measured[chosen]) < _ALIKE:
            return None
    rows = tuple(tuple(int(channel[one]) for one in row) for row in colours[:2, :2])
    return Mosaic(rows, tuple(tuple(map(float, row)) for row in matrix))


def _likeness(found: Array, measured: Array) -> float:
    """The correlation of two lists of numbers, [number] each; 0 where one has a single value."""
    spread = found.std() * measured.std()
    return 0.0 if spread == 0 else float(np.corrcoef(found, measured)[0, 1])


def _turned(plane: Array, flip: int) -> Array:
    """A plane of a sensor, [height, width], as LibRaw turns the picture; a view."""
    plane = plane[:: -1 if flip & 2 else 1, :: -1 if flip & 1 else 1]
    return plane.T if flip & 4 else plane


def _text(error: Exception) -> str:
    """The words of an error of LibRaw, which are bytes."""
    first = error.args[0] if error.args else ""
    return first.decode("ascii", "replace") if isinstance(first, bytes) else str(first)


def _exif(data: bytes) -> bytes | None:
    """EXIF block of the photograph, as the camera wrote it; None where it is not found."""
    with suppress(exif.BadBlock, InputError, struct.error):
        if data.startswith(b"FUJIFILMCCD-RAW"):
            at = int.from_bytes(data[84:88], "big")
            for segment in read_jpeg(data, at).segments:
                if segment.marker == APP1 and segment.payload.startswith(b"Exif\0\0"):
                    return _carried(segment.payload[6:])
            return None
        if data[4:12] == b"ftypcrx ":
            return _of_cr3(data)
        return _carried((b"MM\0*" if data[:2] == b"MM" else b"II*\0") + data[4:])
    return None


def _carried(block: bytes) -> bytes | None:
    order, fields = exif.byte_order(block), exif.read_fields(block)
    kept = [field for field in fields if field.tag in _CARRIED]
    return exif.write_block(kept, order) if kept else None


def _of_cr3(data: bytes) -> bytes | None:
    """The fields of Canon's boxes, each of which holds a block of its own."""
    order: exif.ByteOrder = "<"
    kept: list[exif.Field] = []
    for box in heif.boxes(data, 0, len(data)):
        if box.kind != b"moov":
            continue
        for own in heif.boxes(data, box.start, box.end):
            if own.kind != b"uuid" or data[own.start : own.start + 16] != _CANON:
                continue
            for part in heif.boxes(data, own.start + 16, own.end):
                if part.kind in _PARTS:
                    block = data[part.start : part.end]
                    order, fields = exif.byte_order(block), exif.read_fields(block)
                    below = _PARTS[part.kind]
                    if below is None:
                        kept += [field for field in fields if field.tag in _CARRIED]
                    elif fields:
                        kept.append(exif.Field(below, 4, 1, b"", tuple(fields)))
        break
    return exif.write_block(kept, order) if kept else None
