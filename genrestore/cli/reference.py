"""``--reference``: PSNR and SSIM of a result against its clean picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from genrestore.cli.report import Scores
from genrestore.errors import InputError, UsageError, shown
from genrestore.files.plan.sources import NamedPictures, several

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from genrestore.files.plan.jobs import Job
    from genrestore.files.work.batch import Outcome

PEAK = 255.0
"""All figures are those of the 8-bit range, of 16-bit pictures too."""
ALIKE = 0.01
"""Difference in linear light up to which two profiles are of the same colours."""


@dataclass(frozen=True)
class Scorer:
    """Compares what was written with its clean picture.

    Attributes:
        clean: The clean picture of every job that is not skipped, by the job's id().
        gains: Compare the inputs too.
    """

    clean: Mapping[int, Path]
    gains: bool = False

    def __call__(self, outcome: Outcome) -> Scores:
        """The figures of a written file.

        Raises:
            InputError: It cannot be compared.
        """
        clean, written = self.clean.get(id(outcome.job)), outcome.target
        if clean is None or written is None:
            raise InputError(f"{outcome.job.name}: nothing to compare")
        scores = compare(written, clean)
        if self.gains and outcome.job.source not in (None, written):
            before = _psnr_of_input(outcome.job.source, clean)
            scores = replace(scores, gain=None if before is None else scores.psnr - before)
        return scores


def scorer(reference: Path | None, jobs: Sequence[Job], *, gains: bool = False) -> Scorer | None:
    """A scorer of each written file against its clean picture; None where nothing is to be compared.

    Args:
        reference: One clean picture for all inputs, or a folder of them with the inputs' names or stems.
        jobs: The plan; every input that is not skipped must have its clean picture.
        gains: Also tell what each result gained over its input.

    Raises:
        UsageError: The reference, or that of some inputs, is not there; or the result is not a file.
    """
    if reference is None:
        return None
    clean_pictures = NamedPictures.for_jobs(reference, "--reference", jobs)
    waiting = [job for job in jobs if job.is_open]
    if any(job.target is None for job in waiting):
        raise UsageError("--reference compares the written file: give -o a file, not -")
    found = {id(job): clean_pictures.of_job(job) for job in waiting}
    missing = [job for job in waiting if not found[id(job)]]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UsageError(
            f"--reference {shown(reference)}: no picture in it named like {missing[0].name}{more}"
        )
    for job in waiting:
        if len(found[id(job)]) > 1:
            raise UsageError(f"--reference {shown(reference)}: {several(job.name, found[id(job)])}")
    return Scorer({job: alike[0] for job, alike in found.items()}, gains)


def compare(written: Path, clean: Path, max_pixels: int | None = None) -> Scores:
    """PSNR and SSIM of a picture as it is on disk, both on the 8-bit range; alpha is left out, and noted.

    Raises:
        InputError: One cannot be read, or they differ in size or channels.
    """
    from genrestore import metrics

    ours, theirs, peak, notes = _comparable(written, clean, max_pixels)
    return Scores(metrics.psnr(ours, theirs, peak), metrics.ssim(ours, theirs, peak), notes)


def _psnr_of_input(picture: Path | None, clean: Path) -> float | None:
    """The PSNR of what was restored; None where it cannot be compared."""
    from genrestore import metrics

    try:
        return None if picture is None else metrics.psnr(*_comparable(picture, clean, None)[:3])
    except (InputError, OSError):
        return None


def _comparable(
    written: Path, clean: Path, max_pixels: int | None
) -> tuple[np.ndarray, np.ndarray, float, tuple[str, ...]]:
    """Two pictures [1, channel, height, width] of one size on one scale, its largest value, and notes.

    Raises:
        InputError: One cannot be read, or they differ in size or channels.
    """
    from genrestore.files.codecs import images

    limit = images.DEFAULT_MAX_PIXELS if max_pixels is None else max_pixels
    result, reference = images.read(written, max_pixels=limit), images.read(clean, max_pixels=limit)
    ours, theirs = result.pixels, reference.pixels
    if ours.shape != theirs.shape:
        hint = "; grey and RGB are not compared, convert one" if ours.shape[1] != theirs.shape[1] else ""
        raise InputError(
            f"{shown(written)} is {_shape(ours)}, the reference {shown(clean)} is {_shape(theirs)}{hint}"
        )
    notes = [*result.metadata.notes, *(f"reference: {note}" for note in reference.metadata.notes)]
    if result.alpha is not None or reference.alpha is not None:
        notes.append("alpha left out")
    if not _are_alike(result.metadata.icc, reference.metadata.icc, ours.shape[1]):
        notes.append("the colour profiles differ, and values are compared as they are")
    for path, pixels in ((written, ours), (clean, theirs)):
        if pixels.dtype.kind == "f":
            _check_finite(path, pixels)
            if pixels.min(initial=0) < 0 or pixels.max(initial=0) > 1:
                notes.append(f"{path.name} has values outside of [0, 1]; white is 1")
    peak = float(_largest(ours))
    if ours.dtype != theirs.dtype:
        ours, theirs, peak = _eight_bit_range(ours), _eight_bit_range(theirs), PEAK
    return ours, theirs, peak, tuple(notes)


def _are_alike(profile: bytes | None, other: bytes | None, channels: int) -> bool:
    """Whether two profiles (None: sRGB) give values about the same colours; of tables only equal ones do."""
    import numpy as np

    from genrestore.files.codecs import icc

    if profile == other:
        return True
    probe = np.linspace(0, 1, 9 * channels, dtype=np.float32).reshape(1, channels, 3, 3)
    one, two = icc.linear_srgb(probe, profile), icc.linear_srgb(probe, other)
    return one is not None and two is not None and bool(np.abs(one - two).max() < ALIKE)


def _check_finite(path: Path, pixels: np.ndarray) -> None:
    """Refuse pixels of any shape that hold no number.

    Raises:
        InputError: NaN or an infinity.
    """
    import numpy as np

    if not np.isfinite(pixels).all():
        raise InputError(f"{shown(path)}: holds NaN or infinity, which compares with nothing")


def _eight_bit_range(pixels: np.ndarray) -> np.ndarray:
    """[1, channel, height, width] of any type to 0 to 255, not rounded."""
    import numpy as np

    return pixels.astype(np.float32) * (PEAK / _largest(pixels))


def _largest(pixels: np.ndarray) -> int:
    """The value of white in pixels of any shape."""
    from genrestore.files.codecs.images import white

    return white(pixels.dtype)


def _shape(pixels: np.ndarray) -> str:
    """[1, channel, height, width] in words."""
    _, channels, height, width = pixels.shape
    return f"{width}x{height} {'grey' if channels == 1 else 'RGB'}"
