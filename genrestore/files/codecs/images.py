"""Decode and encode pictures so that a photograph comes back as it was; the record of how it was made.

A format's own codec does the work (`formats.FORMATS`); here is what is the same for all.
"""

from __future__ import annotations

import io
import logging
import stat
import threading
import warnings
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from genrestore.errors import InputError, shown
from genrestore.files.codecs import containers, exif, exr, formats, raw, xmp
from genrestore.files.codecs.formats import IMAGE_SUFFIXES, Develop
from genrestore.files.codecs.metadata import Metadata, Provenance, read_provenance
from genrestore.files.codecs.pixels import Image, to_16_bit

__all__ = ["DEFAULT_MAX_PIXELS", "IMAGE_SUFFIXES", "Image", "Metadata", "encode", "read", "read_provenance"]

DEFAULT_MAX_PIXELS = 250_000_000
_EXIF_PREFIX, _XMP_PREFIX = 6, 29
"""Bytes before a block in its segment, where that has a limit."""

for _library in ("imagecodecs", "tifffile"):  # without a handler, what they log goes to stderr
    logging.getLogger(_library).addHandler(logging.NullHandler())

_SILENCE = threading.Lock()
"""Held while warnings are ignored: that is a setting of the whole process, and more than one thread reads."""


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
    if known.name != exr.NAME:
        image = exr.straight(image)
    found = image.metadata
    notes: list[str] = []
    if known.name == found.format:
        notes += containers.kept(found.appended)
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
