"""The one picture type; decode and encode pictures so that a photograph comes back as it was.

A format's own codec does the work (`formats.FORMATS`); here is what is the same for all.
"""

from __future__ import annotations

import io
import logging
import stat
import threading
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from genrestore.errors import InputError, shown
from genrestore.files.codecs import containers, exif, formats, xmp
from genrestore.files.codecs.formats import IMAGE_SUFFIXES, Develop
from genrestore.files.codecs.metadata import QUARTER_TURNS, Metadata, Provenance, read_provenance

__all__ = ["DEFAULT_MAX_PIXELS", "IMAGE_SUFFIXES", "Image", "Metadata", "encode", "read", "read_provenance"]

Array = npt.NDArray[Any]  # uint8, uint16, float16 or float32; never changed from one to the other on the way
_ROWS = 64
DEFAULT_MAX_PIXELS = 250_000_000
_EXIF_PREFIX, _XMP_PREFIX = 6, 29
"""Bytes before a block in its segment, where that has a limit."""

for _library in ("imagecodecs", "tifffile"):  # without a handler, what they log goes to stderr
    logging.getLogger(_library).addHandler(logging.NullHandler())

_SILENCE = threading.Lock()
"""Held while warnings are ignored: that is a setting of the whole process, and more than one thread reads."""


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


def read(
    source: Path | BinaryIO, *, max_pixels: int = DEFAULT_MAX_PIXELS, develop: Develop | None = None
) -> Image:
    """Decode the one picture of a file, upright.

    Args:
        source: A path, or a stream (standard input), which is read to its end.
        max_pixels: Refuse files whose header states more, before decoding.
        develop: How camera RAW is developed; None: as usual.

    Returns:
        The picture, [1, channel, height, width], as views of the decoded buffer.

    Raises:
        InputError: Not there, not readable, not a picture, damaged, or of a kind that is not restored; one
            line that begins with the file's name.
    """
    name = shown(source) if isinstance(source, Path) else "standard input"
    suffix = source.suffix if isinstance(source, Path) else ""
    try:
        with _open(source) as stream, _SILENCE, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = stream.read(formats.HEADER_BYTES)
            if not header:
                raise InputError("empty, 0 bytes")
            if reason := formats.unreadable_kind(suffix, header):
                raise InputError(reason)
            if (format := formats.of_content(header, suffix)) is None:
                known = ", ".join(formats.READABLE)
                raise InputError(f"not a picture that genrestore reads ({known})")
            stream.seek(0)
            try:
                if format != formats.RAW:
                    return formats.codec(format).read(stream, format, max_pixels)
            except formats.CameraRaw:
                stream.seek(0)
            from genrestore.files.codecs import raw

            return raw.develop(stream, max_pixels, develop or Develop())
    except InputError as error:
        raise InputError(f"{name}: {shown(str(error))}") from error
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file") from error
    except PermissionError as error:
        raise InputError(f"{name}: permission denied") from error
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error})") from error


def encode(
    image: Image, stream: BinaryIO, format: str, *, provenance: Provenance | None = None
) -> tuple[str, ...]:
    """Write a picture with its metadata.

    Args:
        image: Pixels, [1, channel, height, width], with the metadata of `read`.
        stream: Empty, open for reading, writing and seeking.
        format: One of `formats.WRITABLE`.
        provenance: Tool, version, weights and options, as JSON values; None leaves them out.

    Returns:
        What the format could not keep, one note each, for the user.

    Raises:
        InputError: A format that is not written, or a picture too large for it; without the file's name.
    """
    if format not in formats.WRITABLE:
        raise InputError(f"{format} is not written; written are {', '.join(formats.WRITABLE)}")
    (height, width), known = image.pixels.shape[2:], formats.BY_NAME[format]
    if max(height, width) > known.side:
        raise InputError(
            f"{width} x {height}: {known.label} holds at most {known.side} pixels a side; write PNG"
        )
    fitted, notes = _fitted(image, known)
    return (*notes, *formats.codec(format).write(fitted, stream, provenance))


def _open(source: Path | BinaryIO) -> BinaryIO:
    """A stream that can be sought; pipes are read to their end first."""
    if not isinstance(source, Path):
        return io.BytesIO(source.read())
    kind = source.stat().st_mode
    if stat.S_ISDIR(kind):
        raise InputError("a folder is given where a picture is needed")
    if stat.S_ISFIFO(kind):
        return io.BytesIO(source.read_bytes())
    if not stat.S_ISREG(kind):
        raise InputError("not a regular file")
    return source.open("rb")


def _fitted(image: Image, known: formats.Format) -> tuple[Image, tuple[str, ...]]:
    """A picture as a format can hold it, and what is left out, one note each."""
    if image.metadata.exr is not None and known.name != image.metadata.format:
        from genrestore.files.codecs import exr

        image = exr.straight(image)
    found = image.metadata
    notes: list[str] = []
    if known.name == found.format:
        notes += containers.kept(found.appended) if found.appended else ()
        if found.turned is not None:
            notes.append(
                f"it stays turned in the file as it was (Orientation {found.turned.orientation}), "
                "since further pictures there do not turn with it"
            )
    else:
        missing = list(found.only_here)
        if found.appended.strip(b"\0"):
            missing.append(f"what stands behind the picture in its file ({len(found.appended)} bytes)")
            if found.xmp is not None:
                found = replace(found, xmp=xmp.without_claims(found.xmp, pictures=True, film=True))
        found = replace(found, turned=None)
        if found.format == "TIFF" and found.exif is not None:
            found = replace(found, exif=exif.without_resolution(found.exif))
        if missing:
            notes.append(f"{known.name} has no place for {', '.join(missing)}: left out")
    in_exif = found.exif is not None and exif.resolution(found.exif) is not None
    if not known.resolution and (found.dpi or found.aspect) and not in_exif:
        notes.append(f"{known.label} has no place for the resolution: left out")
    if image.extra is not None and not known.further:
        notes.append("the channel that the TIFF does not call alpha is left out")
    grey = image.pixels.shape[1] == 1
    if grey and not known.grey and found.icc is not None and found.icc[16:20] == b"GRAY":
        found = replace(found, icc=None)
        notes.append(f"the profile of grey is left out, since {known.label} has no grey mode")
    if image.alpha is not None and not known.alpha:
        notes.append(f"{known.label} has no alpha channel: transparency is left out")
    floating = image.pixels.dtype.kind == "f" and not known.floating
    if floating:
        notes.append(f"{known.label} has no floating point: written in {known.bits} bits, clipped to 0 and 1")
    elif image.pixels.dtype == np.uint16 and known.bits < (found.bits or 16):
        notes.append(f"{known.label} has {known.bits} bits: {found.bits or 16}-bit values are rounded")
    if grey and not known.grey:
        notes.append(f"{known.label} has no grey mode: written as RGB")
    if found.exif and len(found.exif) + _EXIF_PREFIX > known.block:
        found = replace(found, exif=None)
        notes.append(f"EXIF is larger than a {known.label} can hold, and left out")
    if found.xmp and len(found.xmp) + _XMP_PREFIX > known.block:
        found = replace(found, xmp=None)
        notes.append(f"XMP is larger than a {known.label} can hold, and left out")
    planes = [image.pixels, image.alpha if known.alpha else None, image.extra if known.further else None]
    pixels, alpha, extra = (to_16_bit(one) if floating and one is not None else one for one in planes)
    assert pixels is not None
    return Image(pixels, alpha, found, extra), tuple(notes)


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
    if orientation in QUARTER_TURNS:
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
