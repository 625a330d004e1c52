"""Camera RAW by rawpy (LibRaw), which is an extra: developed plainly, for a denoiser is no developer.

White balance as shot, sRGB's colours and curve, 16 bits, nothing smoothed. The noise comes before the curve,
so it differs with brightness, which the estimate of its level knows.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import BinaryIO

from genrestore.errors import InputError
from genrestore.files.codecs import exif, heif, metadata
from genrestore.files.codecs.containers import APP1, quiet, read_jpeg
from genrestore.files.codecs.formats import RAW, Develop, check_size, library
from genrestore.files.codecs.images import Image, from_buffer
from genrestore.files.codecs.metadata import Metadata

_GAMMA = (2.4, 12.92)
"""Power and slope of sRGB's curve, as LibRaw takes them."""
_CLIPPED = 0.001
"""Share of the pixels that is white where no brightness is asked for; LibRaw's own is 0.01."""
_CARRIED = frozenset((270, 271, 272, 305, 306, 315, 33432, exif.EXIF_IFD, exif.GPS_IFD))
"""Fields that are about the photograph, and not about where its pixels stand."""
_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_PARTS = {b"CMT1": None, b"CMT2": exif.EXIF_IFD, b"CMT4": exif.GPS_IFD}
"""Boxes of a CR3 with the fields of a photograph, of EXIF and of its place."""
_WORDS = b"unknown file:"
_LAST = 16
"""Rows at the end of a mosaic that are not all of one value in a whole file."""


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
                half_size=how.half,
                fbdd_noise_reduction=rawpy.FBDDNoiseReductionMode.Off,
            )
    except rawpy.LibRawFileUnsupportedError as error:
        raise InputError(f"{format} of a kind that LibRaw does not know ({error})") from error
    except rawpy.LibRawError as error:
        raise InputError(f"truncated or damaged {format} ({_text(error)})") from error
    found = Metadata(format, "RGB;16", exif=_exif(data))
    return from_buffer(buffer, metadata.upright(found, 1))


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
