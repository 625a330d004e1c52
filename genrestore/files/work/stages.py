"""Stages of one picture: it is read, restored, written. Each stage may have a thread of its own."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from genrestore.errors import InputError, shown
from genrestore.files.codecs import formats, images, jpeg
from genrestore.files.codecs.formats import Develop
from genrestore.files.codecs.images import Array, Image
from genrestore.files.codecs.metadata import Provenance
from genrestore.files.disk.atomic import atomic
from genrestore.files.plan import sources
from genrestore.files.plan.jobs import Attachment, Job, OutputOptions, Range, comparison_path
from genrestore.files.work.masks import Mask
from genrestore.files.work.scale import Scale, low_range_notes

Figures = Mapping[str, float | list[float]]


class Findings(Protocol):
    """Findings about a restored picture that the user is told."""

    @property
    def noise_level(self) -> float | None:
        """The level that was given or estimated, on the [0, 1] scale, or None."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks, one sentence each."""

    @property
    def in_domain(self) -> bool | None:
        """True if the prior knows such pictures; None where it knows all."""

    @property
    def figures(self) -> Figures:
        """Other numbers, by name."""


class Restored(Protocol):
    """A restored picture."""

    @property
    def pixels(self) -> Array:
        """The result, [1, channel, height, width], of the shape and type of what went in."""

    @property
    def findings(self) -> Findings:
        """Findings about it."""


@dataclass(frozen=True)
class BatchOptions:
    """Options of a batch.

    Attributes:
        max_pixels: Larger pictures fail before they are decoded.
        provenance: Written into each output, with the noise level and the input's sha256; None: nothing is.
        compare: Write input and result side by side, at `jobs.comparison_path`.
        attachment: What else is written beside each output; None: nothing.
        overwrite: Replace an output that came to be there since the plan was made.
        skip_existing: Leave an output that says what this run would say, and make other ones again.
        finish: Makes what is written out of the picture and its restored pixels, [1, channel, height, width];
            None: it is the picture with those pixels.
        masks: Says what is known of each picture, by its pixels as they are restored too; None: everything.
        read_ahead: Pictures may be read while others are restored; not where masks are computed meanwhile.
        stdin: Where a job without a source reads; None: the process's standard input.
        stdout: Where a job without a target writes; None: the process's standard output.
        drop_extras: Replace an input though a part of its file is lost.
        range: The values of black and white in every picture; None: as each picture has them.
        develop: How camera RAW is developed; None: as usual.
        scaled: Restore pictures on a scale of their own, where they have one; else their values as they are.
    """

    max_pixels: int = images.DEFAULT_MAX_PIXELS
    provenance: Provenance | None = None
    compare: bool = False
    overwrite: bool = False
    skip_existing: bool = False
    finish: Callable[[Image, Array], Image] | None = None
    masks: Callable[[Job, Image, Array], Mask] | None = None
    stdin: BinaryIO | None = None
    stdout: BinaryIO | None = None
    attachment: Attachment | None = None
    drop_extras: bool = False
    range: Range | None = None
    develop: Develop | None = None
    scaled: bool = True
    read_ahead: bool = True

    @classmethod
    def of(
        cls, options: OutputOptions, provenance: Provenance, max_pixels: int | None = None
    ) -> BatchOptions:
        """The options of a batch whose plan was made with `options`.

        Args:
            options: The user's words.
            provenance: The provenance of the results, if they are to have one.
            max_pixels: None takes `images.DEFAULT_MAX_PIXELS`.
        """
        return cls(
            images.DEFAULT_MAX_PIXELS if max_pixels is None else max_pixels,
            provenance if options.provenance else None,
            options.compare,
            options.overwrite,
            options.skip_existing,
            attachment=options.attachment,
            drop_extras=options.drop_extras,
        )


