"""Writing results: into files, whole or not at all, or to standard output."""

from __future__ import annotations

import io
import os
from contextlib import suppress
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
    """Write a result, and beside it the comparison; return what the format could not keep, one note each.

    Args:
        image: The result.
        before: Pixels left of it in a comparison: those that went in, [1, channel, height, width], or several
            panels of their width side by side; None: no comparison.
        target: Path of the result.
        format: One of `formats.WRITABLE`.
        provenance: Record of how the files were made; None: none is written.
        overwrite: Replace what is there.
        source: The input: the files are never open to more than it is. None: it is not known.

    Raises:
        InputError: One cannot be written; one line with its path.
    """
    written = [(image, target)]
    if before is not None:
        pixels: Array = np.concatenate([before, image.pixels], axis=3)
        panels = pixels.shape[3] // image.pixels.shape[3]
        alpha = None if image.alpha is None else np.concatenate([image.alpha] * panels, axis=3)
        written.append((Image(pixels, alpha, image.metadata), comparison_path(target)))
    notes = []
    for picture, path in written:
        with atomic(path, overwrite=overwrite, source=source) as stream:
            try:
                notes.append(images.encode(picture, stream, format, provenance=provenance))
            except InputError as error:
                raise InputError(f"{shown(path)}: {error}") from error
    return notes[0]


def write_attachment(content: bytes, target: Path, overwrite: bool, source: Path | None = None) -> None:
    """Write what goes beside a result, whole or not at all; see `write_files`."""
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
