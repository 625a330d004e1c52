"""Writing what came out: into files, whole or not at all, or to standard output."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from genrestore.errors import InputError, shown
from genrestore.files.codecs import images
from genrestore.files.codecs.metadata import Provenance
from genrestore.files.codecs.pixels import Array, Image
from genrestore.files.disk.atomic import atomic
from genrestore.files.plan.jobs import comparison_path


def write_files(
    image: Image,
    before: Array | None,
    target: Path,
    format: str,
    provenance: Provenance | None,
    overwrite: bool,
    source: Path | None = None,
) -> tuple[str, ...]:
    """Write a result, and beside it the comparison.

    Args:
        image: The result.
        before: What a comparison shows left of it: the pixels that went in, [1, channel, height, width], or
            several panels of their width side by side; None: no comparison.
        target: Where the result goes.
        format: One of `formats.WRITABLE`.
        provenance: What the files say of how they were made; None: nothing.
        overwrite: Replace what is there.
        source: The input: the files are never open to more than it is. None: it is not known.

    Returns:
        What the format could not keep, one note each.

    Raises:
        InputError: One cannot be written; one line with its path.
    """
    write = partial(_write, format=format, provenance=provenance, overwrite=overwrite, source=source)
    notes = write(image, target)
    if before is not None:
        write(_side_by_side(before, image), comparison_path(target))
    return notes


def write_attachment(content: bytes, target: Path, overwrite: bool, source: Path | None = None) -> None:
    """Write what goes beside a result, whole or not at all; see `write_files`.

    Raises:
        InputError: It cannot be written; one line with its path.
    """
    with atomic(target, overwrite=overwrite, source=source) as stream:
        stream.write(content)


def write_stdout(
    image: Image, format: str, provenance: Provenance | None, stdout: BinaryIO
) -> tuple[str, ...]:
    """Write a result as a whole to a stream; returns notes as `write_files` does.

    Raises:
        InputError: The format cannot hold it, the stream takes it not, or nobody reads it any more.
    """
    encoded = io.BytesIO()
    notes = images.encode(image, encoded, format, provenance=provenance)
    try:
        stdout.write(encoded.getbuffer())
        stdout.flush()
    except OSError as error:
        with suppress(OSError, AttributeError):  # so that the flush at the process's end does not fail again
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise InputError("standard output: closed before the picture was written") from error
        raise InputError(f"standard output: cannot be written ({error.strerror})") from error
    return notes


def _write(
    image: Image,
    target: Path,
    *,
    format: str,
    provenance: Provenance | None,
    overwrite: bool,
    source: Path | None,
) -> tuple[str, ...]:
    with atomic(target, overwrite=overwrite, source=source) as stream:
        try:
            return images.encode(image, stream, format, provenance=provenance)
        except InputError as error:
            raise InputError(f"{shown(target)}: {error}") from error


def _side_by_side(before: Array, result: Image) -> Image:
    pixels: Array = np.concatenate([before, result.pixels], axis=3)
    panels = pixels.shape[3] // result.pixels.shape[3]
    alpha = None if result.alpha is None else np.concatenate([result.alpha] * panels, axis=3)
    return Image(pixels, alpha, result.metadata)
