"""``--reference``: which clean picture belongs to which input, and how near the written file is to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genrestore.cli.report import Scores
from genrestore.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np

    from genrestore.files.batch import Outcome
    from genrestore.files.outputs import Job

PEAK = 255.0
"""Both pictures are compared on the 8-bit range, 16-bit ones too."""


def scorer(reference: Path | None, jobs: Sequence[Job]) -> Callable[[Outcome], Scores] | None:
    """What compares each written file with its clean picture; None where nothing is to be compared.

    Args:
        reference: One clean picture for all inputs, or a folder of them with the inputs' names or stems.
        jobs: The plan; every input that is not skipped must have its clean picture.

    Raises:
        UsageError: The reference, or that of some inputs, is not there; or the result is not a file.
    """
    if reference is None:
        return None
    if not reference.exists():
        raise UsageError(f"--reference {reference}: no such file or folder")
    waiting = [job for job in jobs if job.skipped is None]
    if any(job.target is None for job in waiting):
        raise UsageError("--reference compares the written file: give -o a file, not -")
    found = {id(job): _match(reference, job) for job in waiting}
    missing = [job for job in waiting if found[id(job)] is None]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UsageError(
            f"--reference {reference}: no picture in it named like {missing[0].source or '-'}{more}"
        )

    def score(outcome: Outcome) -> Scores:
        clean, written = found[id(outcome.job)], outcome.target
        if clean is None or written is None:
            raise InputError(f"{outcome.job.source}: nothing to compare")
        return compare(written, clean)

    return score


def compare(written: Path, clean: Path) -> Scores:
    """PSNR and SSIM of a picture as it is on disk, both on the 8-bit range.

    Raises:
        InputError: One cannot be read, or they differ in size or channels.
    """
    from genrestore import metrics
    from genrestore.files import images

    result, reference = images.read(written).pixels, images.read(clean).pixels
    if result.shape != reference.shape:
        raise InputError(f"{written} is {_shape(result)}, the reference {clean} is {_shape(reference)}")
    ours, theirs = _eight_bit_range(result), _eight_bit_range(reference)
    return Scores(metrics.psnr(ours, theirs, PEAK), metrics.ssim(ours, theirs, PEAK))


def _match(reference: Path, job: Job) -> Path | None:
    if not reference.is_dir():
        return reference
    if job.source is None:
        return None
    exact = reference / job.source.name
    if exact.is_file():
        return exact
    from genrestore.files.images import IMAGE_SUFFIXES

    alike = [
        path
        for path in sorted(reference.iterdir())
        if path.stem == job.source.stem and path.suffix.lower() in IMAGE_SUFFIXES
    ]
    if len(alike) > 1:
        names = ", ".join(path.name for path in alike)
        raise UsageError(f"--reference {reference}: several pictures are named like {job.source}: {names}")
    return alike[0] if alike else None


def _eight_bit_range(pixels: np.ndarray) -> np.ndarray:
    import numpy as np

    return pixels.astype(np.float32) * (PEAK / np.iinfo(pixels.dtype).max)


def _shape(pixels: np.ndarray) -> str:
    _, channels, height, width = pixels.shape
    return f"{width}x{height} {'grey' if channels == 1 else 'RGB'}"
