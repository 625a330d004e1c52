"""Which pixels of a picture are missing: from a file, the picture's own alpha, a colour, or rectangles.

White-is-missing becomes known-is-1 here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genrestore.errors import GenrestoreError, InputError, UsageError, shown
from genrestore.files.codecs import images
from genrestore.files.codecs.metadata import Metadata
from genrestore.files.codecs.pixels import Array, Image
from genrestore.files.disk.atomic import atomic
from genrestore.files.plan import sources
from genrestore.files.plan.jobs import Job, Part
from genrestore.files.plan.sources import NamedPictures, several
from genrestore.files.work import mask_meaning
from genrestore.files.work.mask_meaning import Missing

WHITE = 255


@dataclass(frozen=True)
class MaskOptions:
    """The user's words about what is missing. What several of them name is missing all together.

    Attributes:
        place: A mask for all pictures, or a folder of them by name; white is missing. None: no file.
        invert: The file's black is missing instead.
        colour: Red, green and blue in 8-bit levels: pixels of exactly this colour are missing.
        boxes: Rectangles that are missing.
        grow: Pixels by which the hole grows on every side.
        show: Where the mask that was used is written, white is missing: a file, or a folder for several
            pictures.
        overwrite: Replace a mask that was shown before.
        max_pixels: Larger mask files are refused; None takes `images.DEFAULT_MAX_PIXELS`.
    """

    place: Path | None = None
    invert: bool = False
    colour: tuple[int, int, int] | None = None
    boxes: tuple[Part, ...] = ()
    grow: int = 0
    show: Path | None = None
    overwrite: bool = False
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        if self.invert and self.place is None:
            raise UsageError("--invert-mask turns a mask file round; name it with --mask")

    @property
    def uses_alpha(self) -> bool:
        """Whether nothing is named, so that the picture's own alpha says what is missing."""
        return self.place is None and self.colour is None and not self.boxes

    @property
    def provenance(self) -> dict[str, str | int | bool | None]:
        """What a result says of its mask, as JSON values; the mask's own sha256 is noted with each job."""
        return {
            "mask": "alpha" if self.uses_alpha else "given",
            "invert_mask": self.invert,
            "mask_color": None if self.colour is None else "#{:02x}{:02x}{:02x}".format(*self.colour),
            "box": " ".join(str(box) for box in self.boxes) or None,
            "grow": self.grow,
        }


def assign(jobs: Sequence[Job], options: MaskOptions) -> list[Job]:
    """Give every job its mask file; in a batch, a job without one has failed before it began.

    Raises:
        UsageError: The mask or the folder is not there, holds no mask for any picture, or is where a result
            would go; or the place for masks to be shown cannot be meant.
    """
    if options.place is not None:
        jobs = _with_masks(jobs, NamedPictures(options.place, "--mask"))
    _check_shown(jobs, options)
    return list(jobs)


def _with_masks(jobs: Sequence[Job], named: NamedPictures) -> list[Job]:
    found = [_with_mask(job, named) if job.is_open else job for job in jobs]
    waiting = [after for before, after in zip(jobs, found, strict=True) if before.is_open]
    if waiting and not any(job.is_open for job in waiting):
        more = f", and none for {len(waiting) - 1} more" if len(waiting) > 1 else ""
        raise UsageError(f"{waiting[0].problem}{more}")
    targets = {job.target.resolve(): job for job in found if job.target is not None}
    for job in found:
        if job.mask is not None and (hit := targets.get(job.mask.resolve())):
            raise UsageError(f"{shown(job.mask)}: the output of {hit.name} is a mask; name another with -o")
    return found


def _with_mask(job: Job, named: NamedPictures) -> Job:
    alike = named.named_like(job.source)
    if len(alike) == 1:
        return replace(job, mask=alike[0])
    if alike:
        return replace(job, problem=f"--mask {shown(named.place)}: {several(job.name, alike)}")
    return replace(job, problem=f"--mask {shown(named.place)}: no mask in it named like {job.name}")


def _check_shown(jobs: Sequence[Job], options: MaskOptions) -> None:
    if options.show is None:
        return
    many = sum(job.is_open for job in jobs) > 1
    if many and (options.show.suffix or options.show.is_file()):
        raise UsageError(f"--show-mask {shown(options.show)}: a file, and several inputs need a folder")
    taken = {path.resolve() for job in jobs for path in (job.source, job.target, job.mask) if path}
    for job in jobs:
        if not job.is_open:
            continue
        path = _shown_path(job, options.show)
        if path.suffix.lower() != ".png":
            raise UsageError(f"--show-mask {shown(path)}: a mask is written as PNG; end it in .png")
        if path.resolve() in taken:
            raise UsageError(
                f"--show-mask {shown(path)}: an input, a mask or a result is there; name another"
            )
        if path.exists() and not options.overwrite:
            raise UsageError(f"--show-mask {shown(path)}: exists already; --overwrite replaces it")
        taken.add(path.resolve())


def _shown_path(job: Job, show: Path) -> Path:
    """A file as it is named; in a folder the stem of the picture."""
    if show.suffix and not sources.is_folder(show):
        return show
    stem = "standard-input" if job.source is None else job.source.stem
    return show / f"{stem}.mask.png"


