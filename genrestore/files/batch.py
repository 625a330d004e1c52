"""Input by input: read, restore, write, one `Outcome` each. Takes the restoring as an argument."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from genrestore.errors import InputError
from genrestore.files import formats, images, outputs, results, skipping
from genrestore.files.masks import Mask
from genrestore.files.metadata import Provenance
from genrestore.files.outputs import Job, OutputOptions
from genrestore.files.pixels import Array, Image
from genrestore.files.skipping import Existing


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

    @property
    def in_domain(self) -> bool | None:
        """Whether the prior knows such pictures; None where it knows all."""


Restore = Callable[..., Restored]
"""Takes pixels, [1, channel, height, width], and a callback for the fraction done; where a batch has masks,
also which pixels are known, bool [1, 1, height, width]."""


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
        in_domain: Whether the prior knows such pictures; None where it knows all, and if not done.
    """

    job: Job
    status: Literal["done", "skipped", "failed"]
    seconds: float = 0.0
    noise_level: float | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None
    target: Path | None = None
    in_domain: bool | None = None


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is run.

    Attributes:
        max_pixels: Larger pictures fail before they are decoded.
        provenance: Written into each output, with the noise level and the input's sha256; None: nothing is.
        compare: Write input and result side by side, at `outputs.comparison_path`.
        overwrite: Replace an output that came to be there since the plan was made.
        skip_existing: Leave an output that says what this run would say, and make other ones again.
        finish: Makes what is written out of the picture and its restored pixels, [1, channel, height, width];
            None: it is the picture with those pixels.
        masks: Says what is known of each picture; None: everything.
        stdin: Where a job without a source reads; None: the process's standard input.
        stdout: Where a job without a target writes; None: the process's standard output.
    """

    max_pixels: int = images.DEFAULT_MAX_PIXELS
    provenance: Provenance | None = None
    compare: bool = False
    overwrite: bool = False
    skip_existing: bool = False
    finish: Callable[[Image, Array], Image] | None = None
    masks: Callable[[Job, Image], Mask] | None = None
    stdin: BinaryIO | None = None
    stdout: BinaryIO | None = None

    @classmethod
    def of(cls, options: OutputOptions, made: Provenance, max_pixels: int | None = None) -> BatchOptions:
        """The options of a batch whose plan was made with `options`.

        Args:
            options: The user's words.
            made: The provenance of the results, if they are to have one.
            max_pixels: None takes `images.DEFAULT_MAX_PIXELS`.
        """
        return cls(
            images.DEFAULT_MAX_PIXELS if max_pixels is None else max_pixels,
            made if options.provenance else None,
            options.compare,
            options.overwrite,
            options.skip_existing,
        )


def on_first_use(make: Callable[[], Restore]) -> Restore:
    """A restoring that is made when the first picture comes, so that a batch of skipped ones needs none.

    Args:
        make: Gives what restores pixels, [1, channel, height, width] of uint8 or uint16.
    """
    made = cache(make)
    return lambda pixels, on_progress, *known: made()(pixels, on_progress, *known)


def run(
    jobs: Sequence[Job],
    restore: Restore,
    options: BatchOptions,
    on_progress: Callable[[Job, float], None],
) -> Iterator[Outcome]:
    """Do the jobs one after another; a job that fails does not stop the others.

    Who stops asking for outcomes stops the batch.

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
        if job.skipped or job.problem:
            yield Outcome(job, "skipped" if job.skipped else "failed", error=job.skipped or job.problem)
            continue
        started = time.perf_counter()
        try:
            outcome = _do(job, restore, options, on_progress)
        except InputError as error:
            outcome = _failed_unless_done(job, options, str(error))
        except MemoryError:
            outcome = Outcome(job, "failed", error=f"{job.name}: not enough memory for this picture")
        except OSError as error:
            outcome = Outcome(job, "failed", error=f"{job.name}: {error.strerror or error}")
        yield replace(outcome, seconds=time.perf_counter() - started)


def examine(job: Job, options: BatchOptions) -> Existing:
    """What `run` will make of an output that exists; with `options.skip_existing` only."""
    if not options.skip_existing:
        return Existing()
    return skipping.examine(job, options.provenance, compare=options.compare, max_pixels=options.max_pixels)


def _failed_unless_done(job: Job, options: BatchOptions, error: str) -> Outcome:
    """A failure; but if another run has made the very output meanwhile, there is nothing left to do."""
    if examine(job, options).done is not None:
        return Outcome(job, "skipped", error="done by another run meanwhile, with the same parameters")
    return Outcome(job, "failed", error=error)


def _do(
    job: Job, restore: Restore, options: BatchOptions, on_progress: Callable[[Job, float], None]
) -> Outcome:
    existing = examine(job, options)
    if existing.done is not None:
        return Outcome(job, "skipped", error=existing.done)
    if job.target is not None:
        outputs.check_writable(job.target)
    source = _source(job, options)
    image = images.read(source, max_pixels=options.max_pixels)
    times = _times(job.source)
    format, format_notes = _format(job, image)
    provenance = options.provenance
    if provenance is not None:
        provenance = {**provenance, skipping.SOURCE: skipping.source_sha256(source), **skipping.mask_of(job)}
    mask = None if options.masks is None else options.masks(job, image)
    known = () if mask is None else (mask.known,)
    restored = restore(image.pixels, lambda fraction: on_progress(job, fraction), *known)
    before = _before(image, mask) if options.compare else None
    if options.finish is not None:
        image = options.finish(image, restored.pixels)
    else:  # the decoded pixels are given back before the result is written
        image.pixels = restored.pixels
    if mask is not None:
        mask.show_filled(image)
    if provenance is not None and restored.noise_level is not None:
        provenance = {**provenance, "noise_level": restored.noise_level}
    if job.target is None:
        notes = results.write_stdout(image, format, provenance, options.stdout or sys.stdout.buffer)
    else:
        overwrite = options.overwrite or job.target == job.source or existing.stale is not None
        notes = results.write_files(image, before, job.target, format, provenance, overwrite)
        if times is not None:
            with suppress(OSError):
                os.utime(job.target, ns=times)
    again = () if existing.stale is None else (f"made again: {existing.stale}",)
    mask_notes = () if mask is None else mask.notes
    notes = (*image.metadata.notes, *format_notes, *mask_notes, *restored.notes, *notes, *again)
    return Outcome(
        job,
        "done",
        noise_level=restored.noise_level,
        notes=notes,
        target=job.target,
        in_domain=restored.in_domain,
    )


def _before(image: Image, mask: Mask | None) -> Array:
    """What a comparison shows left of the result: the input, and its mask if it has one."""
    return image.pixels if mask is None else mask.beside(image.pixels)


def _source(job: Job, options: BatchOptions) -> Path | io.BytesIO:
    """What the picture is read from: the file, or all of standard input."""
    return job.source or io.BytesIO((options.stdin or sys.stdin.buffer).read())


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
