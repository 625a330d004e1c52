"""Decode and encode pictures so that a photograph comes back as it was.

Which library decodes what is decided here: PNG and TIFF have true 16 bits in imagecodecs and tifffile, Pillow
does the rest.
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

from genrestore.errors import InputError
from genrestore.files.codecs import converting, formats, jpeg, pillow, png, tiff, webp
from genrestore.files.codecs.formats import IMAGE_SUFFIXES, shown
from genrestore.files.codecs.metadata import Metadata, Provenance
from genrestore.files.codecs.pixels import Image
from genrestore.files.codecs.provenance import read as read_provenance

__all__ = ["DEFAULT_MAX_PIXELS", "IMAGE_SUFFIXES", "Image", "Metadata", "encode", "read", "read_provenance"]

DEFAULT_MAX_PIXELS = 250_000_000
_WRITERS = {"PNG": png.write, "JPEG": jpeg.write, "TIFF": tiff.write, "WEBP": webp.write}

for _library in ("imagecodecs", "tifffile"):  # without a handler, what they log goes to stderr
    logging.getLogger(_library).addHandler(logging.NullHandler())

_SILENCE = threading.Lock()
"""Held while warnings are ignored: that is a setting of the whole process, and more than one thread reads."""


def read(source: Path | BinaryIO, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image:
    """Decode the one picture of a file, upright.

    Args:
        source: A path, or a stream (standard input), which is read to its end.
        max_pixels: Refuse files whose header states more, before decoding.

    Returns:
        The picture, [1, channel, height, width], uint8 or uint16, as views of the decoded buffer.

    Raises:
        InputError: Not there, not readable, not a picture, damaged, or of a kind that is not restored; one
            line that begins with the file's name.
    """
    name = shown(source) if isinstance(source, Path) else "standard input"
    suffix = source.suffix if isinstance(source, Path) else ""
    try:
        with _open(source) as stream, _SILENCE, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(stream, suffix, max_pixels)
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
        image: Pixels of uint8 or uint16, [1, channel, height, width], with the metadata of `read`.
        stream: Empty, open for reading, writing and seeking.
        format: One of `formats.WRITABLE`.
        provenance: Tool, version, weights and options, as JSON values; None leaves them out.

    Returns:
        What the format could not keep, one note each, for the user.

    Raises:
        InputError: A format that is not written, or a picture too large for it; without the file's name.
    """
    if format not in _WRITERS:
        raise InputError(f"{format} is not written; written are {', '.join(formats.WRITABLE)}")
    grey, has_extra = image.pixels.shape[1] == 1, image.extra is not None
    described, notes = converting.for_format(image.metadata, format, grey=grey, has_extra=has_extra)
    return (*notes, *_WRITERS[format](replace(image, metadata=described), stream, provenance))


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


def _decode(stream: BinaryIO, suffix: str, max_pixels: int) -> Image:
    header = stream.read(formats.HEADER_BYTES)
    if not header:
        raise InputError("empty, 0 bytes")
    if reason := formats.unreadable_kind(suffix, header):
        raise InputError(reason)
    format = formats.of_content(header)
    stream.seek(0)
    if format == "PNG":
        formats.check_size(*png.size(header), max_pixels)
        return png.read(stream.read())
    if format == "TIFF":
        return tiff.read(stream, max_pixels)
    if format is None:
        raise InputError(f"not a picture that genrestore reads ({', '.join(formats.READABLE)})")
    return pillow.read(stream, format, max_pixels)