@dataclass(frozen=True)
class Mask:
    """What is known of a picture.

    Attributes:
        known: Whether a pixel is known, bool [1, 1, height, width].
        notes: What the user is told, one sentence each.
        is_alpha: It was the picture's own alpha.
    """

    known: Array
    notes: tuple[str, ...] = ()
    is_alpha: bool = False

    def beside(self, pixels: Array) -> Array:
        """A picture with its mask right of it, white is missing.

        Args:
            pixels: [1, channel, height, width], uint8 or uint16.

        Returns:
            [1, channel, height, 2 width] of the same type.
        """
        white = np.where(self.known, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
        return np.concatenate([pixels, np.broadcast_to(white, pixels.shape)], axis=3)

    def show_filled(self, image: Image) -> None:
        """Make the filled pixels of a picture opaque, if its alpha was the mask; its alpha is replaced."""
        if self.is_alpha and image.alpha is not None:
            opaque = image.alpha.dtype.type(np.iinfo(image.alpha.dtype).max)
            image.alpha = np.where(self.known, image.alpha, opaque)


class Masks:
    """The masks of a batch.

    What is wrong with a mask is wrong use where it is the mask of the only input, and in a batch the failure
    of that input.

    Args:
        options: The user's words.
        jobs: As `assign` gave them.
    """

    def __init__(self, options: MaskOptions, jobs: Sequence[Job]) -> None:
        self._options = options
        self._error: type[GenrestoreError] = (
            UsageError if sum(not job.skipped for job in jobs) == 1 else InputError
        )
        self._last: tuple[Path, Missing] | None = None

    def of(self, job: Job, image: Image) -> Mask:
        """What is known of one picture; written too where the user wants it shown.

        Args:
            job: Its job, with its mask file.
            image: The decoded picture.

        Raises:
            InputError: The mask cannot be read, or does not fit the picture, and there are other inputs.
            UsageError: The same, of the only input.
        """
        options, notes = self._options, []
        missing = np.zeros(image.pixels.shape[-2:], bool)
        try:
            if job.mask is not None:
                found = self._from_file(job.mask, missing.shape)
                missing = found.pixels
                notes += [] if found.note is None else [found.note]
            if options.uses_alpha:
                missing = _from_alpha(image)
            if options.colour is not None:
                missing = missing | _from_colour(image.pixels, options.colour)
            for box in options.boxes:
                missing = missing.copy()
                box.of(missing, "--box")[...] = True
        except InputError as error:
            raise self._error(str(error)) from error
        missing = grown(missing, options.grow)
        if options.show is not None:
            _write(missing, _shown_path(job, options.show), options.overwrite, job.mask or job.source)
        if options.uses_alpha:
            notes.append("its alpha was the mask; what was filled is opaque now")
        return Mask(~missing[None, None], tuple(notes), options.uses_alpha)

    def _from_file(self, path: Path, shape: tuple[int, ...]) -> Missing:
        """What a mask file says is missing, bool [height, width]."""
        last = self._last  # another thread may put another one there meanwhile
        if last is None or last[0] != path:
            limit = self._options.max_pixels or images.DEFAULT_MAX_PIXELS
            try:
                found = mask_meaning.of(images.read(path, max_pixels=limit), invert=self._options.invert)
            except InputError as error:
                raise InputError(f"{shown(path)}: {str(error).removeprefix(f'{shown(path)}: ')}") from error
            self._last = last = path, found
        missing = last[1].pixels
        if missing.shape != shape:
            sizes = [f"{width} x {height}" for height, width in (missing.shape, shape)]
            raise InputError(f"{shown(path)}: the mask is {sizes[0]} pixels, the picture {sizes[1]}")
        return last[1]


def grown(missing: Array, by: int) -> Array:
    """The hole, larger by some pixels on every side and corner.

    Args:
        missing: bool [height, width].
        by: Pixels, from 0.

    Returns:
        bool [height, width]: whether a missing pixel is within `by` rows and `by` columns.
    """
    if by == 0:
        return missing
    for axis in (0, 1):
        length = missing.shape[axis]
        count = np.cumsum(missing, axis=axis, dtype=np.int32)
        count = np.concatenate([np.zeros_like(np.take(count, [0], axis)), count], axis)
        index = np.arange(length)
        above = np.take(count, np.minimum(index + by + 1, length), axis)
        missing = above > np.take(count, np.maximum(index - by, 0), axis)
    return missing


def _from_alpha(image: Image) -> Array:
    """Where a picture is transparent, be it in part, bool [height, width].

    Convention: what is opaque is the most that its alpha holds, if that is at least half of what it could.
    """
    if image.alpha is None:
        raise InputError(
            "nothing says what is missing, and the picture has no alpha; give --mask, --mask-color or --box"
        )
    alpha = image.alpha[0, 0]
    missing: Array = alpha < max(int(alpha.max()), np.iinfo(alpha.dtype).max // 2 + 1)
    return missing


def _from_colour(pixels: Array, colour: tuple[int, int, int]) -> Array:
    """Where a picture [1, channel, height, width] has exactly this colour, bool [height, width]."""
    channels = pixels.shape[1]
    if channels == 1 and len(set(colour)) > 1:
        raise InputError("--mask-color: the picture is grey; give a grey, such as #ffffff")
    scale = np.iinfo(pixels.dtype).max // WHITE
    wanted = np.array(colour[:channels], pixels.dtype)[:, None, None] * pixels.dtype.type(scale)
    missing: Array = (pixels[0] == wanted).all(axis=0)
    return missing


def _write(missing: Array, path: Path, overwrite: bool, source: Path | None) -> None:
    pixels = np.where(missing, WHITE, 0).astype(np.uint8)[None, None]
    with atomic(path, overwrite=overwrite, source=source) as stream:
        images.encode(Image(pixels, None, Metadata("PNG", "L")), stream, "PNG")