@dataclass(frozen=True)
class Picture:
    """A picture between two stages.

    Attributes:
        job: The job.
        image: As it was read; restored, as it will be written.
        format: Of the output, one of `formats.WRITABLE`.
        notes: What the user is told besides what the image's metadata has to say, one sentence each.
        provenance: What the output says of how it was made; None: nothing.
        mask: What is known of it; None: everything.
        scale: The scale on which it is restored; None: its values as they are.
        pixels: What is restored, [1, channel, height, width]: the image's, on that scale.
        times: Of the file's last access and change, in nanoseconds; None for a stream.
        findings: Findings of the restoration, once it is restored.
        before: The pixels that went in, [1, channel, height, width], where they are still needed.
        attached: The content of what is written beside the output, or None.
        stale: Why an output that exists is made again; None where there is none.
        seconds: Spent on it so far; of what was spent on several at once, its share.
    """

    job: Job
    image: Image
    format: str
    notes: tuple[str, ...]
    provenance: Provenance | None
    times: tuple[int, int] | None
    pixels: Array
    scale: Scale | None = None
    mask: Mask | None = None
    findings: Findings | None = None
    before: Array | None = None
    attached: bytes | None = None
    stale: str | None = None
    seconds: float = 0.0

    @property
    def known(self) -> Array | None:
        """Known pixels, bool [1, 1, height, width]; None: every one is."""
        return None if self.mask is None else self.mask.known

    @property
    def copyable(self) -> Array | None:
        """True where texture may be copied from, of the shape of `known`; None: where a pixel is known."""
        return None if self.mask is None else self.mask.copyable

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels that are held."""
        held = (self.image.pixels, self.image.alpha, self.before, self.known)
        scaled = 0 if self.scale is None else self.pixels.nbytes
        return scaled + sum(plane.nbytes for plane in held if plane is not None)


Restore = Callable[[Sequence[Picture], Callable[[float], None]], Sequence[Restored | InputError]]
"""Takes pictures that are restored at once, and a callback for their finished share, 0 to 1; gives their
results in order, and in the place of one that cannot be restored its error."""


def read(job: Job, options: BatchOptions, max_pixels: int) -> Picture:
    """Read a job's picture, and all that is to be known of its file.

    Args:
        job: Its source may be standard input.
        options: Of the batch.
        max_pixels: Larger pictures fail before they are decoded.

    Raises:
        InputError: It or its mask cannot be read, or its format not be written in place; one line with its
            name.
    """
    source = job.source or io.BytesIO((options.stdin or sys.stdin.buffer).read())
    image = images.read(source, max_pixels=max_pixels, develop=options.develop)
    lost = image.metadata.lost
    if lost and job.target is not None and job.target == job.source and not options.drop_extras:
        raise InputError(
            f"{job.name}: {'; '.join(lost)}; name an output, or give --drop-extras to replace the file anyway"
        )
    times = _times(job.source)
    format, notes = _format(job, image)
    provenance = options.provenance
    if provenance is not None:
        provenance = {**provenance, sources.SOURCE: sources.source_sha256(source), **sources.mask_of(job)}
    scale = Scale.of(image, options.range) if options.scaled else None
    pixels = image.pixels if scale is None else scale.scaled(image.pixels)
    mask = None if options.masks is None else options.masks(job, image, pixels)
    notes = (*lost, *notes, *(() if mask is None else mask.notes))
    return Picture(job, image, format, notes, provenance, times, pixels, scale, mask)


def finish(picture: Picture, restored: Restored, options: BatchOptions) -> Picture:
    """A picture that was read, with its result; its own pixels go, unless a comparison needs them.

    Args:
        picture: From `read`; its image is changed.
        restored: The result.
        options: Of the batch.
    """
    image, provenance, mask, findings = picture.image, picture.provenance, picture.mask, restored.findings
    before = _before(image, mask) if options.compare else None
    scale, notes = picture.scale, picture.notes
    if options.finish is not None:  # it shows what the prior was shown
        image = options.finish(replace(image, pixels=picture.pixels), restored.pixels)
    elif scale is None:
        notes += low_range_notes(image.pixels, findings.noise_level)
        image.pixels = restored.pixels
    else:
        image.pixels = scale.restored(image.pixels, picture.pixels, restored.pixels, picture.known)
        notes += scale.notes(image, findings.noise_level)
    if mask is not None:
        mask.show_filled(image)
    if provenance is not None and findings.noise_level is not None:
        provenance = {**provenance, "noise_level": findings.noise_level}
    attached = None if options.attachment is None else options.attachment.content(restored)
    return replace(
        picture,
        image=image,
        pixels=image.pixels,
        notes=notes,
        provenance=provenance,
        findings=findings,
        before=before,
        attached=attached,
    )


def write(picture: Picture, options: BatchOptions, overwrite: bool) -> tuple[str, ...]:
    """Write a restored picture to its job's target, or to standard output.

    Args:
        picture: From `finish`.
        options: Of the batch.
        overwrite: Replace what is there.

    Returns:
        What the format could not keep, one note each.

    Raises:
        InputError: It cannot be written; one line with the target's name.
    """
    image, target, provenance = picture.image, picture.job.target, picture.provenance
    if target is None:
        stdout = options.stdout or sys.stdout.buffer
        return write_stdout(image, picture.format, provenance, stdout)
    if options.attachment is not None and picture.attached is not None:  # first: the picture says it is done
        beside = options.attachment.path(target)
        with atomic(beside, overwrite=overwrite, source=picture.job.source) as stream:
            stream.write(picture.attached)
    notes = write_files(
        image, picture.before, target, picture.format, provenance, overwrite, picture.job.source
    )
    if picture.times is not None:
        with suppress(OSError):
            os.utime(target, ns=picture.times)
    return notes


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
        written.append((Image(pixels, alpha, jpeg.without_appended(image.metadata)), comparison_path(target)))
    notes = []
    for picture, path in written:
        with atomic(path, overwrite=overwrite, source=source) as stream:
            try:
                notes.append(images.encode(picture, stream, format, provenance=provenance))
            except InputError as error:
                raise InputError(f"{shown(path)}: {error}") from error
    return notes[0]


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


def _before(image: Image, mask: Mask | None) -> Array:
    """Left side of a comparison: the input, and its mask if it has one."""
    return image.pixels if mask is None else mask.beside(image.pixels)


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
    deep = image.pixels.dtype != np.uint8 and formats.BY_NAME[found].deep
    chosen = job.format or ("TIFF" if deep else formats.result_of(found))
    if found not in formats.WRITABLE:
        return chosen, (f"{found} is not written: the result is {chosen}",)
    named = None if job.source is None else formats.of_suffix(job.source)
    if named is not None and named != found and chosen != found:
        return chosen, (f"the file is named {named} and holds {found}: the result is {chosen}",)
    return chosen, ()
