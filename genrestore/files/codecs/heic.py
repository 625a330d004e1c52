"""HEIC, the photographs of phones and some cameras, by pillow-heif (libheif), which is an extra."""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

import numpy as np

from genrestore.errors import InputError
from genrestore.files.codecs import heif
from genrestore.files.codecs.formats import check_size, library
from genrestore.files.codecs.images import Image, from_buffer, widened


def read(stream: BinaryIO, format: str, max_pixels: int) -> Image:
    """Decode the picture of a HEIC that is shown; see `formats.Codec`."""
    pillow_heif, data = library(format), stream.read()
    try:
        found = heif.read(data)
        check_size(*found.size, max_pixels)
        found.check_inside()
        described, _ = heif.describe(found, format)
    except InputError as error:
        raise heif.named(error, format) from error
    try:
        opened = pillow_heif.open_heif(data, convert_hdr_to_8bit=False)
        width, height = opened.size
        check_size(width, height, max_pixels)
        buffer = np.asarray(opened).copy()
        bits = int(opened.info["bit_depth"])
    except InputError:
        raise
    except Exception as error:  # of several types, by libheif's number
        raise InputError(f"truncated or damaged {format} ({error})") from error
    if buffer.dtype == np.uint16:
        buffer >>= 16 - bits
    return from_buffer(
        widened(buffer, bits), replace(described, bits=bits if bits > 8 else 0, subsampling=None)
    )
