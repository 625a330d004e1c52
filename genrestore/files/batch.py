"""Input by input: read, restore, write, one `Outcome` each. Takes the restoring as an argument."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import numpy as np

from genrestore.errors import InputError
from genrestore.files import formats, images, outputs
from genrestore.files.formats import shown
from genrestore.files.metadata import Provenance
from genrestore.files.outputs import Job
from genrestore.files.pixels import Array, Image


class Restored(Protocol):
    """What a restoring gives back."""

    @property
    def pixels(self) -> Array:
        """The result, [1, channel, height, width], of the shape and type of what went in."""

    @property
    def noise_level(self) -> float | None:
        """The level that was given or estimated, on the [0, 1] scale, or None."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user is told, one sentence each."""


Restore = Callable[[Array, Callable[[float], None]], Restored]


@dataclass(frozen=True)
class Outcome:
    """What became of one job.

    Attributes:
        job: The job.
        status: "done", "skipped" (on purpose) or "failed".
        seconds: Reading, restoring and writing.
        noise_level: On the [0, 1] scale, or None.
        notes: What the user is told, one sentence each.
        error: Why it failed or was skipped, one line; None if done.
        target: The file that was written; None for standard output, and if not done.
    """

    job: Job
    status: Literal["done", "skipped", "failed"]
    seconds: float = 0.0
    noise_level: float | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None
    target: Path | None = None


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is run.

    Attributes:
        max_pixels: Larger pictures fail before they are decoded.
        provenance: Written into each output, with the noise level; None: nothing is.
        compare: Write input and result side by side, at `outputs.comparison_path`.
        overwrite: Replace an output that came to be there since the plan was made.
        stdin: Where a job without a source reads; None: the process's standard input.
        stdout: Where a job without a target writes; None: the process's standard output.
    """

    max_pixels: int = images.DEFAULT_MAX_PIXELS
    provenance: Provenance | None = None
    compare: bool = False
    overwrite: bool = False
    stdin: BinaryIO | None = None
    stdout: BinaryIO | None = None


def run(
    jobs: Sequence[Job],
    restore: Restore,
    options: BatchOptions,
    on_progress: Callable[[Job, float], None],
) -> Iterator[Outcome]:
    """Do the jobs one after another; a job that fails does not stop the others.

    Args:
        jobs: From `outputs.plan`.
        restore: Takes pixels, [1, channel, height, width] of uint8 or uint16, and a callback for the fraction
            done.
        options: How.
        on_progress: Called with the job and its fraction done, 0 to 1.

    Yields:
        One outcome a job, in their order.
    """
    for job in jobs:
        if job.skipped:
            yield Outcome(job, "skipped", error=job.skipped)
            continue
        started = time.perf_counter()
        try:
            outcome = _do(job, restore, options, on_progress)
        except InputError as error:
            outcome = Outcome(job, "failed", error=str(error))
        except MemoryError:
            outcome = Outcome(job, "failed", error=f"{job.name}: not enough memory for this picture")
        except OSError as error:
            outcome = Outcome(job, "failed", error=f"{job.name}: {error.strerror or error}")
        yield replace(outcome, seconds=time.perf_counter() - started)


def _do(
    job: Job, restore: Restore, options: BatchOptions, on_progress: Callable[[Job, float], None]
) -> Outcome:
    if job.target is not None:
        outputs.check_writable(job.target)
    source = job.source if job.source is not None else options.stdin or sys.stdin.buffer
    image = images.read(source, max_pixels=options.max_pixels)
    times = _times(job.source)
    format, format_notes = _format(job, image)
    restored = restore(image.pixels, lambda fraction: on_progress(job, fraction))
    before = image.pixels if options.compare else None
    image.pixels = restored.pixels  # so that the decoded pixels are given back before the result is written
    provenance = options.provenance
    if provenance is not None and restored.noise_level is not None:
        provenance = {**provenance, "noise_level": restored.noise_level}
    if job.target is None:
        notes = _write_stdout(image, format, provenance, options.stdout or sys.stdout.buffer)
    else:
        own = job.target == job.source
        notes = _write(image, job.target, format, provenance, options.overwrite or own)
        if before is not None:
            beside = outputs.comparison_path(job.target)
            _write(_side_by_side(before, image), beside, format, provenance, options.overwrite)
        if times is not None:
            with suppress(OSError):
                os.utime(job.target, ns=times)
    notes = (*image.metadata.notes, *format_notes, *restored.notes, *notes)
    return Outcome(job, "done", noise_level=restored.noise_level, notes=notes, target=job.target)


def _times(source: Path | None) -> tuple[int, int] | None:
    """Times of access and change in nanoseconds; None for a stream, or if the file has gone meanwhile."""
    try:
        found = None if source is None else source.stat()
    except OSError:
        return None
    return None if found is None else (found.st_atime_ns, found.st_mtime_ns)


def _format(job: Job, image: Image) -> tuple[str, tuple[str, ...]]:
    """The format of the output, and what is to be said of it.

    Raises:
        InputError: The picture is to be replaced in place, and its format is not written.
    """
    found = image.metadata.format
    if job.format is None and job.target is not None and found not in formats.WRITABLE:
        raise InputError(f"{job.name}: {found} is not written; name an output instead of --in-place")
    chosen = job.format or (found if found in formats.WRITABLE else "PNG")
    if found not in formats.WRITABLE:
        return chosen, (f"{found} is not written: the result is {chosen}",)
    named = None if job.source is None else formats.of_suffix(job.source)
    if named is not None and named != found and chosen != found:
        return chosen, (f"the file is named {named} and holds {found}: the result is {chosen}",)
    return chosen, ()


def _write(
    image: Image, target: Path, format: str, provenance: Provenance | None, overwrite: bool
) -> tuple[str, ...]:
    with outputs.atomic(target, overwrite=overwrite) as stream:
        try:
            return images.encode(image, stream, format, provenance=provenance)
        except InputError as error:
            raise InputError(f"{shown(target)}: {error}") from error


def _write_stdout(
    image: Image, format: str, provenance: Provenance | None, stdout: BinaryIO
) -> tuple[str, ...]:
    encoded = io.BytesIO()
    notes = images.encode(image, encoded, format, provenance=provenance)
    try:
        stdout.write(encoded.getbuffer())
        stdout.flush()
    except BrokenPipeError as error:
        with suppress(
            OSError, AttributeError
        ):  # so that the flush at the end of the process does not fail again
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        raise InputError("standard output: closed before the picture was written") from error
    return notes


def _side_by_side(before: Array, result: Image) -> Image:
    pixels: Array = np.concatenate([before, result.pixels], axis=3)
    alpha = None if result.alpha is None else np.concatenate([result.alpha, result.alpha], axis=3)
    return Image(pixels, alpha, result.metadata)
